/**
 * The store's time is that of the database, so that the clocks of brokers need not agree. Each broker measures how far its own
 * monotonic clock is from it, and adds that; asking the server in each verb would cost a round trip and gain a millisecond.
 */
import type { Now } from '../../model/lifecycle.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Transaction } from './transaction.ts'

/** A reading is good enough when it is known to within so much, ms. */
const CERTAIN_MS = 2
const TRIES = 8

/** Where the engine reads time. Both readings of the answer are of one instant. */
export interface StoreTime {
  now(): Now
}

export class DatabaseTime implements StoreTime {
  readonly #clock: Clock
  /** Database milliseconds minus monotonic ones. */
  #offsetMs = 0
  #uncertaintyMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): Now {
    const ms = this.#clock.monotonicMs() + this.#offsetMs
    return { monotonicMs: ms, wallMs: Math.round(ms) }
  }

  /**
   * `ask` resolves to the database's milliseconds. The shorter the way there and back, the better the reading; a worse one than
   * before replaces it only where the two disagree, which is drift, or a clock that was set.
   */
  async measure(ask: () => Promise<number>): Promise<void> {
    const sentMs = this.#clock.monotonicMs()
    const databaseMs = await ask()
    const tookMs = this.#clock.monotonicMs() - sentMs
    const offsetMs = databaseMs - (sentMs + tookMs / 2)
    const agrees = Math.abs(offsetMs - this.#offsetMs) <= this.#uncertaintyMs + tookMs / 2
    if (agrees && tookMs / 2 > this.#uncertaintyMs) return
    this.#offsetMs = offsetMs
    this.#uncertaintyMs = tookMs / 2
  }

  /** Asks the server that the transaction runs on; several times while the answers are slow, since leases end by this reading. */
  async measureBy(transaction: Transaction): Promise<void> {
    for (let tries = 0; tries < TRIES && (tries === 0 || this.#uncertaintyMs > CERTAIN_MS); tries++) {
      await this.#ask(transaction)
    }
  }

  #ask(transaction: Transaction): Promise<void> {
    return this.measure(async () => {
      const [row] = await transaction.rows<{ ms: number }>(
        'select extract(epoch from clock_timestamp())::float8 * 1000 as ms',
      )
      if (row === undefined) throw new Error('invariant: a select without a row')
      return row.ms
    })
  }
}

/** For tests: the two clocks of the process as they stand. */
export function timeOf(clock: Clock): StoreTime {
  return { now: () => ({ monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() }) }
}
