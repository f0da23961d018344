/**
 * Time that moves only when a test says so. Timers fire in the order of their due instants, and
 * promises that a timer wakes are let run before the next one fires, as they would be in real time.
 */
import type { Clock, Timer } from '../runtime/clock.ts'

/** Macrotask turns given to woken promises between two timers; file I/O may need more: await its own signal. */
const TURNS_BETWEEN_TIMERS = 4

/** Timers one `advance` may fire; more means that a timer rearms itself without delay. */
const TIMERS_PER_ADVANCE_MAX = 1_000_000

interface ArmedTimer {
  readonly dueMs: number
  readonly order: number
  readonly fire: () => void
}

export class VirtualClock implements Clock {
  #wallMs: number
  #monotonicMs: number
  #armed: ArmedTimer[] = []
  #order = 0

  /** `wallMs`: the first wall reading; default 2026-01-01T00:00:00Z. `monotonicMs`: the first monotonic one; default 0. */
  constructor(options: { readonly wallMs?: number; readonly monotonicMs?: number } = {}) {
    this.#wallMs = options.wallMs ?? 1_767_225_600_000
    this.#monotonicMs = options.monotonicMs ?? 0
  }

  wallMs(): number {
    return this.#wallMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer: ArmedTimer = { dueMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order++, fire }
    this.#armed.push(timer)
    return {
      cancel: () => {
        this.#armed = this.#armed.filter((armed) => armed !== timer)
      },
    }
  }

  /** How many timers are armed; a stopped part should leave none. */
  get armedTimers(): number {
    return this.#armed.length
  }

  /**
   * Moves both clocks by `ms` (>= 0), firing what falls due on the way, each timer at its own instant. Lets woken
   * promises run after each one, and before and after the whole.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`VirtualClock.advance(${ms}): time moves forward only`)
    const endMs = this.#monotonicMs + ms
    await settle()
    for (let fired = 0; ; fired++) {
      const next = this.#nextDue(endMs)
      if (next === undefined) break
      if (fired === TIMERS_PER_ADVANCE_MAX) throw new Error('VirtualClock.advance: a timer rearms itself for ever')
      this.#moveTo(Math.max(this.#monotonicMs, next.dueMs))
      this.#armed = this.#armed.filter((armed) => armed !== next)
      next.fire()
      await settle()
    }
    this.#moveTo(endMs)
    await settle()
  }

  /** Steps the wall clock alone, by a positive or negative amount, as an operator or NTP would. Fires nothing. */
  jumpWall(ms: number): void {
    this.#wallMs += ms
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs
    this.#monotonicMs = monotonicMs
  }

  #nextDue(endMs: number): ArmedTimer | undefined {
    let first: ArmedTimer | undefined
    for (const timer of this.#armed) {
      if (timer.dueMs > endMs) continue
      if (
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      )
        first = timer
    }
    return first
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS_BETWEEN_TIMERS; turn++) {
    // biome-ignore lint/style/noRestrictedGlobals: a turn of the event loop, not a wait; nothing else lets woken promises run.
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
