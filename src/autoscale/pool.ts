/** One queue with its workers: takes a look, decides, tells its target. A look while the last order is being carried out only measures. */
import type { MeasuredQueue } from '../client/port.ts'
import type { Log } from '../runtime/log.ts'
import { decide, type PoolMemory, type PoolSettings, type Reason } from './policy.ts'
import { observe, type Rates, taskSeconds, uncertainty } from './rates.ts'
import type { Fleet, Target } from './targets/target.ts'

export interface PoolParts {
  readonly queue: string
  readonly settings: PoolSettings
  readonly target: Target
  readonly log: Log
}

/** Figures of a pool as of its last look. */
export interface PoolView {
  readonly queue: string
  readonly settings: PoolSettings
  readonly fleet: Fleet
  readonly wanted: number
  readonly waiting: number
  readonly delayed: number
  readonly inFlight: number
  readonly oldestAgeMs: number | undefined
  readonly arrivalsPerS: number
  /** Of one worker that is busy. */
  readonly servicePerS: number
  readonly looks: number
  readonly lastChange: PoolChange | undefined
}

export interface PoolChange {
  readonly look: number
  readonly from: number
  readonly to: number
  readonly reason: Reason
}

export class Pool {
  readonly queue: string
  readonly #parts: PoolParts
  #memory: PoolMemory | undefined
  #rates: Rates | undefined
  #view: PoolView
  #applying: Promise<void> | undefined
  #isStopping = false

  constructor(parts: PoolParts) {
    this.queue = parts.queue
    this.#parts = parts
    const { queue, settings, target } = parts
    const idle = { waiting: 0, delayed: 0, inFlight: 0, oldestAgeMs: undefined, arrivalsPerS: 0, servicePerS: 0 }
    this.#view = { queue, settings, fleet: target.fleet(), wanted: 0, ...idle, looks: 0, lastChange: undefined }
  }

  get view(): PoolView {
    return { ...this.#view, fleet: this.#parts.target.fleet() }
  }

  /** `measure` undefined: nobody has declared the queue yet, so nothing waits in it. */
  look(
    measure: MeasuredQueue | undefined,
    { nowMs, wallMs }: { readonly nowMs: number; readonly wallMs: number },
  ): void {
    if (this.#isStopping) return
    const { ready: waiting = 0, leased: inFlight = 0, delayed = 0, oldestReadyAtMs, policy, totals } = measure ?? {}
    const oldestAgeMs = oldestReadyAtMs === undefined ? undefined : Math.max(0, wallMs - oldestReadyAtMs)
    this.#rates = observe(this.#rates, { atMs: nowMs, waiting, inFlight, delivered: totals?.delivered ?? 0 })
    const arrivalsPerS = this.#rates.arrivalsPerS ?? 0
    const servicePerS = this.#parts.settings.slots / taskSeconds(this.#rates)
    const looks = this.#view.looks + 1
    this.#view = { ...this.#view, waiting, inFlight, delayed, oldestAgeMs, arrivalsPerS, servicePerS, looks }
    if (this.#applying !== undefined) return
    const { ready, startUpMs } = this.#parts.target.fleet()
    const rate = policy?.rate ?? null
    const load = { nowMs, waiting, inFlight, oldestAgeMs, arrivalsPerS, servicePerS, ready, startUpMs }
    const limits = {
      inFlightMax: policy?.concurrency ?? null,
      uncertainty: uncertainty(this.#rates),
      deliveriesPerSMax: rate === null ? null : (rate.tokens * 1_000) / rate.perMs,
      paused: policy?.paused ?? false,
    }
    const decision = decide(this.#parts.settings, { ...load, ...limits }, this.#memory)
    this.#memory = decision.memory
    this.#decided(decision)
  }

  /** Lets the order under way end, then all workers go. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#parts.target.stop()
    await this.#applying
  }

  #decided({ wanted, reason }: { readonly wanted: number; readonly reason: Reason }): void {
    const { target, log, queue } = this.#parts
    const { waiting, inFlight, oldestAgeMs, looks, wanted: from } = this.#view
    if (wanted !== from) {
      this.#view = { ...this.#view, wanted, lastChange: { look: looks, from, to: wanted, reason } }
      log.info(`pool ${queue}: ${from} -> ${wanted} workers`, { reason, waiting, inFlight })
    }
    const done = target.apply({ wanted, queue, waiting, inFlight, oldestAgeMs }).catch((fault: unknown) => {
      log.warn(`pool ${queue}: ${wanted} workers are wanted, but the order failed; it is tried again`, { fault })
    })
    this.#applying = done.then(() => {
      this.#applying = undefined
    })
  }
}
