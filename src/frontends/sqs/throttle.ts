/** AWS's own caps, for people who test against them: on only with `awsLimits`. */
import type { Clock } from '../../runtime/clock.ts'
import { requestThrottled } from './errors.ts'
import { FIFO_CALLS_PER_SECOND } from './limits.ts'
import type { SqsQueue } from './queue-directory.ts'

const SECOND_MS = 1_000
const BUCKETS_MAX = 10_000

/** 300 calls a second of each action on a FIFO queue; a batch is one call, so 3,000 messages. High throughput has no cap here. */
export class Throttle {
  readonly #clock: Clock
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Throws `RequestThrottled`. */
  take(queue: SqsQueue, action: string): void {
    if (!queue.isFifo || queue.isThroughputHigh) return
    const nowMs = this.#clock.monotonicMs()
    const key = `${action} ${queue.store}`
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      if (this.#buckets.size >= BUCKETS_MAX) this.#buckets.clear()
      bucket = { tokens: FIFO_CALLS_PER_SECOND, atMs: nowMs }
      this.#buckets.set(key, bucket)
    }
    const earned = ((nowMs - bucket.atMs) / SECOND_MS) * FIFO_CALLS_PER_SECOND
    bucket.tokens = Math.min(FIFO_CALLS_PER_SECOND, bucket.tokens + earned)
    bucket.atMs = nowMs
    if (bucket.tokens < 1) throw requestThrottled()
    bucket.tokens--
  }
}
