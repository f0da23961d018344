import type { DirectPort, ReceiveRequest, Settleable, Settlement } from '../../broker/port.ts'
import type { AppendOutcome, Delivery, NewMessage, SettleOutcome } from '../../model/message.ts'

/** A store's direct port whose leases end with this process, as all of its leases do. */
export class HeldDirect implements DirectPort {
  readonly #inner: DirectPort
  readonly #held: (request: ReceiveRequest) => ReceiveRequest

  constructor(inner: DirectPort, held: (request: ReceiveRequest) => ReceiveRequest) {
    this.#inner = inner
    this.#held = held
  }

  append(queue: string, message: NewMessage): AppendOutcome | undefined {
    return this.#inner.append(queue, message)
  }

  lease(request: ReceiveRequest): Delivery[] {
    return this.#inner.lease(this.#held(request))
  }

  settle(delivery: Settleable, how: Settlement): SettleOutcome | undefined {
    return this.#inner.settle(delivery, how)
  }

  kept<T>(value: T): Promise<T> {
    return this.#inner.kept(value)
  }
}
