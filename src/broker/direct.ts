/** One message a call, for callers in the process of the store, where the engine decides in the turn of the call. */
import type { DirectEngine } from '../engine/engine.ts'
import type { AppendOutcome, Delivery, NewMessage, SettleOutcome } from '../model/message.ts'
import { leaseOf } from './dispatcher.ts'
import type { DirectPort, ReceiveRequest, SettleRequest } from './port.ts'

/** What the broker does beside the engine's work; each as for the port's own verbs. */
export interface DirectParts {
  readonly engine: DirectEngine
  /** False: it is too large. Throws `invalid-argument`. */
  readonly admit: (message: NewMessage, queue: string) => boolean
  /** Throws `invalid-argument`. */
  readonly check: (request: ReceiveRequest) => void
  readonly delivered: (deliveries: Delivery[], request: ReceiveRequest) => void
  readonly settling: (settlement: SettleRequest) => void
  /** Told once it is decided: whoever hears of it and looks is answered once it is durable. */
  readonly settled: (settlement: SettleRequest) => void
}

const TOO_LARGE: AppendOutcome = Object.freeze({ kind: 'refused', reason: 'too-large' })

export class Direct implements DirectPort {
  readonly #parts: DirectParts
  readonly #engine: DirectEngine

  constructor(parts: DirectParts) {
    this.#parts = parts
    this.#engine = parts.engine
  }

  append(queue: string, message: NewMessage): AppendOutcome | undefined {
    if (!this.#parts.admit(message, queue)) return TOO_LARGE
    const outcome = this.#engine.apply({ kind: 'append', queue, message })
    if (outcome === undefined || outcome.kind === 'stored') return outcome
    if (outcome.kind === 'duplicate' || outcome.kind === 'refused') return outcome
    throw new Error(`the engine answered an append with '${outcome.kind}'`)
  }

  lease(request: ReceiveRequest): Delivery[] {
    this.#parts.check(request)
    const deliveries = this.#engine.lease(leaseOf(request, request.max))
    this.#parts.delivered(deliveries, request)
    return deliveries
  }

  settle(settlement: SettleRequest): SettleOutcome | undefined {
    const { receipt, how } = settlement
    const outcome = this.#engine.apply({ kind: 'settle', receipt, how })
    if (outcome === undefined) return undefined
    if (outcome.kind !== 'settled' && outcome.kind !== 'stale') {
      throw new Error(`the engine answered a settle with '${outcome.kind}'`)
    }
    this.#parts.settling(settlement)
    this.#parts.settled(settlement)
    return outcome
  }

  kept<T>(value: T): Promise<T> {
    return this.#engine.kept(value)
  }
}
