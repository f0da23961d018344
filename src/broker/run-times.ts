import type { Delivery, Receipt } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'

/** One delivery in this many is timed: enough for a percentile, too few to cost anything. */
const SAMPLE_EVERY = 16
/** Timed deliveries that may be under way; the oldest is forgotten first. */
const TIMED_MAX = 10_000
/** Durations remembered for each queue. */
const KEPT_MAX = 512

/** How long consumers take from delivery to settlement, by queue, from a sample. */
export class RunTimes {
  readonly #clock: Clock
  readonly #started = new Map<Receipt, { queue: string; atMs: number }>()
  readonly #kept = new Map<string, { durationsMs: number[]; next: number }>()
  #countdown = 1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  delivered(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      if (--this.#countdown > 0) continue
      this.#countdown = SAMPLE_EVERY
      if (this.#started.size >= TIMED_MAX) {
        const oldest = this.#started.keys().next()
        if (!oldest.done) this.#started.delete(oldest.value)
      }
      this.#started.set(delivery.receipt, { queue: delivery.queue, atMs: this.#clock.monotonicMs() })
    }
  }

  settled(receipt: Receipt): void {
    const start = this.#started.get(receipt)
    if (start === undefined) return
    this.#started.delete(receipt)
    const kept = this.#kept.get(start.queue) ?? { durationsMs: [], next: 0 }
    this.#kept.set(start.queue, kept)
    kept.durationsMs[kept.next] = this.#clock.monotonicMs() - start.atMs
    kept.next = (kept.next + 1) % KEPT_MAX
  }

  p99Ms(queue: string): number | undefined {
    const durations = this.#kept.get(queue)?.durationsMs
    if (durations === undefined) return undefined
    const sorted = [...durations].sort((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))]
  }

  forget(queue: string): void {
    this.#kept.delete(queue)
  }
}
