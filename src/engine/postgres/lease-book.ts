/**
 * When the leases that this broker granted or extended end. The server has no index on that, since each lease would have to write it;
 * who granted a lease sees to its end, and of a broker that died another one takes the leases over (fleet.ts). What the book says is
 * a reason to look, never a fact: the row may have been settled, extended or taken by others since.
 *
 * Kept by the second in which they end: nearly all are settled long before, and then nothing of them may stay behind.
 */
import type { Entry } from './entry.ts'

interface Deadline {
  readonly endMs: number
  readonly number: number
  readonly qid: number
}

type Named = Pick<Entry, 'number' | 'qid'>

const SECOND_MS = 1_000

export class LeaseBook {
  readonly #ends = new Map<number, number>()
  /** The queue of each message whose lease ends in a second. */
  readonly #seconds = new Map<number, Map<number, number>>()

  note({ number, qid }: Named, endMs: number): void {
    const before = this.#ends.get(number)
    if (before === endMs) return
    if (before !== undefined) this.#strike(number, before)
    this.#ends.set(number, endMs)
    const second = Math.floor(endMs / SECOND_MS)
    const ending = this.#seconds.get(second)
    if (ending === undefined) this.#seconds.set(second, new Map([[number, qid]]))
    else ending.set(number, qid)
  }

  /** It was settled. */
  forget(number: number): void {
    const endMs = this.#ends.get(number)
    if (endMs === undefined) return
    this.#ends.delete(number)
    this.#strike(number, endMs)
  }

  #strike(number: number, endMs: number): void {
    const second = Math.floor(endMs / SECOND_MS)
    const ending = this.#seconds.get(second)
    if (ending?.delete(number) && ending.size === 0) this.#seconds.delete(second)
  }

  /** undefined: no lease is known to end. */
  get nextMs(): number | undefined {
    const [first] = this.#inOrder(Number.POSITIVE_INFINITY)
    if (first === undefined) return undefined
    let nextMs = Number.POSITIVE_INFINITY
    for (const number of this.#seconds.get(first)?.keys() ?? []) {
      nextMs = Math.min(nextMs, this.#ends.get(number) ?? nextMs)
    }
    return nextMs
  }

  /** Takes out up to `max` that end by `nowMs`; who cannot judge them notes them again. */
  takeDue(nowMs: number, max: number): Deadline[] {
    const due: Deadline[] = []
    for (const second of this.#inOrder(nowMs)) {
      const ending: Deadline[] = []
      for (const [number, qid] of this.#seconds.get(second) ?? []) {
        const endMs = this.#ends.get(number) ?? Number.POSITIVE_INFINITY
        if (endMs <= nowMs) ending.push({ endMs, number, qid })
      }
      due.push(...ending.sort((a, b) => a.endMs - b.endMs).slice(0, max - due.length))
      if (due.length >= max) break
    }
    for (const { number } of due) this.forget(number)
    return due
  }

  /** Seconds that begin by then and have leases. */
  #inOrder(untilMs: number): number[] {
    return [...this.#seconds.keys()].filter((second) => second * SECOND_MS <= untilMs).sort((a, b) => a - b)
  }
}
