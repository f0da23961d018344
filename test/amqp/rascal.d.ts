/** The part of rascal that the tests use; the package has no types. */
declare module 'rascal' {
  import type { EventEmitter } from 'node:events'
  import type { ConsumeMessage } from 'amqplib'

  type AckOrNack = (error?: Error, recovery?: { readonly strategy: 'nack' }) => void

  interface Subscription {
    on(event: 'message', heard: (message: ConsumeMessage, content: unknown, ackOrNack: AckOrNack) => void): this
  }

  export class BrokerAsPromised extends EventEmitter {
    static create(config: object): Promise<BrokerAsPromised>
    publish(publication: string, content: unknown): Promise<EventEmitter>
    subscribe(subscription: string): Promise<Subscription>
    shutdown(): Promise<void>
  }
}
