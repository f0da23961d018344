import type { Port, Step } from '../broker/port.ts'
import type { Receipt } from '../model/message.ts'
import type { Exchange, PublishOptions, Queue, SendOptions, Topic, Transaction } from './api.ts'
import { newMessage, publishedMessage } from './queue.ts'

/** Gathers steps; `commit` carries them out as one unit. */
export class StepTransaction implements Transaction {
  readonly #steps: Step[] = []

  send<T>(queue: Queue<T>, body: T, options?: SendOptions): void {
    this.#steps.push({ kind: 'append', queue: queue.name, message: newMessage(body, options) })
  }

  publish<T>(to: Topic<T> | Exchange<T>, body: T, options?: PublishOptions): void {
    this.#steps.push({ kind: 'publish', exchange: to.name, message: publishedMessage(body, options) })
  }

  ack(message: { readonly receipt: Receipt }): void {
    this.#steps.push({ kind: 'settle', receipt: message.receipt, how: { kind: 'ack' } })
  }

  store(key: string, value: unknown, options: { readonly expect?: number } = {}): void {
    this.#steps.push({ kind: 'record', key, value: new TextEncoder().encode(JSON.stringify(value)), ...options })
  }

  remove(key: string): void {
    this.#steps.push({ kind: 'record', key, value: null })
  }

  async commit(port: Port): Promise<void> {
    await port.transact(this.#steps)
  }
}
