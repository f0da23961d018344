/** What an application holds: typed queues and topics over the port. `spindle.ts` makes them. */
import type { BrowsePage, ExchangeKind, Filter, HeadersMatch, QueueMeasure, RedriveView } from '../broker/port.ts'
import type { Headers } from '../model/content.ts'
import type {
  AppendOutcome,
  Death,
  ExtendOutcome,
  MessageId,
  MessageState,
  Receipt,
  SettleOutcome,
} from '../model/message.ts'
import type { QueuePolicy } from '../model/policy.ts'

export interface SendOptions {
  readonly delayMs?: number
  /** 0 to 255, higher first. Default 0. */
  readonly priority?: number
  readonly group?: string
  readonly dedupId?: string
  readonly ttlMs?: number
  readonly headers?: Headers
  /** What kind of message it is, free text; tasks use their name. */
  readonly type?: string
}

export interface ReceiveOptions {
  /** Messages at most. Default 1. */
  readonly max?: number
  /** How long to wait for the first, ms. Default 0. */
  readonly waitMs?: number
  /** Default: the queue's `leaseMs`. */
  readonly leaseMs?: number
  /** Acks each message as it leaves: at-most-once. Default false. */
  readonly settleOnDelivery?: boolean
  readonly consumer?: string
  readonly signal?: AbortSignal
}

/** A queue whose bodies are `T`: a string, bytes (Uint8Array) or anything JSON can carry. */
export interface Queue<T> {
  readonly name: string
  /** Resolves to the id once the message is durable (a duplicate's: the first one's id). Rejects with `queue-full`, `disk-full`, `too-large`… */
  send(body: T, options?: SendOptions): Promise<MessageId>
  /** One sync for all; each succeeds or is refused on its own, so outcomes are values. */
  sendMany(items: readonly { readonly body: T; readonly options?: SendOptions }[]): Promise<AppendOutcome[]>
  /** [] when nothing came in time. */
  receive(options?: ReceiveOptions): Promise<Message<T>[]>
  /** Receives for ever (until `signal` aborts): `for await (const message of queue.messages())`. Prefetches `max`. */
  messages(options?: ReceiveOptions): AsyncIterableIterator<Message<T>>
  ack(...messages: readonly { readonly receipt: Receipt }[]): Promise<SettleOutcome[]>
  browse(options?: {
    readonly states?: readonly MessageState[]
    readonly cursor?: string
    readonly limit?: number
  }): Promise<BrowsePage>
  /** Warns (`warnings`) of a lease shorter than the p99 time between delivery and settlement, as this store saw it. */
  measure(): Promise<QueueMeasure & { readonly warnings: readonly string[] }>
  /** Removes everything delayed or ready; resolves to how many. */
  purge(): Promise<number>
  delete(): Promise<boolean>
  /**
   * Moves dead letters back, in the background: from a dead-letter queue what is ready in it, each to where it died; else what this
   * queue holds as dead, to itself. Attempts start anew, id and content stay. Rejects `redrive-running`.
   */
  redrive(options?: RedriveOptions): Promise<Redrive>
}

export interface RedriveOptions {
  /** One queue for all of them. */
  readonly to?: { readonly name: string } | string
  /** Which of the two: what is ready, or what is held as dead. */
  readonly from?: 'ready' | 'dead'
  /** Messages a second, 0.1 to 100,000. Default: as fast as it goes. */
  readonly ratePerSecond?: number
}

export interface Message<T> {
  readonly id: MessageId
  readonly receipt: Receipt
  readonly queue: string
  readonly body: T
  readonly headers: Headers
  readonly type: string | undefined
  /** The routing key it was published with; undefined: with none, or not through an exchange. */
  readonly key: string | undefined
  readonly group: string | undefined
  readonly priority: number
  /** 1 for the first delivery. */
  readonly attempt: number
  readonly enqueuedAtMs: number
  readonly history: readonly Death[]
  /** `stale` outcomes change nothing; somebody else may have it. */
  ack(): Promise<SettleOutcome>
  release(options?: {
    readonly delayMs?: number
    readonly spend?: boolean
    readonly error?: unknown
  }): Promise<SettleOutcome>
  bury(reason: string, error?: unknown): Promise<SettleOutcome>
  extend(leaseMs: number): Promise<ExtendOutcome>
}

