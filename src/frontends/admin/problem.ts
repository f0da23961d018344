/** Faults as HTTP says them. The one place where codes of the catalogue become statuses. */
import { type ErrorCode, isUnavailable, SpindleError } from '../../model/errors.ts'
import type { Log } from '../../runtime/log.ts'
import type { Problem } from './api.ts'

/** A mistake of HTTP itself, which has no code in the catalogue. */
export class HttpFault extends Error {
  override readonly name = 'HttpFault'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, title: string, headers: Readonly<Record<string, string>> = {}) {
    super(title)
    this.status = status
    this.headers = headers
  }
}

/** What the caller may know; anything else is logged and told as a failure of the server. Never a stack. */
export function problemOf(fault: unknown, log: Log): Problem {
  if (fault instanceof HttpFault) return { title: fault.message, status: fault.status }
  if (fault instanceof SpindleError) {
    const status = statusOf(fault.code)
    if (status >= 500) log.error('an administrative call failed', { fault })
    return { title: fault.message, status, code: fault.code, detail: fault.attempted }
  }
  log.error('an administrative call failed inside', { fault })
  return { title: 'The server failed to answer.', status: 500 }
}

export function statusOf(code: ErrorCode): number {
  if (isUnavailable(code)) return 503
  switch (code) {
    case 'invalid-argument':
    case 'group-required':
    case 'invalid-input':
    case 'unknown-url':
    case 'exposed':
      return 400
    case 'not-authenticated':
      return 401
    case 'access-denied':
      return 403
    case 'no-such-queue':
    case 'no-such-exchange':
    case 'no-such-user':
    case 'no-such-schedule':
    case 'not-found':
    case 'unknown-task':
      return 404
    case 'queue-exists':
    case 'queue-not-empty':
    case 'exchange-exists':
    case 'exchange-in-use':
    case 'redrive-running':
    case 'id-in-use':
    case 'stale':
    case 'aborted':
    case 'task-failed':
    case 'task-cancelled':
      return 409
    case 'too-large':
    case 'result-too-large':
      return 413
    case 'queue-full':
    case 'overloaded':
      return 429
    case 'unsupported':
      return 501
    case 'folder-busy':
    case 'unreachable':
    case 'poisoned':
    case 'corrupt':
    case 'format-newer':
    case 'format-older':
    case 'listen-failed':
    case 'protocol':
    case 'import-failed':
      return 503
    case 'timeout':
      return 504
    case 'disk-full':
      return 507
    default:
      return code satisfies never
  }
}
