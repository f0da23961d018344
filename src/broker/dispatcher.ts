/**
 * Waiting receives. A receive that finds nothing waits in its queue's line and is served in turn when the
 * engine hints that something may be there.
 *
 * Invariants: a hint that comes while a lease is under way is never missed (the lease is tried again); a
 * delivery that nobody waits for any more goes to the next in line, or back to its place unspent.
 */
import type { Engine, LeaseRequest } from '../engine/engine.ts'
import { SpindleError } from '../model/errors.ts'
import type { Limits } from '../model/limits.ts'
import type { Delivery } from '../model/message.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { ReceiveRequest } from './port.ts'

interface Waiter {
  readonly request: ReceiveRequest
  readonly answer: (deliveries: Delivery[]) => void
  readonly fail: (fault: unknown) => void
  timer: Timer | undefined
  leave: () => void
}

/** The waiters of one queue, first come first served. */
interface Line {
  readonly queue: string
  readonly waiters: Set<Waiter>
  /** Grows with each hint, so that a lease that came back empty knows whether it looked too early. */
  hints: number
  /** Leases under way outside of `#serve`; keeps the line while they look. */
  looking: number
  serving: boolean
}

export class Dispatcher {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #limits: Limits
  /** May several waiters share one lease call? Not where order within a group would be split between them. */
  readonly #shareable: (queue: string) => boolean
  readonly #delivered: (deliveries: Delivery[], request: ReceiveRequest) => void
  readonly #lines = new Map<string, Line>()
  #waiting = 0
  #endWatch: (() => void) | undefined
  #closed = false

  constructor(parts: {
    engine: Engine
    clock: Clock
    limits: Limits
    shareable: (queue: string) => boolean
    delivered: (deliveries: Delivery[], request: ReceiveRequest) => void
  }) {
    this.#engine = parts.engine
    this.#clock = parts.clock
    this.#limits = parts.limits
    this.#shareable = parts.shareable
    this.#delivered = parts.delivered
  }

