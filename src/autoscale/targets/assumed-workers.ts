/**
 * Workers that somebody else runs: nobody tells when one is up, so each is taken to be starting for `startUpMs` after it was wanted, and
 * there from then on. By itself the target of a pool whose figures others follow (KEDA, HPA).
 */
import type { Clock } from '../../runtime/clock.ts'
import type { Fleet, Order, Target } from './target.ts'

export class AssumedWorkers implements Target {
  readonly #clock: Clock
  readonly #startUpMs: number
  #ready: number
  #starting: { readonly count: number; readonly upAtMs: number }[] = []

  constructor({
    clock,
    startUpMs,
    ready,
  }: { readonly clock: Clock; readonly startUpMs: number; readonly ready: number }) {
    this.#clock = clock
    this.#startUpMs = startUpMs
    this.#ready = ready
  }

  fleet(): Fleet {
    const nowMs = this.#clock.monotonicMs()
    for (const { count, upAtMs } of this.#starting) if (upAtMs <= nowMs) this.#ready += count
    this.#starting = this.#starting.filter(({ upAtMs }) => upAtMs > nowMs)
    const starting = this.#starting.reduce((sum, { count }) => sum + count, 0)
    return { ready: this.#ready, starting, leaving: 0, startUpMs: this.#startUpMs }
  }

  async apply({ wanted }: Pick<Order, 'wanted'>): Promise<void> {
    const { ready, starting } = this.fleet()
    const missing = wanted - ready - starting
    if (missing > 0) this.#starting.push({ count: missing, upAtMs: this.#clock.monotonicMs() + this.#startUpMs })
    if (missing < 0) {
      // Those who have not started yet are the first not to come.
      const staying = Math.min(wanted, ready)
      this.#starting = wanted > staying ? [{ count: wanted - staying, upAtMs: this.#starting.at(-1)?.upAtMs ?? 0 }] : []
      this.#ready = staying
    }
  }

  /** Somebody counted them. */
  counted(ready: number): void {
    this.#ready = ready
    this.#starting = []
  }

  async stop(): Promise<void> {}
}
