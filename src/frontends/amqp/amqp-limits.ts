/** Limits of one AMQP listener. */
export interface AmqpLimits {
  /** Largest frame, bytes; offered in connection.tune. */
  readonly frameMax: number
  /** Channels of one connection. */
  readonly channelMax: number
  readonly connectionsMax: number
  /** Offered in connection.tune, seconds; 0: none. */
  readonly heartbeatSeconds: number
  /** From the accepted socket to connection.open, ms. */
  readonly handshakeMs: number
  /** Consumers of one channel. */
  readonly consumersMax: number
  /** Published and not yet stored, of one connection; beyond it nothing is read from its socket. */
  readonly unstoredBytesMax: number
  readonly unstoredMax: number
  /** Bytes that wait in a socket; beyond it the connection's consumers get nothing. */
  readonly unsentBytesMax: number
  /** Deliveries without an answer of one channel, also where it set no prefetch. */
  readonly unackedMax: number
  /** Publishes and acks of one tx. */
  readonly txMax: number
}

export const defaultAmqpLimits: AmqpLimits = {
  frameMax: 131_072,
  channelMax: 2_047,
  connectionsMax: 10_000,
  heartbeatSeconds: 60,
  handshakeMs: 10_000,
  consumersMax: 10_000,
  unstoredBytesMax: 16 * 1_048_576,
  unstoredMax: 20_000,
  unsentBytesMax: 1_048_576,
  unackedMax: 1_000_000,
  txMax: 10_000,
}

/** A frame before connection.tune-ok: large enough for long tokens in a SASL response. */
export const HANDSHAKE_FRAME_MAX = 16_384