  start(): void {
    this.#endWatch = this.#engine.watch((queue) => {
      const line = this.#lines.get(queue)
      if (line === undefined) return
      line.hints++
      if (line.waiters.size > 0) void this.#serve(line)
    })
  }

  /** Answers [] to everybody who waits; later receives do not wait. */
  close(): void {
    this.#closed = true
    this.#endWatch?.()
    for (const line of this.#lines.values()) for (const waiter of [...line.waiters]) this.#answer(line, waiter, [])
  }

  receive(request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]> {
    if (signal?.aborted === true) return Promise.resolve([])
    const waits = (request.waitMs ?? 0) > 0 && !this.#closed
    if (!waits) {
      return this.#engine.lease(leaseOf(request, request.max)).then((deliveries) => {
        if (signal?.aborted === true && deliveries.length > 0 && request.settleOnDelivery !== true) {
          return this.#giveBack(deliveries).then(() => [])
        }
        this.#delivered(deliveries, request)
        return deliveries
      })
    }
    return this.#look(request, signal)
  }

  /** Tries at once, unless others wait already, and else gets in line. */
  async #look(request: ReceiveRequest, signal: AbortSignal | undefined): Promise<Delivery[]> {
    const line = this.#line(request.queue)
    line.looking++
    try {
      while (line.waiters.size === 0) {
        const { hints } = line
        const deliveries = await this.receive({ ...request, waitMs: 0 }, signal)
        if (deliveries.length > 0 || signal?.aborted === true || this.#closed) return deliveries
        if (line.hints === hints) break
      }
      if (this.#waiting >= this.#limits.waitersMax) {
        throw new SpindleError('overloaded', `receive from '${request.queue}' with ${this.#waiting} receives waiting`)
      }
      return await this.#enter(line, request, signal)
    } finally {
      line.looking--
      this.#dropIfIdle(line)
    }
  }

  #enter(line: Line, request: ReceiveRequest, signal: AbortSignal | undefined): Promise<Delivery[]> {
    return new Promise((answer, fail) => {
      const giveUp = (): void => this.#answer(line, waiter, [])
      const waiter: Waiter = {
        request,
        answer,
        fail,
        timer: this.#clock.setTimer(request.waitMs ?? 0, giveUp, { keepAlive: true }),
        leave: () => signal?.removeEventListener('abort', giveUp),
      }
      signal?.addEventListener('abort', giveUp, { once: true })
      line.waiters.add(waiter)
      this.#waiting++
    })
  }

  async #serve(line: Line): Promise<void> {
    if (line.serving) return
    line.serving = true
    try {
      while (line.waiters.size > 0) {
        const { hints } = line
        const round = this.#round(line)
        const max = Math.min(
          round.reduce((sum, waiter) => sum + waiter.request.max, 0),
          this.#limits.receiveMax,
        )
        const first = round[0]
        if (first === undefined) break
        const deliveries = await this.#engine.lease(leaseOf(first.request, max))
        if (deliveries.length > 0) await this.#share(line, round, deliveries)
        else if (line.hints === hints) break
      }
    } catch (fault) {
      for (const waiter of [...line.waiters]) this.#answer(line, waiter, fault)
    } finally {
      line.serving = false
      this.#dropIfIdle(line)
    }
  }

  /** The waiters that the next lease call serves: the first, and those behind it that ask for the same. */
  #round(line: Line): Waiter[] {
    const round: Waiter[] = []
    const shareable = this.#shareable(line.queue)
    for (const waiter of line.waiters) {
      const first = round[0]
      if (first !== undefined && !(shareable && asksTheSame(first.request, waiter.request))) break
      round.push(waiter)
      if (round.length >= this.#limits.receiveMax) break
    }
    return round
  }

  /** Spreads deliveries over those of the round who still wait, in turn: evenly, or as much as each asked for. What is left goes back. */
  async #share(line: Line, round: readonly Waiter[], deliveries: Delivery[]): Promise<void> {
    let next = 0
    const present = round.filter((waiter) => line.waiters.has(waiter))
    const evenShare = Math.max(1, Math.ceil(deliveries.length / Math.max(1, present.length)))
    const shareMax = present[0]?.request.fill === true ? deliveries.length : evenShare
    const shares = present.map((waiter) => {
      const share = deliveries.slice(next, next + Math.min(shareMax, waiter.request.max))
      next += share.length
      return share
    })
    // Those with room take what uneven limits left over.
    present.forEach((waiter, i) => {
      const share = shares[i]
      while (share !== undefined && next < deliveries.length && share.length < waiter.request.max) {
        const delivery = deliveries[next++]
        if (delivery !== undefined) share.push(delivery)
      }
    })
    const surplus = deliveries.slice(next)
    present.forEach((waiter, i) => {
      const share = shares[i]
      if (share === undefined || share.length === 0) return
      this.#delivered(share, waiter.request)
      this.#answer(line, waiter, share)
    })
    if (surplus.length > 0) await this.#giveBack(surplus)
  }

  #answer(line: Line, waiter: Waiter, answer: Delivery[] | unknown): void {
    if (!line.waiters.delete(waiter)) return
    this.#waiting--
    waiter.timer?.cancel()
    waiter.leave()
    if (Array.isArray(answer)) waiter.answer(answer)
    else waiter.fail(answer)
  }

  #giveBack(deliveries: readonly Delivery[]): Promise<unknown> {
    const how = { kind: 'release', spend: false } as const
    return this.#engine.commit(deliveries.map(({ receipt }) => ({ ops: [{ kind: 'settle', receipt, how }] })))
  }

  #line(queue: string): Line {
    let line = this.#lines.get(queue)
    if (line === undefined) {
      line = { queue, waiters: new Set(), hints: 0, looking: 0, serving: false }
      this.#lines.set(queue, line)
    }
    return line
  }

  #dropIfIdle(line: Line): void {
    if (line.waiters.size === 0 && line.looking === 0 && !line.serving) this.#lines.delete(line.queue)
  }
}

export function leaseOf(request: ReceiveRequest, max: number): LeaseRequest {
  if (request.from === undefined && request.settleOnDelivery === undefined && request.consumer === undefined) {
    return { queue: request.queue, max, lease: request.lease ?? CLOCK_LEASE } // nearly every receive
  }
  return {
    queue: request.queue,
    max,
    lease: request.lease ?? CLOCK_LEASE,
    ...(request.from === undefined ? undefined : { from: request.from }),
    ...(request.settleOnDelivery === undefined ? undefined : { settleOnDelivery: request.settleOnDelivery }),
    ...(request.consumer === undefined ? undefined : { consumer: request.consumer }),
  }
}

const CLOCK_LEASE = { kind: 'clock' } as const

function asksTheSame(a: ReceiveRequest, b: ReceiveRequest): boolean {
  return (
    a.settleOnDelivery === b.settleOnDelivery &&
    a.consumer === b.consumer &&
    a.fill === b.fill &&
    a.from === b.from &&
    a.lease?.kind === b.lease?.kind &&
    a.lease?.holder === b.lease?.holder &&
    (a.lease?.kind === 'clock' ? a.lease.leaseMs : undefined) ===
      (b.lease?.kind === 'clock' ? b.lease.leaseMs : undefined)
  )
}
