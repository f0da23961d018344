/** Refusals as RabbitMQ's management API words them: JSON { error, reason }. */
import { SpindleError } from '../../model/errors.ts'
import type { Log } from '../../runtime/log.ts'
import { HttpFault, statusOf } from '../admin/problem.ts'
import { AmqpFault } from '../amqp/fault.ts'

export class ManagementFault extends Error {
  override readonly name = 'ManagementFault'
  readonly status: number
  readonly error: string

  constructor(status: number, error: string, reason: string) {
    super(reason)
    this.status = status
    this.error = error
  }
}

export function badRequest(reason: string): ManagementFault {
  return new ManagementFault(400, 'bad_request', reason)
}

export function notFound(): ManagementFault {
  return new ManagementFault(404, 'Object Not Found', 'Not Found')
}

export function notAuthorised(reason: string): ManagementFault {
  return new ManagementFault(401, 'not_authorised', reason)
}

/** What the caller may know; anything else is logged and told as a failure of the server. */
export function faultOf(fault: unknown, log: Log): ManagementFault {
  if (fault instanceof ManagementFault) return fault
  if (fault instanceof AmqpFault) return ofAmqp(fault)
  if (fault instanceof HttpFault) return new ManagementFault(fault.status, namedStatus(fault.status), fault.message)
  if (fault instanceof SpindleError) {
    const status = statusOf(fault.code)
    if (status === 404) return notFound()
    if (status < 500) return new ManagementFault(status === 409 ? 400 : status, 'bad_request', fault.message)
    log.error('a management call failed', { fault })
    return new ManagementFault(status, 'internal_server_error', fault.message)
  }
  log.error('a management call failed inside', { fault })
  return new ManagementFault(500, 'internal_server_error', 'The server failed to answer.')
}

function ofAmqp(fault: AmqpFault): ManagementFault {
  if (fault.code === 404) return notFound()
  if (fault.code === 403) return notAuthorised(fault.replyText)
  return badRequest(fault.replyText)
}

function namedStatus(status: number): string {
  if (status === 404) return 'Object Not Found'
  return status === 405 ? 'Method Not Allowed' : 'bad_request'
}
