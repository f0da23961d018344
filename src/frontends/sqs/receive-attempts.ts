/**
 * ReceiveRequestAttemptId: a FIFO receive whose answer was lost on the way may be asked again within five minutes and gets the
 * same messages with the same handles, their visibility anew. Once one of them was deleted or given back, the attempt is over.
 */
import type { Delivery } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import { FIFO_WINDOW_MS } from './limits.ts'

const ATTEMPTS_MAX = 10_000

interface Attempt {
  readonly deliveries: readonly Delivery[]
  readonly untilMs: number
}

/** Kept in memory: a restart forgets them, and the messages return when their visibility ends. */
export class ReceiveAttempts {
  readonly #clock: Clock
  /** In the order in which they end. */
  readonly #attempts = new Map<string, Attempt>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What the attempt was answered with; undefined: nothing, or too long ago. */
  answered(queue: string, attemptId: string): readonly Delivery[] | undefined {
    this.#sweep()
    return this.#attempts.get(`${queue}\0${attemptId}`)?.deliveries
  }

  remember(queue: string, attemptId: string, deliveries: readonly Delivery[]): void {
    const key = `${queue}\0${attemptId}`
    this.#attempts.delete(key)
    if (deliveries.length === 0) return
    this.#sweep()
    this.#attempts.set(key, { deliveries, untilMs: this.#clock.monotonicMs() + FIFO_WINDOW_MS })
  }

  forget(queue: string, attemptId: string): void {
    this.#attempts.delete(`${queue}\0${attemptId}`)
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [key, { untilMs }] of this.#attempts) {
      if (untilMs > nowMs && this.#attempts.size < ATTEMPTS_MAX) return
      this.#attempts.delete(key)
    }
  }
}
