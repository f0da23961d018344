/** The live connections of one listener, as data: what the management API lists, and how it ends one. */

export interface ConnectionView {
  /** `127.0.0.1:50123 -> 127.0.0.1:5672`. */
  readonly name: string
  readonly user: string
  readonly vhost: string
  readonly state: 'starting' | 'running' | 'blocked' | 'closing'
  readonly tls: boolean
  readonly peer: { readonly host: string; readonly port: number }
  readonly local: { readonly host: string; readonly port: number }
  readonly connectedAtMs: number
  readonly frameMax: number
  readonly channelMax: number
  readonly heartbeatSeconds: number
  readonly authMechanism: string
  /** As the client sent them, text values only. */
  readonly clientProperties: Readonly<Record<string, string>>
  readonly channels: readonly ChannelView[]
}

export interface ChannelView {
  readonly number: number
  readonly mode: 'plain' | 'confirm' | 'transactional'
  readonly prefetch: number
  readonly globalPrefetch: number
  readonly unacknowledged: number
  readonly unconfirmed: number
  readonly consumers: readonly ConsumerView[]
}

export interface ConsumerView {
  readonly tag: string
  /** The queue's name in the store. */
  readonly queue: string
  readonly noAck: boolean
  readonly exclusive: boolean
  readonly prefetch: number
  readonly priority: number
  readonly active: boolean
}

export interface Listed {
  view(): ConnectionView
  /** CONNECTION_FORCED with this reason. */
  close(reason: string): void
}

export class Registry {
  readonly #connections = new Map<string, Listed>()

  get size(): number {
    return this.#connections.size
  }

  add(name: string, connection: Listed): void {
    this.#connections.set(name, connection)
  }

  remove(name: string): void {
    this.#connections.delete(name)
  }

  connections(): ConnectionView[] {
    return [...this.#connections.values()].map((connection) => connection.view())
  }

  /** false: there is none of that name. */
  close(name: string, reason: string): boolean {
    const connection = this.#connections.get(name)
    connection?.close(reason)
    return connection !== undefined
  }

  closeAll(reason: string): void {
    for (const connection of [...this.#connections.values()]) connection.close(reason)
  }
}
