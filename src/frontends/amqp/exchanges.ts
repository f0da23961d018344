/**
 * What this process knows of exchanges, so that publishing looks nothing up: filled on first use, forgotten when one changes here or
 * in another process on the store (which announces it).
 */
import type { ExchangeKind, Port } from '../../broker/port.ts'
import { EMPTY_TABLE } from '../../wire/amqp/field-table.ts'
import { type ExchangeDefinition, exchangeAttributes, exchangeDefinition } from './definitions.ts'
import { storeName } from './names.ts'

/** Where it is announced that exchanges are not what they were. */
export const EXCHANGES_CHANGED = 'spindle/amqp/exchange'
const KNOWN_MAX = 10_000

export const DELAYED_TYPE = 'x-delayed-message'

/** Section 3.1.3 and RabbitMQ: these are there in each virtual host; made when first used. */
const predeclared: ReadonlyMap<string, ExchangeKind> = new Map<string, ExchangeKind>([
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
])

/** The kind of an exchange that is there without being declared; undefined: none of that name is. */
export function predeclaredKind(name: string): ExchangeKind | undefined {
  return predeclared.get(name)
}

export const predeclaredNames: readonly string[] = [...predeclared.keys()]

export class ExchangeCache {
  readonly #port: Port
  readonly #known = new Map<string, ExchangeDefinition>()
  readonly #unlisten: () => void
  /** Grows whenever something that was known may be wrong. */
  version = 0

  constructor(port: Port) {
    this.#port = port
    this.#unlisten = port.listen(EXCHANGES_CHANGED, () => this.#forget())
  }

  close(): void {
    this.#unlisten()
  }

  /** Without asking the store: undefined may also mean that nobody looked yet. */
  known(stored: string): ExchangeDefinition | undefined {
    return this.#known.get(stored)
  }

  async find(vhost: string, name: string): Promise<ExchangeDefinition | undefined> {
    const stored = storeName(vhost, name)
    const known = this.#known.get(stored)
    if (known !== undefined) return known
    const [view] = await this.#port.listExchanges([stored])
    let definition = view === undefined ? undefined : exchangeDefinition(view.settings)
    const kind = predeclared.get(name)
    if (definition === undefined && kind !== undefined) definition = await this.#predeclare(stored, kind)
    if (definition !== undefined) {
      if (this.#known.size >= KNOWN_MAX) this.#known.clear()
      this.#known.set(stored, definition)
    }
    return definition
  }

  /** To be called after each change of an exchange, or when one turned out to be gone. */
  changed(): void {
    this.#forget()
    this.#port.announce(EXCHANGES_CHANGED, new Uint8Array(0))
  }

  #forget(): void {
    this.version++
    this.#known.clear()
  }

  async #predeclare(stored: string, kind: ExchangeKind): Promise<ExchangeDefinition> {
    const type = kind
    const definition = { kind, type, durable: true, autoDelete: false, internal: false, arguments: EMPTY_TABLE }
    await this.#port.declareExchange(stored, { kind, attributes: exchangeAttributes(definition) })
    return definition
  }
}
