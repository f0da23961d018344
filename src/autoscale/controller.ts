/** Looks at the queues of its pools at each poll, one look at a time: a slow store makes looks rarer, never two at once. */
import type { Port } from '../client/port.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Pool, PoolView } from './pool.ts'
import { writeScaling } from './scaling-log.ts'

export interface ControllerParts {
  readonly port: Pick<Port, 'measure'>
  /** Where decisions are written down for people to look at. Absent: nowhere. */
  readonly history?: Pick<Port, 'scan' | 'transact'>
  readonly pools: readonly Pool[]
  readonly clock: Clock
  readonly log: Log
  /** Default 1,000. */
  readonly pollMs?: number
}

export class Controller {
  readonly #parts: ControllerParts
  readonly #pollMs: number
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #isFailing = false

  constructor(parts: ControllerParts) {
    this.#parts = parts
    this.#pollMs = parts.pollMs ?? 1_000
  }

  /** The first look is at once. */
  start(): void {
    this.#poll()
  }

  views(): PoolView[] {
    return this.#parts.pools.map(({ view }) => view)
  }

  /** Ends the looks, then lets every pool finish. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#looking
    this.#timer?.cancel()
    await Promise.all(this.#parts.pools.map((pool) => pool.stop()))
  }

  #poll(): void {
    const { clock } = this.#parts
    const startedMs = clock.monotonicMs()
    this.#looking = this.#look().then(() => {
      if (this.#stopping !== undefined) return
      const delayMs = Math.max(0, startedMs + this.#pollMs - clock.monotonicMs())
      this.#timer = clock.setTimer(delayMs, () => this.#poll(), { keepAlive: true })
    })
  }

  /** A store that cannot be asked changes nothing: workers stay as they are. */
  async #look(): Promise<void> {
    const { port, history, pools, clock, log } = this.#parts
    try {
      const measures = await port.measure(pools.map(({ queue }) => queue))
      const now = { nowMs: clock.monotonicMs(), wallMs: clock.wallMs() }
      for (const pool of pools) {
        const before = pool.view.lastChange
        pool.look(
          measures.find(({ queue }) => queue === pool.queue),
          now,
        )
        const { lastChange, waiting, queue } = pool.view
        if (history === undefined || lastChange === undefined || lastChange === before) continue
        const { from, to, reason } = lastChange
        // A decision does not wait for it.
        writeScaling(history, { atMs: now.wallMs, queue, from, to, reason, waiting }).catch((fault: unknown) =>
          log.warn('a decision could not be written down', { fault }),
        )
      }
      this.#isFailing = false
    } catch (fault) {
      if (!this.#isFailing) log.warn('the store cannot be measured; workers stay as they are', { fault })
      this.#isFailing = true
    }
  }
}
