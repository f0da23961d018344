/**
 * The token buckets of a queue's groups (model/rate.ts), by group and not in it: a group that is drained and comes back
 * finds its bucket as it left it. Those that are empty wait in a heap for the instant of their next token; those that are
 * full again are forgotten, two for each token spent.
 */
import { nextTokenMs, type RatePolicy, rerated, spendTokens } from '../../../model/rate.ts'

interface Bucket {
  readonly key: string
  fullMs: number
  /** The instant of its next token while it is empty; 0: it has one. */
  emptyUntilMs: number
}

export class GroupRates {
  #rate: RatePolicy
  readonly #buckets = new Map<string, Bucket>()
  /** Binary heap of the empty ones. */
  readonly #empty: Bucket[] = []
  #sweep: Iterator<Bucket> = this.#buckets.values()

  constructor(rate: RatePolicy) {
    this.#rate = rate
  }

  /** The instant at which the first empty bucket gets a token; Infinity: none is empty. */
  get firstMs(): number {
    return this.#empty[0]?.emptyUntilMs ?? Number.POSITIVE_INFINITY
  }

  isEmpty(key: string): boolean {
    return (this.#buckets.get(key)?.emptyUntilMs ?? 0) !== 0
  }

  /** Takes a token; is the bucket empty now? */
  spend(key: string, nowMs: number): boolean {
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      bucket = { key, fullMs: 0, emptyUntilMs: 0 }
      this.#buckets.set(key, bucket)
    }
    bucket.fullMs = spendTokens(this.#rate, bucket.fullMs, nowMs, 1)
    this.#judge(bucket, nowMs)
    this.#forget(nowMs)
    this.#forget(nowMs)
    return bucket.emptyUntilMs !== 0
  }

  /** Tells the keys of buckets that have a token again. */
  release(nowMs: number, tell: (key: string) => void): void {
    const heap = this.#empty
    for (let first = heap[0]; first !== undefined && first.emptyUntilMs <= nowMs; first = heap[0]) {
      const moved = heap.pop() as Bucket
      if (heap.length > 0) {
        heap[0] = moved
        this.#sink(0)
      }
      first.emptyUntilMs = 0
      tell(first.key)
    }
  }

  rerate(rate: RatePolicy, nowMs: number): void {
    this.#rate = rate
    this.#empty.length = 0
    for (const bucket of this.#buckets.values()) {
      bucket.fullMs = rerated(rate, bucket.fullMs, nowMs)
      bucket.emptyUntilMs = 0
      this.#judge(bucket, nowMs)
    }
  }

  #judge(bucket: Bucket, nowMs: number): void {
    const atMs = nextTokenMs(this.#rate, bucket.fullMs)
    if (atMs <= nowMs) return
    bucket.emptyUntilMs = atMs
    this.#empty.push(bucket)
    this.#rise(this.#empty.length - 1)
  }

  /** Looks at one bucket, round and round. */
  #forget(nowMs: number): void {
    const { value, done } = this.#sweep.next()
    if (done === true) this.#sweep = this.#buckets.values()
    else if (value.fullMs <= nowMs && value.emptyUntilMs === 0) this.#buckets.delete(value.key)
  }

  #rise(from: number): void {
    const heap = this.#empty
    const bucket = heap[from] as Bucket
    let at = from
    while (at > 0) {
      const parent = (at - 1) >>> 1
      const above = heap[parent] as Bucket
      if (above.emptyUntilMs <= bucket.emptyUntilMs) break
      heap[at] = above
      at = parent
    }
    heap[at] = bucket
  }

  #sink(from: number): void {
    const heap = this.#empty
    const bucket = heap[from] as Bucket
    let at = from
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right !== undefined && right.emptyUntilMs < (heap[child] as Bucket).emptyUntilMs) child++
      const below = heap[child] as Bucket
      if (below.emptyUntilMs >= bucket.emptyUntilMs) break
      heap[at] = below
      at = child
    }
    heap[at] = bucket
  }
}
