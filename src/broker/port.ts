/**
 * The broker's face: the one port that applications, tasks and front ends talk to. In one process it is the
 * broker itself; in another one `client/remote` carries it over a socket. Every argument and answer is
 * plain data (strings, numbers, Uint8Array, arrays, objects), so that the wire can be mechanical.
 */
import type {
  BrowsePage,
  BrowseRequest,
  CommitOptions,
  LeaseSource,
  LeaseTerm,
  Outcome,
  QueueLifetime,
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
import type { Binding, ExchangeSettings, HeadersMatch, Routing } from '../routing/exchange.ts'
import type { RedriveRequest, RedriveView } from './redrive.ts'

/**
 * `append`, `receive` without a wait, and `settle` of one message each, with the answer apart from the promise: a call then costs one
 * promise instead of one a room. The answer may be told to nobody before `kept` of it has resolved, and `kept` is to be called in the
 * same turn. They throw what the verbs reject with.
 */
export interface DirectPort {
  /** undefined: nothing happened, and it takes time to decide; call `append`. */
  append(queue: string, message: NewMessage): AppendOutcome | undefined
  /** The deliveries may have fields that are getters of their class: read them, do not spread them. */
  lease(request: ReceiveRequest): Delivery[]
  /** undefined: as for `append`; call `settle`. `delivery`: as it came, or what is known of it. */
  settle(delivery: Settleable, how: Settlement): SettleOutcome | undefined
  kept<T>(value: T): Promise<T>
}

/** A delivery, or as much of it as says which it is. */
export type Settleable = Pick<Delivery, 'receipt' | 'id'> & Partial<Pick<Delivery, 'sequence'>>

/** What can be done in a transaction of the caller's: it happens with their COMMIT, or never. */
export type TransactionPort = Pick<Port, 'append' | 'publish' | 'transact' | 'settle'>

/** `early`: see `CommitOptions`; as if it were not said in a process that has not the store itself. */
export type SendOptions = Pick<CommitOptions, 'early'>

export interface Port {
  /** Only in the process of the store, and only where its engine can. */
  readonly direct?: DirectPort | undefined
  /**
   * `transaction`: one that is open, as the engine takes them (PostgreSQL: a `pg` client after BEGIN). Its verbs reject `unsupported` where
   * the engine has no `callerTransactions`. Only in a process that has the store itself.
   */
  within?(transaction: unknown): TransactionPort
  /**
   * Creates the queue, or changes the fields given; with `records`, all in one unit. Resolves to the policy in force. Idempotent
   * without `expect`. Rejects `queue-exists` (`expect: 'absent'`) or `aborted` (the `expect` of a record).
   * `lifetime`: default `durable` for a new queue, and what it was for one that exists.
   */
  declareQueue(queue: string, policy: Partial<QueuePolicy>, options?: DeclareQueueOptions): Promise<QueuePolicy>
  /** The queue goes with its messages and the bindings to it, in one unit. false: there was none (`records` are not written then). Rejects `queue-not-empty` (`ifEmpty`, while something is delayed, ready or leased). */
  deleteQueue(queue: string, options?: DeleteQueueOptions): Promise<boolean>
  /**
   * Creates the exchange (kind `fanout` unless given), or changes the fields given. Resolves to the settings in force. Idempotent
   * without `expect`. Rejects `exchange-exists` when it is there with another kind, or at all with `expect: 'absent'`.
   */
  declareExchange(
    exchange: string,
    settings: Partial<ExchangeSettings>,
    options?: DeclareExchangeOptions,
  ): Promise<ExchangeSettings>
  /** The exchange goes with the bindings from and to it, in one unit. false: there was none. Rejects `exchange-in-use` (`ifUnused`, while bindings leave it). */
  deleteExchange(exchange: string, options?: DeleteExchangeOptions): Promise<boolean>
  /** Puts the binding, in place of one with its id. Idempotent. Rejects `no-such-exchange`, `no-such-queue`, or `invalid-argument` (a filter or pattern over its limits). */
  putBinding(binding: Binding, options?: WithRecords): Promise<void>
  /** false: there was none. An exchange with `autoDelete` goes with its last binding, in the same unit. */
  removeBinding(exchange: string, id: string, options?: WithRecords): Promise<boolean>
  /** All exchanges, or those named (missing ones are left out); bindings in the order in which they were made. */
  listExchanges(exchanges?: readonly string[]): Promise<ExchangeView[]>

  /** One unit a message; all share one sync. Limits are checked before anything is stored (`too-large` is an outcome). */
  append(queue: string, messages: readonly NewMessage[], options?: SendOptions): Promise<AppendOutcome[]>
  /**
   * Routes each message and appends it to every queue that takes it: one unit a message, all share one sync. One outcome for each of
   * these queues (of a fanout in the order of their bindings, else in no order that is promised; `match` names them); [] when no queue took it. Rejects `no-such-exchange`, `too-large`.
   */
  publish(exchange: string, messages: readonly PublishedMessage[], options?: SendOptions): Promise<AppendOutcome[][]>
  /** The bindings to queues by which `publish` would deliver each message (through other exchanges and alternates): one for each queue, the first that leads to it. Stores nothing. */
  match(exchange: string, messages: readonly PublishedMessage[]): Promise<Binding[][]>
  /** Each inner list is one atomic unit of appends that do not depend on each other's outcome; all share one sync. Outcomes as asked. */
  deliver(units: readonly (readonly QueuedMessage[])[], options?: SendOptions): Promise<AppendOutcome[][]>
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

  /**
   * Moves messages out of a dead-letter queue (or a queue's own dead) in the background; survives a restart, runs once. Rejects
   * `no-such-queue`, or `redrive-running` while another one has the same source.
   */
  startRedrive(request: RedriveRequest): Promise<RedriveView>
  /** Those that run and the last few that ended, the latest first. */
  listRedrives(source?: string): Promise<RedriveView[]>
  /** Stops it after the moves under way. undefined: no such redrive; one that had ended is answered as it was. */
  cancelRedrive(id: string): Promise<RedriveView | undefined>

  /** The application's records. Keys are free text; those that start with `spindle/` are Spindle's own. */
  read(key: string): Promise<StoredRecord | undefined>
  scan(prefix: string, options: { readonly after?: string; readonly limit: number }): Promise<StoredRecord[]>

  /** Tells everybody who listens on this store's channel; not stored, never waits, lost when nobody listens. */
  announce(channel: string, data: Uint8Array): void
  /**
   * Hears announcements of one channel. The broker itself announces on `message/ID` each time that message settles or changes state.
   * `missed`: some may have been lost while the store could not be reached; whoever waits for one should look now.
   */
  listen(channel: string, heard: (data: Uint8Array) => void, missed?: () => void): () => void

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
  /**
   * How receives that wait share what comes. Default false: evenly, so that many workers start at once. true: the first in line gets
   * all that it asked for before the next one gets any, so that answers are few and full.
   */
  readonly fill?: boolean
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
  /** Deliveries that were not the first of their message, since the broker started. */
  readonly redelivered: number
}

export interface ExchangeView {
  readonly exchange: string
  readonly settings: ExchangeSettings
  readonly bindings: readonly Binding[]
}

/** A message on its way to an exchange. What is not said of its routing is read from its head. */
export type PublishedMessage = NewMessage & { readonly routing?: Routing }

export interface QueuedMessage {
  readonly queue: string
  readonly message: NewMessage
}

/** A record that is written (null: removed) in the unit of the change it goes with. `expect`: its version now (0: absent), else the call rejects with `aborted`. */
export interface RecordStep {
  readonly key: string
  readonly value: Uint8Array | null
  readonly expect?: number
}

export interface WithRecords {
  readonly records?: readonly RecordStep[]
}

export interface DeclareQueueOptions extends WithRecords {
  readonly lifetime?: QueueLifetime
  /** Only create. */
  readonly expect?: 'absent'
}

export interface DeleteQueueOptions extends WithRecords {
  readonly ifEmpty?: boolean
}

export interface DeclareExchangeOptions extends WithRecords {
  readonly expect?: 'absent'
}

export interface DeleteExchangeOptions extends WithRecords {
  readonly ifUnused?: boolean
}

/** What a transaction may do. */
export type SimpleStep =
  | { readonly kind: 'append'; readonly queue: string; readonly message: NewMessage }
  | { readonly kind: 'publish'; readonly exchange: string; readonly message: PublishedMessage }
  | { readonly kind: 'settle'; readonly receipt: Receipt; readonly how: Settlement; readonly id?: MessageId }
  | ({ readonly kind: 'record' } & RecordStep)

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

/** The fanout exchange to which every death is published, as a `failed` event: { queue, id, reason, attempts }. Bindings of it lead to queues and have no filter. */
export const FAILED_TOPIC = 'spindle.failed'

/** Where the broker announces each step of a redrive, without data. */
export function redriveChannel(id: string): string {
  return `redrive/${id}`
}

/** The id of a binding that is told apart by what it says, as those of the API are: the same words again put the same binding. */
export function bindingId({ target, key, headers }: Pick<Binding, 'target' | 'headers'> & { key?: string }): string {
  const parts = [target.kind, encodeURIComponent(target.name), encodeURIComponent(key ?? '')]
  return headers === undefined ? parts.join('/') : `${parts.join('/')}/${describeHeaders(headers)}`
}

function describeHeaders({ mode, values }: HeadersMatch): string {
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))
  const shown = sorted.map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value])
  return `${mode}${JSON.stringify(shown)}`
}

export type {
  BrowsePage,
  BrowseRequest,
  Outcome,
  QueueLifetime,
  QueueMeasure,
  Settlement,
  StoredRecord,
} from '../engine/engine.ts'
export type {
  Binding,
  BindingTarget,
  ExchangeKind,
  ExchangeSettings,
  Filter,
  HeadersMatch,
  Routing,
} from '../routing/exchange.ts'
export type { RedriveRequest, RedriveState, RedriveView } from './redrive.ts'
