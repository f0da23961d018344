import { decodeBody, decodeHead, type Headers } from '../model/content.ts'
import type { Content } from '../model/message.ts'
import type { Routing } from './exchange.ts'

/** What the way of a message depends on, read when it is first asked for: most exchanges look at the key alone. */
export class RoutedMessage {
  readonly #content: Content
  readonly #routing: Routing
  #body: { readonly value: unknown } | undefined

  constructor(content: Content, routing: Routing = NO_ROUTING) {
    this.#content = content
    this.#routing = routing
  }

  get key(): string {
    return this.#routing.key ?? ''
  }

  /** Those beside `key`. */
  get moreKeys(): readonly string[] {
    return this.#routing.keys ?? NO_KEYS
  }

  get headers(): Headers {
    return this.#routing.headers ?? decodeHead(this.#content.head).headers
  }

  /** The body as JSON, whatever its head says of it; undefined: it is none. */
  get body(): unknown {
    this.#body ??= { value: parsed(this.#content.body) }
    return this.#body.value
  }
}

const NO_ROUTING: Routing = Object.freeze({})
const NO_KEYS: readonly string[] = []

function parsed(body: Uint8Array): unknown {
  try {
    return decodeBody('json', body)
  } catch {
    return undefined
  }
}
