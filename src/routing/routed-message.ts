import { type DecodedHead, decodeBody, decodeHead, type Headers } from '../model/content.ts'
import type { Content } from '../model/message.ts'
import type { Routing } from './exchange.ts'

/** What the way of a message depends on, read when it is first asked for: most exchanges look at the key alone. */
export class RoutedMessage {
  readonly #content: Content
  readonly #routing: Routing
  #body: { readonly value: unknown } | undefined
  #filterable: Readonly<Record<string, unknown>> | undefined

  constructor(content: Content, routing: Routing = NO_ROUTING) {
    this.#content = content
    this.#routing = routing
  }

  get key(): string {
    return this.#routing.key ?? decodeHead(this.#content.head).key ?? ''
  }

  /** Those beside `key`. */
  get moreKeys(): readonly string[] {
    return this.#routing.keys ?? NO_KEYS
  }

  get headers(): Headers {
    return this.#routing.headers ?? decodeHead(this.#content.head).headers
  }

  /** The headers as a filter sees them: numbers and lists where their attribute types say so. */
  get filterable(): Readonly<Record<string, unknown>> {
    this.#filterable ??= this.#routing.headers ?? typed(decodeHead(this.#content.head))
    return this.#filterable
  }

  /** The body as JSON, whatever its head says of it; undefined: it is none. */
  get body(): unknown {
    this.#body ??= { value: parsed(this.#content.body) }
    return this.#body.value
  }
}

const NO_ROUTING: Routing = Object.freeze({})
const NO_KEYS: readonly string[] = []

function typed({ headers, attributeTypes }: DecodedHead): Readonly<Record<string, unknown>> {
  const types = Object.entries(attributeTypes)
  if (types.length === 0) return headers
  const values: Record<string, unknown> = Object.assign(Object.create(null), headers)
  for (const [name, type] of types) {
    const value = values[name]
    if (typeof value !== 'string') continue
    if (type === 'Number' || type.startsWith('Number.')) values[name] = Number(value)
    else if (type === 'String.Array') values[name] = listOf(value)
  }
  return values
}

/** undefined, so absent: it is no list, whatever its type says. */
function listOf(text: string): unknown[] | undefined {
  const value = parsed(Buffer.from(text))
  return Array.isArray(value) ? value : undefined
}

function parsed(body: Uint8Array): unknown {
  try {
    return decodeBody('json', body)
  } catch {
    return undefined
  }
}
