import { bindingId, type Port } from '../broker/port.ts'
import type { MessageId } from '../model/message.ts'
import type { Queue, SendOptions, Topic } from './api.ts'
import { newMessage, storedId } from './queue.ts'

export class PortTopic<T> implements Topic<T> {
  readonly name: string
  readonly #port: Port

  constructor(port: Port, name: string) {
    this.#port = port
    this.name = name
  }

  async publish(body: T, options?: SendOptions): Promise<MessageId[]> {
    const [outcomes = []] = await this.#port.publish(this.name, [newMessage(body, options)])
    return outcomes.map((outcome) => storedId(outcome, this.name))
  }

  bind(queue: Queue<T> | string): Promise<void> {
    const target = { kind: 'queue', name: nameOf(queue) } as const
    return this.#port.putBinding({ exchange: this.name, id: bindingId({ target }), target, key: '' })
  }

  async unbind(queue: Queue<T> | string): Promise<void> {
    await this.#port.removeBinding(this.name, bindingId({ target: { kind: 'queue', name: nameOf(queue) } }))
  }

  delete(): Promise<boolean> {
    return this.#port.deleteExchange(this.name)
  }
}

function nameOf(queue: { readonly name: string } | string): string {
  return typeof queue === 'string' ? queue : queue.name
}
