/** The words of routing: exchanges, the bindings that leave them, and what is looked at when a message is routed. Pure data. */
import type { Headers, HeaderValue } from '../model/content.ts'

/**
 * - `direct`: the binding's key equals a routing key of the message
 * - `fanout`: every binding takes it (a topic of the API is this, with or without filters)
 * - `topic`: the binding's key is a pattern over words divided by dots (`*` one word, `#` any number)
 * - `headers`: the binding's `headers` match those of the message
 * Besides, a binding with a `filter` takes only what passes it.
 */
export type ExchangeKind = 'direct' | 'fanout' | 'topic' | 'headers'

export interface ExchangeSettings {
  readonly kind: ExchangeKind
  /** The exchange that gets what no binding of this one takes. Default null: nobody does. */
  readonly alternate: string | null
  /** Does it go with its last binding? Not before it had one. Default false. */
  readonly autoDelete: boolean
  /** What a front end wants to remember of it, JSON; opaque here. Default {}. */
  readonly attributes: Readonly<Record<string, unknown>>
}

export type BindingTarget =
  | { readonly kind: 'queue'; readonly name: string }
  | { readonly kind: 'exchange'; readonly name: string }

export interface Binding {
  readonly exchange: string
  /** Unique within the exchange; putting one with the same id replaces it. */
  readonly id: string
  readonly target: BindingTarget
  /** Routing key or pattern. Default ''. */
  readonly key: string
  readonly headers?: HeadersMatch
  readonly filter?: Filter
  /** What a front end wants to remember of it, JSON; opaque here. */
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** Modes as RabbitMQ's `x-match`: without `-with-x`, names that start with `x-` are not compared. */
export interface HeadersMatch {
  readonly mode: 'all' | 'any' | 'all-with-x' | 'any-with-x'
  /** null: the header must be there, with whatever value. */
  readonly values: Readonly<Record<string, HeaderValue | null>>
}

/** An SNS filter policy, over the headers or over a JSON body. */
export interface Filter {
  readonly scope: 'headers' | 'body'
  readonly policy: Readonly<Record<string, unknown>>
}

/** How one message wants to be routed. */
export interface Routing {
  /** Default: the one in the message's head, or ''. */
  readonly key?: string
  /** Further routing keys (AMQP's CC and BCC). A queue gets one copy, however many of them lead to it. */
  readonly keys?: readonly string[]
  /** What bindings compare. Default: the headers in the message's head. */
  readonly headers?: Headers
}
