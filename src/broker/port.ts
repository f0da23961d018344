/**
 * The broker's face: the one port that applications, tasks and front ends talk to. In one process it is the
 * broker itself; in another one `client/remote` carries it over a socket. Every argument and answer is
 * plain data (strings, numbers, Uint8Array, arrays, objects), so that the wire can be mechanical.
 */
import type {
  BrowsePage,
  BrowseRequest,
  LeaseSource,
  LeaseTerm,
  Outcome,
  QueueMeasure,
  Settlement,
  StoredRecord,
} from '../engine/engine.ts'
import type {
  AppendOutcome,
  Delivery,
  ExtendOutcome,
  MessageId,
  MessageView,
  NewMessage,
  Receipt,
  SettleOutcome,
} from '../model/message.ts'
import type { QueuePolicy } from '../model/policy.ts'

export interface Port {
  /** Creates the queue, or changes the fields given. Resolves to the policy in force. Idempotent. */
  declareQueue(queue: string, policy: Partial<QueuePolicy>): Promise<QueuePolicy>
  /** false: there was none. */
  deleteQueue(queue: string): Promise<boolean>
  /** Creates the topic. Idempotent. */
  declareTopic(topic: string): Promise<void>
  deleteTopic(topic: string): Promise<boolean>
  /** From now on each message published to `topic` is appended to `queue`. Idempotent. Rejects `no-such-queue`. */
  bind(topic: string, queue: string): Promise<void>
  unbind(topic: string, queue: string): Promise<void>
  listTopics(): Promise<TopicView[]>

  /** One unit a message; all share one sync. Limits are checked before anything is stored (`too-large` is an outcome). */
  append(queue: string, messages: readonly NewMessage[]): Promise<AppendOutcome[]>
  /** One unit for all bound queues of one message. Outcomes by queue bound; [] when none is. */
  publish(topic: string, messages: readonly NewMessage[]): Promise<AppendOutcome[][]>
  /** Waits up to `waitMs` (default 0) for at least one. Waiting receives are served in turn. An abort of `signal` answers [] and leases nothing that would be lost. */
  receive(request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]>
  settle(settlements: readonly SettleRequest[]): Promise<SettleOutcome[]>
  extend(receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]>
  /**
   * One atomic unit: every step happens, or none and it rejects with `aborted` (also when an append is a duplicate). Outcomes in step order; a publish gives one for each bound queue.
   * `relaxed`: a unit that only writes records or settles may resolve before the sync (see `Unit.relaxed`). Default false.
   */
  transact(steps: readonly Step[], options?: { readonly relaxed?: boolean }): Promise<Outcome[]>

  /** The holder (a process or connection, named by leases) is alive for `ttlMs` more; then its leases end as lost ones do. */
  renewHolder(holder: string, ttlMs: number): Promise<void>
  /** Ends a holder now. `spend: false` gives the attempts of its leases back; default true. Idempotent. */
  releaseHolder(holder: string, options?: { readonly spend?: boolean }): Promise<void>

  find(id: MessageId): Promise<MessageView | undefined>
  browse(request: BrowseRequest): Promise<BrowsePage>
  measure(queues?: readonly string[]): Promise<MeasuredQueue[]>
  purge(queue: string): Promise<number>

  /** The application's records. Keys are free text; those that start with `spindle/` are Spindle's own. */
  read(key: string): Promise<StoredRecord | undefined>
  scan(prefix: string, options: { readonly after?: string; readonly limit: number }): Promise<StoredRecord[]>

  /** Tells everybody who listens on this store's channel; not stored, never waits, lost when nobody listens. */
  announce(channel: string, data: Uint8Array): void
  /** Hears announcements of one channel. The broker itself announces on `message/ID` each time that message settles or changes state. */
  listen(channel: string, heard: (data: Uint8Array) => void): () => void

  /** Ends the waits of this process (they answer []) and lets go of the store. Leases it still holds run out by their clock; those of a joined process are given back at once, unspent. */
  close(): Promise<void>
}

export interface ReceiveRequest {
  readonly queue: string
  readonly max: number
  readonly waitMs?: number
  readonly lease?: LeaseTerm
  readonly from?: LeaseSource
  readonly settleOnDelivery?: boolean
  readonly consumer?: string
}

export interface SettleRequest {
  readonly receipt: Receipt
  readonly how: Settlement
  /** Whose receipt it is. Pass it where known: only then can the broker announce `message/ID`. */
  readonly id?: MessageId
}

/** A queue's figures, and how long its consumers take. */
export type MeasuredQueue = QueueMeasure & {
  /** 99th percentile of the time from delivery to settlement, ms, over a recent sample; undefined before there is one. */
  readonly runP99Ms: number | undefined
}

export interface TopicView {
  readonly topic: string
  readonly queues: readonly string[]
}

/** What a transaction may do. */
export type SimpleStep =
  | { readonly kind: 'append'; readonly queue: string; readonly message: NewMessage }
  | { readonly kind: 'publish'; readonly topic: string; readonly message: NewMessage }
  | { readonly kind: 'settle'; readonly receipt: Receipt; readonly how: Settlement; readonly id?: MessageId }
  | { readonly kind: 'record'; readonly key: string; readonly value: Uint8Array | null; readonly expect?: number }

/** `count` adds to a counter record and takes the steps of `whenReached` in the same unit when it reaches `at`: a join. */
export type Step =
  | SimpleStep
  | {
      readonly kind: 'count'
      readonly key: string
      readonly by: number
      readonly at: number
      readonly whenReached: readonly SimpleStep[]
    }

/** The topic to which every death is published, as a `failed` event: { queue, id, reason, attempts }. */
export const FAILED_TOPIC = 'spindle.failed'

export type { BrowsePage, BrowseRequest, Outcome, QueueMeasure, Settlement, StoredRecord } from '../engine/engine.ts'
