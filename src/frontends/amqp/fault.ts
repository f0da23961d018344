/** What a method is refused with. Soft codes close the channel, hard ones the connection (specification, section 1.2 and 4.10). */
import { SpindleError } from '../../model/errors.ts'
import { type ReplyCode, replyNames } from '../../wire/amqp/protocol.ts'

const SOFT: ReadonlySet<ReplyCode> = new Set<ReplyCode>([311, 312, 313, 403, 404, 405, 406])
const REPLY_TEXT_BYTES_MAX = 255

export class AmqpFault extends Error {
  override readonly name = 'AmqpFault'
  readonly code: ReplyCode
  readonly closes: 'channel' | 'connection'

  /** `closes`: only for those whose reach is not that of their code, such as a refused login. */
  constructor(
    code: ReplyCode,
    text: string,
    closes: 'channel' | 'connection' = SOFT.has(code) ? 'channel' : 'connection',
  ) {
    super(text)
    this.code = code
    this.closes = closes
  }

  /** As RabbitMQ writes it, since clients match it: `NOT_FOUND - no queue 'x' in vhost '/'`. */
  get replyText(): string {
    const text = `${replyNames[this.code]} - ${this.message}`
    if (Buffer.byteLength(text) <= REPLY_TEXT_BYTES_MAX) return text
    // Cut between characters: a code point cut in two would be longer than it was.
    let short = text.slice(0, REPLY_TEXT_BYTES_MAX)
    while (Buffer.byteLength(short) > REPLY_TEXT_BYTES_MAX) short = short.slice(0, -1)
    return short
  }
}

/** `queue 'x' in vhost '/'`, as RabbitMQ names things. */
export function resource(kind: 'queue' | 'exchange', name: string, vhost: string): string {
  return `${kind} '${name}' in vhost '${vhost}'`
}

export function notFound(kind: 'queue' | 'exchange', name: string, vhost: string): AmqpFault {
  return new AmqpFault(404, `no ${resource(kind, name, vhost)}`)
}

export function preconditionFailed(text: string): AmqpFault {
  return new AmqpFault(406, text)
}

/** What a fault of the broker is on the wire. Faults nobody expected end the connection as 541. */
export function faultOf(error: unknown): AmqpFault {
  if (error instanceof AmqpFault) return error
  if (!(error instanceof SpindleError)) return new AmqpFault(541, error instanceof Error ? error.message : 'unknown')
  switch (error.code) {
    case 'invalid-argument':
    case 'queue-full':
    case 'too-large':
    case 'group-required':
    case 'exchange-exists':
    case 'exchange-in-use':
    case 'queue-exists':
    case 'queue-not-empty':
    case 'aborted':
    case 'stale':
    case 'id-in-use':
      return new AmqpFault(406, error.message)
    case 'no-such-queue':
    case 'no-such-exchange':
    case 'not-found':
      return new AmqpFault(404, error.message)
    case 'overloaded':
    case 'disk-full':
      return new AmqpFault(506, error.message)
    case 'closed':
      return new AmqpFault(320, 'the broker is shutting down')
    default:
      return new AmqpFault(541, error.message)
  }
}
