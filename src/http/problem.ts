/** Errors as RFC 9457 `application/problem+json`: what a client can act on, never a stack or a path of the server. */
import { isUnavailable, SpindleError } from '../model/errors.ts'
import type { Log } from '../runtime/log.ts'
import { InvalidInputError } from '../tasks/validation.ts'

export interface Problem {
  readonly status: number
  readonly title: string
  readonly detail?: string
  /** Further members, such as `issues`. */
  readonly more?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

const RETRY_AFTER_SECONDS = '5'

export function problemResponse({ status, title, detail, more, headers }: Problem): Response {
  const body = { title, status, ...(detail === undefined ? {} : { detail }), ...more }
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
  })
}

/** What a thrown value means to the client; what it cannot act on goes to the log. */
export function problemOf(thrown: unknown, log: Log): Problem {
  if (thrown instanceof InvalidInputError) {
    return { status: 400, title: 'The input does not fit the task.', more: { issues: thrown.issues } }
  }
  const code = thrown instanceof SpindleError ? thrown.code : undefined
  switch (code) {
    case 'not-found':
      return { status: 404, title: 'Nothing is known of this task, or not any more.' }
    case 'too-large':
      return { status: 413, title: 'The input is over the size limit.' }
    case 'invalid-argument':
    case 'group-required':
      return { status: 400, title: 'The task cannot be enqueued like this.' }
    case 'queue-full':
    case 'overloaded':
      return busy('Too much is waiting already.')
    case 'disk-full':
      return { status: 507, title: 'There is no room for new tasks.' }
    default:
      if (code !== undefined && (isUnavailable(code) || code === 'poisoned' || code === 'folder-busy')) {
        log.error('a request found the store unavailable', { fault: thrown })
        return busy('The store is not available.')
      }
      log.error('a request failed', { fault: thrown })
      return { status: 500, title: 'The server failed to answer.' }
  }
}

function busy(title: string): Problem {
  return { status: 503, title, headers: { 'retry-after': RETRY_AFTER_SECONDS } }
}
