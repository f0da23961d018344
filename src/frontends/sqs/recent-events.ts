/** When something happened last to each queue, for the rules of sixty seconds. Bounded, in memory: a restart forgets it. */
import type { Clock } from '../../runtime/clock.ts'

const RULE_MS = 60_000
const QUEUES_MAX = 10_000

export class RecentEvents {
  readonly #clock: Clock
  /** In the order in which they happened. */
  readonly #atMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  isRecent(queue: string): boolean {
    const atMs = this.#atMs.get(queue)
    return atMs !== undefined && this.#clock.monotonicMs() - atMs < RULE_MS
  }

  happened(queue: string): void {
    this.#atMs.delete(queue)
    if (this.#atMs.size >= QUEUES_MAX) {
      const [oldest] = this.#atMs.keys()
      if (oldest !== undefined) this.#atMs.delete(oldest)
    }
    this.#atMs.set(queue, this.#clock.monotonicMs())
  }
}
