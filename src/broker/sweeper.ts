import type { Engine } from '../engine/engine.ts'
import { SpindleError } from '../model/errors.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

/** Transitions one turn may apply before others get the thread. */
const TICK_BUDGET = 1_000
/** The longest sleep: bounds how late a due thing is seen that nobody announced with `expect`. */
const SLEEP_MS_MAX = 1_000

/** Lets the engine apply what is due, when it is due, so that waiting consumers hear of it. */
export class Sweeper {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #failed: (fault: unknown) => void
  #timer: Timer | undefined
  #wakesAtMs = Number.POSITIVE_INFINITY
  /** What was expected while a turn ran, and so may have been missed by its answer. */
  #soonestMs = SLEEP_MS_MAX
  #running = false
  #stopped = true

  constructor(parts: { engine: Engine; clock: Clock; failed: (fault: unknown) => void }) {
    this.#engine = parts.engine
    this.#clock = parts.clock
    this.#failed = parts.failed
  }

  start(): void {
    this.#stopped = false
    this.#arm(0)
  }

  /** Something becomes due `delayMs` from now: wake no later. Cheap when an earlier wake-up is already set. */
  expect(delayMs: number): void {
    if (delayMs >= SLEEP_MS_MAX) return // no sleep lasts longer, and most leases do
    if (this.#running) this.#soonestMs = Math.min(this.#soonestMs, delayMs)
    else if (!this.#stopped && this.#clock.monotonicMs() + delayMs < this.#wakesAtMs) this.#arm(delayMs)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel()
    this.#wakesAtMs = this.#clock.monotonicMs() + delayMs
    this.#timer = this.#clock.setTimer(delayMs, () => void this.#turn())
  }

  async #turn(): Promise<void> {
    this.#running = true
    this.#soonestMs = SLEEP_MS_MAX
    try {
      const { nextDueMs } = await this.#engine.tick(TICK_BUDGET)
      this.#running = false
      if (!this.#stopped) this.#arm(Math.max(1, Math.min(nextDueMs ?? SLEEP_MS_MAX, this.#soonestMs)))
    } catch (fault) {
      this.#running = false
      if (this.#stopped) return // the store was closed under the tick, as it should be
      if (fault instanceof SpindleError && fault.code === 'disk-full') {
        this.#arm(SLEEP_MS_MAX) // space comes back
        return
      }
      this.stop()
      this.#failed(fault)
    }
  }
}
