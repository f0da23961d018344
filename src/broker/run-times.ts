import type { Delivery, Receipt } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'

/** One delivery in this many is timed: enough for a percentile, too few to cost anything. */
const SAMPLE_EVERY = 16
/** Timed deliveries that may be under way; the oldest is forgotten first. */
const TIMED_MAX = 10_000
/** Durations remembered for each queue. */
const KEPT_MAX = 512
/** Marks of what is timed, so that the other settlements need no look-up by a long string. A power of two. */
const MARKS = 1_024

/** How long consumers take from delivery to settlement, by queue, from a sample. */
export class RunTimes {
  readonly #clock: Clock
  readonly #started = new Map<Receipt, { queue: string; sequence: number; atMs: number }>()
  readonly #kept = new Map<string, { durationsMs: number[]; next: number }>()
  readonly #marks = new Uint16Array(MARKS)
  /** As `#marks`, by sequence, for those whose receipt is not yet put together. */
  readonly #sequenceMarks = new Uint16Array(MARKS)
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
        if (!oldest.done) this.#forgetStart(oldest.value)
      }
      const mark = markOf(delivery.receipt)
      this.#marks[mark] = (this.#marks[mark] as number) + 1
      const sequenceMark = delivery.sequence & (MARKS - 1)
      this.#sequenceMarks[sequenceMark] = (this.#sequenceMarks[sequenceMark] as number) + 1
      const { receipt, queue, sequence } = delivery
      this.#started.set(receipt, { queue, sequence, atMs: this.#clock.monotonicMs() })
    }
  }

  /** false: the delivery with that sequence is not timed. */
  mayTime(sequence: number | undefined): boolean {
    return sequence === undefined || this.#sequenceMarks[sequence & (MARKS - 1)] !== 0
  }

  settled(receipt: Receipt): void {
    if (this.#marks[markOf(receipt)] === 0) return
    const start = this.#started.get(receipt)
    if (start === undefined) return
    this.#forgetStart(receipt)
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

  #forgetStart(receipt: Receipt): void {
    const mark = markOf(receipt)
    this.#marks[mark] = (this.#marks[mark] as number) - 1
    const sequenceMark = (this.#started.get(receipt)?.sequence ?? 0) & (MARKS - 1)
    this.#sequenceMarks[sequenceMark] = (this.#sequenceMarks[sequenceMark] as number) - 1
    this.#started.delete(receipt)
  }
}

/** Receipts differ in some of every few characters, whatever their form. */
function markOf(receipt: Receipt): number {
  const { length } = receipt
  const step = length > 16 ? length >>> 3 : 2
  let mark = length
  for (let at = 0; at < length; at += step) mark = Math.imul(mark, 31) + receipt.charCodeAt(at)
  return mark & (MARKS - 1)
}
