/** One message a call, for callers in the process of the store, where the engine decides in the turn of the call. */
import type { DirectEngine } from '../engine/engine.ts'
import type { AppendOutcome, Delivery, NewMessage, SettleOutcome } from '../model/message.ts'
import { leaseOf } from './dispatcher.ts'
import type { DirectPort, ReceiveRequest, Settleable, Settlement } from './port.ts'

/** What the broker does beside the engine's work; each as for the port's own verbs. */
export interface DirectParts {
  readonly engine: DirectEngine
  /** False: it is too large. Throws `invalid-argument`. */
  readonly admit: (message: NewMessage, queue: string) => boolean
  /** Throws `invalid-argument`. */
  readonly check: (request: ReceiveRequest) => void
  readonly delivered: (deliveries: Delivery[], request: ReceiveRequest) => void
  /** Told once it is decided: whoever hears of it and looks is answered once it is durable. */
  readonly settled: (delivery: Settleable, how: Settlement) => void
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
    return this.#engine.append({ kind: 'append', queue, message })
  }

  lease(request: ReceiveRequest): Delivery[] {
    this.#parts.check(request)
    const deliveries = this.#engine.lease(leaseOf(request, request.max))
    this.#parts.delivered(deliveries, request)
    return deliveries
  }

  settle(delivery: Settleable, how: Settlement): SettleOutcome | undefined {
    const outcome = this.#engine.settle(delivery, how)
    if (outcome !== undefined) this.#parts.settled(delivery, how)
    return outcome
  }

  kept<T>(value: T): Promise<T> {
    return this.#engine.kept(value)
  }
}
