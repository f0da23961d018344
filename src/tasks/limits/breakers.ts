/**
 * Circuit breakers: a vendor that is down parks its queue instead of burning the attempts of everything in it.
 *
 *   closed --failures in a row--> open (queue paused) --untilMs--> probing (one at a time) --success--> closed
 *                                  ^------------------ failure, twice as long ------------------'
 *
 * Each worker counts the failures it sees; the state is a record, changed in one unit with the queue's policy, so all workers
 * of all processes share it and exactly one makes each move.
 */
import type { Port } from '../../client/port.ts'
import { isFault } from '../../model/errors.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { controlOf } from '../task-error.ts'
import { type BreakerRecord, breakerKey, decodeBreaker, encodeBreaker } from './breaker-record.ts'
import { isQueuePaused } from './pauses.ts'
import type { BreakerPolicy } from './types.ts'

/** Data: the queue. */
const CHANNEL = 'task-breaker'
const FAILURES_DEFAULT = 5
const PROBE_AFTER_MS = 10_000
const PROBE_AFTER_MS_MAX = 300_000
/** Before a move that the store refused is tried again, ms. */
const AGAIN_MS = 1_000

interface Breaker {
  readonly queue: string
  readonly policy: BreakerPolicy
  failures: number
  /** undefined: closed. */
  record: (BreakerRecord & { readonly version: number }) | undefined
  /** The move under way. */
  moving: Promise<void> | undefined
  timer: Timer | undefined
}

export class Breakers {
  readonly #port: Port
  readonly #clock: Clock
  readonly #log: Log
  readonly #breakers: ReadonlyMap<string, Breaker>
  readonly #unlisten: (() => void) | undefined
  #stopped = false

  constructor(parts: {
    readonly port: Port
    readonly clock: Clock
    readonly log: Log
    readonly policies: ReadonlyMap<string, BreakerPolicy>
  }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#log = parts.log
    this.#breakers = new Map(
      [...parts.policies].map(([queue, policy]) => [
        queue,
        { queue, policy, failures: 0, record: undefined, moving: undefined, timer: undefined },
      ]),
    )
    if (this.#breakers.size === 0) return
    this.#unlisten = this.#port.listen(CHANNEL, (data) => this.#heard(Buffer.from(data).toString('utf8')))
  }

