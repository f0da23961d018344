/** What a channel in tx mode has published and answered since the last commit or rollback; a commit is one unit of the broker. */
import type { PublishedMessage, Settlement, SimpleStep } from '../../broker/port.ts'
import type { MessageId, Receipt } from '../../model/message.ts'
import { AmqpFault } from './fault.ts'
import type { Target } from './publisher.ts'

export interface LaterSettlement<Consumer> {
  readonly tag: number
  readonly receipt: Receipt
  readonly id: MessageId
  readonly consumer: Consumer | undefined
  readonly how: Settlement
}

export interface LaterPublish {
  readonly target: Target
  readonly mandatory: boolean
  readonly message: PublishedMessage
  readonly moreQueues: readonly string[]
}

export class Transaction<Consumer> {
  readonly #max: number
  #publishes: LaterPublish[] = []
  #settlements: LaterSettlement<Consumer>[] = []

  constructor(max: number) {
    this.#max = max
  }

  publish(publish: LaterPublish): void {
    this.#checkRoom()
    this.#publishes.push(publish)
  }

  settle(settlement: LaterSettlement<Consumer>): void {
    this.#settlements.push(settlement)
    this.#checkRoom()
  }

  /** Forgets everything; the settlements that will not happen now. */
  reset(): readonly LaterSettlement<Consumer>[] {
    const settlements = this.#settlements
    this.#publishes = []
    this.#settlements = []
    return settlements
  }

  /**
   * The steps of the commit. `exists`: is there such a queue? What is published to none is not a step: it is lost without trace, or
   * returned when it is mandatory.
   */
  steps(exists: ReadonlySet<string>): { readonly steps: SimpleStep[]; readonly unroutable: readonly LaterPublish[] } {
    const steps: SimpleStep[] = []
    const unroutable: LaterPublish[] = []
    for (const publish of this.#publishes) {
      const { target, message, moreQueues } = publish
      if (target.kind === 'exchange') {
        steps.push({ kind: 'publish', exchange: target.name, message })
        continue
      }
      const queues = [target.name, ...moreQueues].filter((queue) => exists.has(queue))
      for (const queue of queues) steps.push({ kind: 'append', queue, message })
      if (queues.length === 0) unroutable.push(publish)
    }
    for (const { receipt, how, id } of this.#settlements) steps.push({ kind: 'settle', receipt, how, id })
    return { steps, unroutable }
  }

  /** Queues named by publishes to the default exchange. */
  get queues(): readonly string[] {
    const queues = new Set<string>()
    for (const { target, moreQueues } of this.#publishes) {
      if (target.kind === 'queue') for (const queue of [target.name, ...moreQueues]) queues.add(queue)
    }
    return [...queues]
  }

  #checkRoom(): void {
    const count = this.#publishes.length + this.#settlements.length
    if (count >= this.#max) throw new AmqpFault(506, `a transaction has more than ${this.#max} publishes and acks`)
  }
}
