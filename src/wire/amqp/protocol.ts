/** Numbers of AMQP 0-9-1 (with RabbitMQ's errata): frame types, limits, reply codes. */

/** What a client sends first: "AMQP", 0, 0-9-1. It is also the answer to a header of another version. */
export const PROTOCOL_HEADER: Uint8Array = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1)

export const FRAME_METHOD = 1
export const FRAME_HEADER = 2
export const FRAME_BODY = 3
export const FRAME_HEARTBEAT = 8
export const FRAME_END = 0xce
/** Bytes around a payload: type, channel and size before it, the end mark after it. */
export const FRAME_OVERHEAD = 8
/** Section 1.2, `frame-min-size`: what both sides must take before they have agreed on a frame-max. */
export const FRAME_MIN = 4_096

/** Section 1.2, constants of class `reply-code`. */
export const replyNames = {
  200: 'REPLY_SUCCESS',
  311: 'CONTENT_TOO_LARGE',
  312: 'NO_ROUTE',
  313: 'NO_CONSUMERS',
  320: 'CONNECTION_FORCED',
  402: 'INVALID_PATH',
  403: 'ACCESS_REFUSED',
  404: 'NOT_FOUND',
  405: 'RESOURCE_LOCKED',
  406: 'PRECONDITION_FAILED',
  501: 'FRAME_ERROR',
  502: 'SYNTAX_ERROR',
  503: 'COMMAND_INVALID',
  504: 'CHANNEL_ERROR',
  505: 'UNEXPECTED_FRAME',
  506: 'RESOURCE_ERROR',
  530: 'NOT_ALLOWED',
  540: 'NOT_IMPLEMENTED',
  541: 'INTERNAL_ERROR',
} as const

export type ReplyCode = keyof typeof replyNames

/** Bytes that break the protocol. They end the connection (section 4.2.3 and 4.10.2). */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: ReplyCode

  constructor(code: ReplyCode, message: string) {
    super(message)
    this.code = code
  }
}