  /** Resolves once it knows which are open. */
  async start(): Promise<void> {
    for (const breaker of this.#breakers.values()) await this.#load(breaker)
  }

  stop(): void {
    this.#stopped = true
    this.#unlisten?.()
    for (const { timer } of this.#breakers.values()) timer?.cancel()
  }

  succeeded(queue: string): void {
    const breaker = this.#breakers.get(queue)
    if (breaker === undefined) return
    breaker.failures = 0
    const { record } = breaker
    if (record?.state === 'probing') this.#move(breaker, undefined)
  }

  /** true: the vendor is known to be down, so the attempt is not to be spent. */
  failed(queue: string, error: unknown): boolean {
    const breaker = this.#breakers.get(queue)
    if (breaker === undefined || !counts(breaker.policy, error)) return false
    const { record } = breaker
    if (record?.state === 'open') {
      // Past its time another worker has begun to probe, and this was the probe.
      if (this.#clock.wallMs() >= record.untilMs) this.#reopen(breaker)
      return true
    }
    breaker.failures++
    if (record === undefined && breaker.failures < (breaker.policy.failures ?? FAILURES_DEFAULT)) return false
    this.#move(breaker, this.#opened(breaker))
    return record !== undefined
  }

  #opened({ policy, record }: Breaker): BreakerRecord {
    const { probeAfterMs = PROBE_AFTER_MS, probeAfterMsMax = PROBE_AFTER_MS_MAX } = policy
    const openings = (record?.openings ?? 0) + 1
    const untilMs = this.#clock.wallMs() + Math.min(probeAfterMsMax, probeAfterMs * 2 ** (openings - 1))
    return { state: 'open', untilMs, openings, concurrency: record?.concurrency ?? null }
  }

  /** Whoever gives a failed probe back waits for this: before, the queue would hand out the next one. */
  moved(queue: string): Promise<void> | undefined {
    return this.#breakers.get(queue)?.moving
  }

  #reopen(breaker: Breaker): void {
    const underWay = breaker.moving ?? Promise.resolve()
    const moving = underWay
      .then(() => this.#load(breaker))
      .then(() => (breaker.record?.state === 'probing' ? this.#moved(breaker, this.#opened(breaker)) : undefined))
      .catch((fault: unknown) => this.#failedToRead(breaker, fault))
      .finally(() => {
        if (breaker.moving === moving) breaker.moving = undefined
      })
    breaker.moving = moving
  }

  #move(breaker: Breaker, to: BreakerRecord | undefined): void {
    if (breaker.moving !== undefined) return
    const moving = this.#moved(breaker, to).finally(() => {
      if (breaker.moving === moving) breaker.moving = undefined
    })
    breaker.moving = moving
  }

  /** Never rejects. */
  async #moved(breaker: Breaker, to: BreakerRecord | undefined): Promise<void> {
    try {
      await this.#store(breaker, to)
    } catch (fault) {
      // Another worker was faster; this one learns how it stands.
      const isRace = isFault(fault, 'aborted')
      if (!isRace && !this.#stopped) {
        this.#log.warn('a circuit breaker could not be moved', { queue: breaker.queue, fault })
      }
    }
    await this.#load(breaker).catch((fault: unknown) => this.#failedToRead(breaker, fault))
  }

  #failedToRead(breaker: Breaker, fault: unknown): void {
    if (this.#stopped) return
    this.#log.warn('a circuit breaker could not be read', { queue: breaker.queue, fault })
    breaker.timer?.cancel()
    breaker.timer = this.#clock.setTimer(AGAIN_MS, () => this.#heard(breaker.queue))
  }

  async #store(breaker: Breaker, to: BreakerRecord | undefined): Promise<void> {
    const { queue, record } = breaker
    const byHand = await isQueuePaused(this.#port, queue)
    const key = breakerKey(queue)
    const expect = record?.version ?? 0
    if (to === undefined) {
      const concurrency = record?.concurrency ?? null
      await this.#port.declareQueue(queue, { paused: byHand, concurrency }, { records: [{ key, value: null, expect }] })
      this.#log.info('a circuit breaker closed', { queue })
    } else if (to.state === 'open') {
      const [measure] = record === undefined ? await this.#port.measure([queue]) : []
      const concurrency = measure?.policy.concurrency ?? to.concurrency
      const value = encodeBreaker({ ...to, concurrency })
      await this.#port.declareQueue(queue, { paused: true, concurrency }, { records: [{ key, value, expect }] })
      this.#log.warn('a circuit breaker opened: its queue is parked', { queue, failures: breaker.failures })
    } else {
      const value = encodeBreaker(to)
      await this.#port.declareQueue(queue, { paused: byHand, concurrency: 1 }, { records: [{ key, value, expect }] })
      this.#log.info('a circuit breaker probes', { queue })
    }
    this.#port.announce(CHANNEL, Buffer.from(queue))
  }

  #heard(queue: string): void {
    const breaker = this.#breakers.get(queue)
    if (breaker === undefined || breaker.moving !== undefined || this.#stopped) return
    this.#load(breaker).catch((fault: unknown) =>
      this.#log.warn('a circuit breaker could not be read', { queue, fault }),
    )
  }

  async #load(breaker: Breaker): Promise<void> {
    const stored = await this.#port.read(breakerKey(breaker.queue))
    if (this.#stopped) return
    const record = stored && decodeBreaker(stored.value)
    breaker.record = stored === undefined || record === undefined ? undefined : { ...record, version: stored.version }
    breaker.timer?.cancel()
    breaker.timer = undefined
    if (record === undefined) breaker.failures = 0
    if (record?.state !== 'open') return
    const delayMs = Math.max(0, record.untilMs - this.#clock.wallMs())
    breaker.timer = this.#clock.setTimer(delayMs, () => this.#move(breaker, { ...record, state: 'probing' }))
  }
}

function counts(policy: BreakerPolicy, error: unknown): boolean {
  try {
    return policy.counts === undefined ? controlOf(error) === undefined : policy.counts(error)
  } catch {
    return true
  }
}
