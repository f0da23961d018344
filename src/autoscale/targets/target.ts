/** What carries out the wish of one pool. */

export interface Fleet {
  /** Workers that take messages. */
  readonly ready: number
  /** Ordered, not yet taking messages. */
  readonly starting: number
  /** Finishing what they have, then gone. */
  readonly leaving: number
  /** From the order to the first message, as seen or as told. */
  readonly startUpMs: number
}

export interface Order {
  readonly wanted: number
  readonly queue: string
  readonly waiting: number
  readonly inFlight: number
  readonly oldestAgeMs: number | undefined
}

export interface Target {
  fleet(): Fleet
  /** Brings the pool to `wanted`. Told at each look, also when nothing changed: idempotent. A rejection is told again at the next look. */
  apply(order: Order): Promise<void>
  /** Lets all workers finish and go; resolves when they are gone. Idempotent. */
  stop(): Promise<void>
}
