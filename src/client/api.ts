/** What an application holds: typed queues and topics over the port. `spindle.ts` makes them. */
import type { BrowsePage, QueueMeasure } from '../broker/port.ts'
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
}

export interface Message<T> {
  readonly id: MessageId
  readonly receipt: Receipt
  readonly queue: string
  readonly body: T
  readonly headers: Headers
  readonly type: string | undefined
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

export interface Topic<T> {
  readonly name: string
  /** Resolves when every bound queue has it durably, in one unit; to the ids by queue order of binding. */
  publish(body: T, options?: SendOptions): Promise<MessageId[]>
  bind(queue: Queue<T> | string): Promise<void>
  unbind(queue: Queue<T> | string): Promise<void>
  delete(): Promise<boolean>
}

/** Everything asked for happens in one commit when the callback returns, or nothing does. */
export interface Transaction {
  send<T>(queue: Queue<T>, body: T, options?: SendOptions): void
  publish<T>(topic: Topic<T>, body: T, options?: SendOptions): void
  ack(message: { readonly receipt: Receipt }): void
  /** Stores JSON under `key`; `expect`: the version it must have now (0: absent). */
  store(key: string, value: unknown, options?: { readonly expect?: number }): void
  remove(key: string): void
}

export type PolicyInput = Partial<QueuePolicy>
export type { Headers, HeaderValue } from '../model/content.ts'
export type { Death, MessageId, MessageState, QueueMeasure, QueuePolicy, Receipt }
