/**
 * When the leases that this broker granted or extended end. The server has no index on that, since each lease would have to write it;
 * who granted a lease sees to its end, and of a broker that died another one takes the leases over (brokers.ts). What the book says is
 * a reason to look, never a fact: the row may have been settled, extended or taken by others since.
 */
import type { Entry } from './entry.ts'
import { Heap } from './heap.ts'

interface Deadline {
  readonly endMs: number
  readonly number: number
  readonly qid: number
}

export class LeaseBook {
  readonly #heap = new Heap<Deadline>((a, b) => a.endMs - b.endMs)
  /** The latest end known of each; older deadlines in the heap are passed over. */
  readonly #ends = new Map<number, number>()

  note({ number, qid }: Pick<Entry, 'number' | 'qid'>, endMs: number): void {
    if (this.#ends.get(number) === endMs) return
    this.#ends.set(number, endMs)
    this.#heap.push({ endMs, number, qid })
  }

  /** It was settled; its deadline is passed over when it comes. */
  forget(number: number): void {
    this.#ends.delete(number)
  }

  /** The queue went, with its messages. */
  forgetQueue(qid: number): void {
    for (const { number } of this.#heap.items.filter((deadline) => deadline.qid === qid)) this.#ends.delete(number)
  }

  /** undefined: no lease is known to end. */
  get nextMs(): number | undefined {
    this.#dropPassed()
    return this.#heap.first?.endMs
  }

  /** Takes out up to `max` that end by `nowMs`; who cannot judge them notes them again. */
  takeDue(nowMs: number, max: number): Deadline[] {
    const due: Deadline[] = []
    while (due.length < max) {
      this.#dropPassed()
      const first = this.#heap.first
      if (first === undefined || first.endMs > nowMs) break
      this.#heap.pop()
      this.#ends.delete(first.number)
      due.push(first)
    }
    return due
  }

  #dropPassed(): void {
    for (;;) {
      const first = this.#heap.first
      if (first === undefined || this.#ends.get(first.number) === first.endMs) return
      this.#heap.pop()
    }
  }
}
