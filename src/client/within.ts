/** Sending and settling in a transaction that the application has open on its own database connection. */
import type { TransactionPort } from '../broker/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { MessageId, Receipt, SettleOutcome } from '../model/message.ts'
import type { Exchange, PublishOptions, Queue, SendOptions, Topic } from './api.ts'
import { newMessage, publishedMessage, storedId } from './queue.ts'

export class WithinTransaction {
  readonly #port: TransactionPort

  constructor(port: TransactionPort) {
    this.#port = port
  }

  /** Stored with their COMMIT; until then nobody sees it, and after their ROLLBACK nobody ever does. Rejects as `Queue.send`. */
  async send<T>(queue: Queue<T> | string, body: T, options?: SendOptions): Promise<MessageId> {
    const name = typeof queue === 'string' ? queue : queue.name
    const [outcome] = await this.#port.append(name, [newMessage(body, options)])
    return storedId(outcome, name)
  }

  /** To every queue that takes it. */
  async publish<T>(to: Topic<T> | Exchange<T> | string, body: T, options?: PublishOptions): Promise<void> {
    const name = typeof to === 'string' ? to : to.name
    await this.#port.publish(name, [publishedMessage(body, options)])
  }

  /** Done with it, if they commit; after their ROLLBACK the lease goes on. Rejects `stale`: what they did for it is somebody else's by now. */
  async ack(...messages: readonly { readonly receipt: Receipt }[]): Promise<void> {
    const how = { kind: 'ack' } as const
    const outcomes: SettleOutcome[] = await this.#port.settle(messages.map(({ receipt }) => ({ receipt, how })))
    if (outcomes.some(({ kind }) => kind === 'stale')) throw new SpindleError('stale', 'ack within a transaction')
  }
}
