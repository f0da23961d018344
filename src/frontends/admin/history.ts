/** The last hour of all queues together, in memory: what a page shows before it has seen anything itself. */
import type { Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { AdminParts } from './admin-parts.ts'
import type { Sample } from './api.ts'
import { statsOf } from './stats.ts'

const EVERY_MS = 5_000
const SAMPLES_MAX = 720
/** A store with very many queues is measured less often, so that this costs at most this share of the process. */
const SHARE_MAX = 0.002

export class History {
  readonly #parts: AdminParts
  readonly #log: Log
  readonly #samples: Sample[] = []
  #before: { readonly atMs: number; readonly appended: number; readonly acked: number } | undefined
  #timer: Timer | undefined
  #closed = false

  constructor(parts: AdminParts, log: Log) {
    this.#parts = parts
    this.#log = log
  }

  /** Idempotent. */
  start(): void {
    if (!this.#closed) this.#timer ??= this.#next(0)
  }

  /** The oldest first. */
  samples(): readonly Sample[] {
    return this.#samples
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #next(tookMs: number): Timer {
    const { clock } = this.#parts
    return clock.setTimer(Math.max(EVERY_MS, tookMs / SHARE_MAX), () => {
      const startedMs = clock.monotonicMs()
      void this.#take().finally(() => {
        if (!this.#closed) this.#timer = this.#next(clock.monotonicMs() - startedMs)
      })
    })
  }

  async #take(): Promise<void> {
    try {
      const { atMs, sums, totals, queues } = await statsOf(this.#parts, () => true)
      const { appended, acked, died } = totals
      const now = { atMs, appended, acked: acked + died }
      const before = this.#before ?? now
      const seconds = Math.max(0.001, (atMs - before.atMs) / 1_000)
      const oldest = queues.flatMap(({ oldestReadyAtMs }) => (oldestReadyAtMs === null ? [] : [atMs - oldestReadyAtMs]))
      const run = queues.flatMap(({ runP99Ms }) => (runP99Ms === null ? [] : [runP99Ms]))
      this.#samples.push({
        atMs,
        in: Math.max(0, now.appended - before.appended) / seconds,
        out: Math.max(0, now.acked - before.acked) / seconds,
        depth: sums.delayed + sums.ready + sums.leased,
        dead: sums.dead,
        runP99Ms: run.length === 0 ? null : Math.max(...run),
        oldestMs: oldest.length === 0 ? null : Math.max(0, ...oldest),
      })
      if (this.#samples.length > SAMPLES_MAX) this.#samples.shift()
      this.#before = now
    } catch (fault) {
      if (!this.#closed) this.#log.warn('the figures could not be sampled', { fault })
    }
  }
}