/** Copies each message to every queue bound to it: an exchange of kind `fanout`. */
export interface Topic<T> {
  readonly name: string
  /** Resolves when every bound queue that takes it has it durably, in one unit; to the ids by queue order of binding. */
  publish(body: T, options?: PublishOptions): Promise<MessageId[]>
  /** Idempotent. With a filter the queue gets only what passes it; another filter replaces the one in force, none removes it. */
  bind(queue: Queue<T> | string, options?: { readonly filter?: Filter }): Promise<void>
  /** false: it was not bound. */
  unbind(queue: Queue<T> | string): Promise<boolean>
  delete(): Promise<boolean>
}

/** Hands each message to the queues whose bindings take it; docs/concepts/routing.md says which do. */
export interface Exchange<T> {
  readonly name: string
  readonly kind: ExchangeKind
  /** Resolves when every queue that takes it has it durably, in one unit, once however many bindings lead there; to the ids, [] when no queue took it. */
  publish(body: T, options?: PublishOptions): Promise<MessageId[]>
  /** A text names a queue. Idempotent; one target may have several bindings, told apart by key and headers. */
  bind(target: Queue<T> | Exchange<T> | string, options?: BindOptions): Promise<void>
  /** The binding with this key and these headers. false: there was none. */
  unbind(target: Queue<T> | Exchange<T> | string, options?: Omit<BindOptions, 'filter'>): Promise<boolean>
  /** The bindings from and to it go with it. false: there was none. Rejects `exchange-in-use` (`ifUnused`). */
  delete(options?: { readonly ifUnused?: boolean }): Promise<boolean>
}

export interface ExchangeInput {
  /** Cannot be changed later: `exchange-exists`. Default `fanout`. */
  readonly kind?: ExchangeKind
  /** The exchange that gets what no binding takes. */
  readonly alternate?: string | null
  /** Goes with its last binding. Default false. */
  readonly autoDelete?: boolean
}

export interface PublishOptions extends SendOptions {
  /** The routing key, at most 255 bytes. Default ''. The consumer sees it as `message.key`. */
  readonly key?: string
  /** Further routing keys. */
  readonly keys?: readonly string[]
}

export interface BindOptions {
  /** `direct`: the key of the messages; `topic`: the pattern of their keys. Default ''. */
  readonly key?: string
  /** `headers`: what those of the message must be. */
  readonly headers?: HeadersMatch
  /** Any kind: takes only what passes it. */
  readonly filter?: Filter
}

/** Dead letters on their way back. It goes on in the process that owns the store, whoever started it. */
export interface Redrive {
  readonly id: string
  readonly source: string
  /** Where it stands: moved, failed, about how many there were. */
  view(): Promise<RedriveView>
  /** Resolves when it has ended, in whatever way. */
  done(): Promise<RedriveView>
  /** Stops it after the moves under way; what it has not moved stays where it is. */
  cancel(): Promise<RedriveView>
}

/** Everything asked for happens in one commit when the callback returns, or nothing does. */
export interface Transaction {
  send<T>(queue: Queue<T>, body: T, options?: SendOptions): void
  publish<T>(to: Topic<T> | Exchange<T>, body: T, options?: PublishOptions): void
  ack(message: { readonly receipt: Receipt }): void
  /** Stores JSON under `key`; `expect`: the version it must have now (0: absent). */
  store(key: string, value: unknown, options?: { readonly expect?: number }): void
  remove(key: string): void
}

export type PolicyInput = Partial<QueuePolicy>
export type { Headers, HeaderValue } from '../model/content.ts'
export type { Death, MessageId, MessageState, QueueMeasure, QueuePolicy, Receipt }
