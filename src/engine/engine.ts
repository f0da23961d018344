/**
 * The contract between the broker and whatever stores its messages. `memory/` states it plainly and is
 * the oracle; `embedded/` keeps it on a disk. test/conformance/ holds every engine to it.
 *
 *               append                lease                  ack
 *   (delayed) ---------> ready ----------------> leased ------------> gone, or done (kept result)
 *       ^                  ^                       |  |
 *       |                  '-- lease ended --------'  '-- bury / too many attempts / TTL --> dead, moved, or gone
 *       '---------------- release(delayMs) --------'
 *
 * Time. Each verb first applies everything that is due at its instant (delays, expired leases, TTLs, dedup
 * windows, retentions, holders), so its answer never depends on when `tick` ran last. Durations run on the
 * monotonic clock while the process lives; stored instants are wall time.
 *
 * Due things are applied in this order: those of messages by (due instant, sequence), then ended holders by their end, then
 * idle queues. Instants that follow (a history's time, a new delay) are those of the verb that applies them.
 *
 * Judgement. What a settle, a lost lease or time does to a message is what `decide` (model/lifecycle.ts) says. In particular:
 * a lost lease is judged by `onLost: fail`, then attemptsMax, then TTL; a message leased from `dead` is held as dead again,
 * history unchanged and retention anew, however its lease ends but by ack or bury. A message that moves to a dead-letter queue, and a
 * failed event, are appended there with that queue's delay and TTL, never refused and not judged by its dedup or lengthMax; a moved
 * one keeps id, content, priority, group, dedupId and note, and has attempts and deliveries of 0.
 *
 * Pace. Of ready messages a lease grants no more than the queue's `paused`, `concurrency` and `rate`, and those of its groups, let out at
 * its instant; [] is then an answer like any other. Other sources are not bound and take no token, but count as leased. Buckets are full
 * when the store opens.
 *
 * Order. A queue serves (priority descending, sequence ascending). Sequences grow with each append of the
 * store and are kept by release and expiry.
 *
 * Outcomes are values; exceptions are faults (`SpindleError`). After a `poisoned` fault every call rejects
 * with it until the store is opened anew.
 */
import type {
  AppendOutcome,
  Content,
  Delivery,
  ExtendOutcome,
  MessageId,
  MessageState,
  MessageView,
  NewMessage,
  Receipt,
  SettleOutcome,
} from '../model/message.ts'
import type { QueuePolicy } from '../model/policy.ts'

export interface Engine {
  readonly capabilities: Capabilities
  /** Only of an engine that decides in the turn of the call; see `DirectEngine`. */
  readonly direct?: DirectEngine
  /** Only of an engine whose store other processes change, too. */
  readonly shared?: SharedStore

  /**
   * Recovers and starts. After it resolves, every message, attempt, delay, record and queue that was durable is
   * back; each clock lease runs its full term again. Rejects: `format-newer`, `format-older`, `corrupt`, `folder-busy`.
   */
  open(): Promise<void>
  /** Settles what is under way, makes it durable, stops. Idempotent. Later calls reject with `closed`. */
  close(): Promise<void>

  /**
   * The one write verb. A unit is atomic: all its effects, or none; it becomes visible and durable at once. Units
   * of one call are independent of each other and share one sync. Resolves once every unit is durable (units that
   * touch only `relaxed` queues: once the operating system has them; records follow `unit.relaxed`).
   * Outcomes stand in the order of units and their ops. A `required` op that is stale, duplicate, refused or fails its
   * `expect` aborts its unit: the unit's outcomes are then `aborted`, but for the op that caused it. Where that op is the
   * duplicate of an append of its own unit, `of` names nothing.
   * An append may be leased only after its unit has resolved (`early`: before). Ops see what earlier ops of their unit did.
   * A required append may be refused `queue-full` where whether it fits depends on what its unit did before; none is let in wrongly.
   */
  commit(units: readonly Unit[], options?: CommitOptions): Promise<Outcome[][]>

  /**
   * Hides up to `max` messages and hands them out, in the queue's order; spends one attempt each. Never waits: [] when
   * nothing is there, or the queue does not exist. Deliveries stand in the order granted, with state `leased`, also when `settleOnDelivery`. The attempt is written (not synced) before the delivery leaves, so a process
   * that dies of its task still spent it. `settleOnDelivery` makes delivery and removal one durable step (at-most-once).
   */
  lease(request: LeaseRequest): Promise<Delivery[]>

  /** Moves the end of clock leases to `leaseMs` from now. Written, not synced. A lease that ended is `stale`, also if nobody took the message since. A holder lease gets that clock end besides its holder. */
  extend(receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]>

  /**
   * A holder is one process or connection; it is alive for `ttlMs` after each renewal. When it ends (TTL, or
   * releaseHolder), its leases end as lost leases do (`onLost`; `releaseHolder` with spend: false gives the
   * attempts back), its queues and sticky claims go. Unknown holders named by a lease live for HOLDER_TTL_MS_DEFAULT at first; so do
   * all holders after a reopen.
   */
  renewHolder(holder: string, ttlMs: number): Promise<void>
  /**
   * Ends a holder, as `renewHolder` says. Idempotent. Very many leases end in several steps, each atomic; a reject (`disk-full`) in between leaves the rest due,
   * so that they end when there is space.
   */
  releaseHolder(holder: string, options?: { readonly spend?: boolean }): Promise<void>

  /** A page of messages in (queue order within state; states in the order asked). Not a snapshot: entries that move meanwhile may be missed or seen twice. */
  browse(request: BrowseRequest): Promise<BrowsePage>
  /** The entry with this id, in whatever queue and state; undefined when gone. */
  find(id: MessageId): Promise<MessageView | undefined>
  /** All queues, or those named (missing ones are left out). Exact. */
  measure(queues?: readonly string[]): Promise<QueueMeasure[]>

  read(key: string): Promise<StoredRecord | undefined>
  /** Records whose key starts with `prefix`, by key (UTF-16 code unit order), after `cursor`. */
  scan(prefix: string, options: { readonly after?: string; readonly limit: number }): Promise<StoredRecord[]>

  /** Applies what is due, up to `budget` transitions; says when the next thing is due, the next token of an empty bucket included (ms from now; null: nothing is). */
  tick(budget: number): Promise<{ readonly nextDueMs: number | null }>

  /**
   * Tells `listener` the names of queues that may have become leasable, and of those that went, coalesced; a hint, never a
   * promise. Fires after the change is leasable; also when an ended lease or a new token makes room, and where dead ones wait for an exchange (`onDeath`): as each dies,
   * as a lease of one ends without an ack, and as the watch begins. Time-driven changes are told when `tick` (or any verb) applies them. Returns the end of the watch.
   */
  watch(listener: (queue: string) => void): () => void
}

/**
 * `commit` of one append or settle, and `lease`, with the decision apart from the promise, for callers that make so many that a promise for each
 * room on the way up costs more than the work. Everything is as with the verb but for when it is told: the answer is the caller's at
 * once, and may be told to nobody else before `kept` of it has resolved. Both throw what the verb rejects with.
 */
export interface DirectEngine {
  /** undefined: it cannot be decided in this turn, and nothing happened; call `commit`. */
  append(op: AppendOp): AppendOutcome | undefined
  /** The deliveries may have fields that are getters of their class: read them, do not spread them. */
  lease(request: LeaseRequest): Delivery[]
  /** undefined: as for `append`. `delivery`: as it came, or anything with its receipt. */
  settle(delivery: Pick<Delivery, 'receipt'>, how: Settlement): SettleOutcome | undefined
  /** Resolves with `value` once what the call just before it, in the same turn, decided is as durable as the verb promises. Rejects `poisoned`. */
  kept<T>(value: T): Promise<T>
}

/** The other processes of a store. Everything here is a hint: heard within milliseconds as a rule, and made up for by `tick` where it was lost. */
export interface SharedStore {
  /** Every queue as this process knows it. */
  queues(): Iterable<Pick<QueueMeasure, 'queue' | 'policy' | 'lifetime'>>
  /** Tells `listener` after another process made, changed or dropped a queue, or committed a unit with `catalog`. Returns the end. */
  watchCatalog(listener: () => void): () => void
  /** To every other process that has the store open now; not stored. Up to 4 KiB; longer ones are dropped. */
  broadcast(channel: string, data: Uint8Array): void
  /** Hears what other processes broadcast. Returns the end. */
  hear(listener: (channel: string, data: Uint8Array) => void): () => void
  /** A message was delivered, settled or moved here. Processes that follow it are told, nobody else: it happens too often to tell all. */
  changed(id: MessageId): void
  /** Tells `listener` when another process says that the message changed. Returns the end. */
  follow(id: MessageId, listener: () => void): () => void
}

/** Life of a holder that was never renewed, or not since a reopen, milliseconds. */
export const HOLDER_TTL_MS_DEFAULT = 10_000

export interface Capabilities {
  /** Does a resolved commit survive the process? */
  readonly durable: boolean
  /** Can `within` join a transaction of the caller? */
  readonly callerTransactions: boolean
  /**
   * Whose time durations run on. `process`: they stand still while the store is closed; a reopen lets clock leases run their full term
   * again, gives holders `HOLDER_TTL_MS_DEFAULT`, fills buckets, and forgets turns and claims of groups. `store`: time goes on, whichever
   * processes come and go, and all of these with it.
   */
  readonly clock: 'process' | 'store'
}

export interface CommitOptions {
  /** An opaque transaction of the caller; only with `capabilities.callerTransactions`, else `unsupported`. */
  readonly within?: unknown
  /**
   * What is appended may be leased at once, while the commit still waits for the sync. A delivery leaves when it is written, as ever, and
   * what it delivers is written before it: of what somebody has seen, only a power cut takes anything back, and only what no commit has
   * resolved for. Ignored by engines whose units are visible only when they are durable. Default false.
   */
  readonly early?: boolean
}

export interface Unit {
  readonly ops: readonly Op[]
  /** Lets a unit that only writes records or settles resolve before the sync. Ignored when a durable queue gets an append. Default false. */
  readonly relaxed?: boolean
  /** It writes records that every process of the store keeps in memory: the others are told (`SharedStore.watchCatalog`). Default false. */
  readonly catalog?: boolean
}

export type SimpleOp = AppendOp | SettleOp | RecordOp | PutQueueOp | DropQueueOp | PurgeOp
export type Op = SimpleOp | CountOp

export interface AppendOp {
  readonly kind: 'append'
  readonly queue: string
  readonly message: NewMessage
  readonly required?: boolean
}

export interface SettleOp {
  readonly kind: 'settle'
  readonly receipt: Receipt
  readonly how: Settlement
  readonly required?: boolean
}

export type Settlement =
  /** Done with it. `keep` leaves it `done`, with that value, for `retainMs` (and the queue's `doneMax`). */
  | { readonly kind: 'ack'; readonly keep?: Uint8Array; readonly retainMs?: number }
  /**
   * Back to its place after `delayMs` (default 0: at once). `spend: false` gives the attempt back; otherwise
   * an attempt beyond `attemptsMax` is death `exhausted`. `note` replaces the message's note.
   */
  | { readonly kind: 'release'; readonly delayMs?: number; readonly spend?: boolean; readonly note?: Uint8Array }
  /** Death with this reason now, whatever attempts are left. */
  | { readonly kind: 'bury'; readonly reason: string; readonly note?: Uint8Array }

/** Writes (or, with `value: null`, removes) a record; its version is 1 when new and grows by 1 a write; `written` with version 0: removed, or absent before. */
export interface RecordOp {
  readonly kind: 'record'
  readonly key: string
  readonly value: Uint8Array | null
  /** The version it must have now; 0: must be absent. Otherwise `mismatch`. */
  readonly expect?: number
  readonly required?: boolean
}

/** The counter is kept as decimal text (other text counts as 0); outcomes of `whenReached` are not told, but a required op of it that fails aborts the unit and is told in the place of this one. Adds `by` to the counter record `key` (absent: 0); when that makes it `at` or more for the first time, `whenReached` is applied in the same unit and the counter is removed. */
export interface CountOp {
  readonly kind: 'count'
  readonly key: string
  readonly by: number
  readonly at: number
  readonly whenReached: readonly SimpleOp[]
}

/** Creates the queue or replaces its policy and lifetime. Messages keep what they were given; totals go on. `mismatch` of a queue has no version worth reading. */
export interface PutQueueOp {
  readonly kind: 'putQueue'
  readonly queue: string
  readonly policy: QueuePolicy
  /** `absent`: only create (`mismatch` when it exists). Default: either. */
  readonly expect?: 'absent'
  /** `holder`: goes with that holder. `idle`: goes when unused (no append, lease call, settle or lost lease, and nothing leased) for `idleMs`. Default `durable`. */
  readonly lifetime?: QueueLifetime
  readonly required?: boolean
}

export type QueueLifetime =
  | { readonly kind: 'durable' }
  | { readonly kind: 'holder'; readonly holder: string }
  | { readonly kind: 'idle'; readonly idleMs: number }

/** Removes the queue with all its messages. `ifEmpty`: only with nothing delayed, ready or leased in it (`mismatch`). */
export interface DropQueueOp {
  readonly kind: 'dropQueue'
  readonly queue: string
  readonly ifEmpty?: boolean
  readonly required?: boolean
}

/** Removes every delayed and ready message (leased ones stay), or those of the states named; forgets all dedup keys of the queue, also of leased messages. */
export interface PurgeOp {
  readonly kind: 'purge'
  readonly queue: string
  readonly states?: readonly Exclude<MessageState, 'leased'>[]
}

export type Outcome =
  | AppendOutcome
  | SettleOutcome
  | { readonly kind: 'written'; readonly version: number }
  | { readonly kind: 'mismatch'; readonly version: number }
  | { readonly kind: 'counted'; readonly value: number; readonly fired: boolean }
  | { readonly kind: 'done' }
  | { readonly kind: 'purged'; readonly count: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'aborted' }

export interface LeaseRequest {
  readonly queue: string
  /** 1 to `limits.receiveMax`. */
  readonly max: number
  readonly lease: LeaseTerm
  /** Default `ready`. `ids`: those of them that are ready or delayed, whatever their group's turn (to cancel or inspect one). */
  readonly from?: LeaseSource
  /** Acks each message as it leaves; durable before this resolves. Default false. */
  readonly settleOnDelivery?: boolean
  /** Who takes them, for `sticky` groups; without it a lease takes from groups that nobody claims, and claims none. */
  readonly consumer?: string
}

/** `clock`: ends `leaseMs` from now (default: the queue's `leaseMs`), or with its holder if it names one. `holder`: ends only with the holder. */
export type LeaseTerm =
  | { readonly kind: 'clock'; readonly leaseMs?: number; readonly holder?: string }
  | { readonly kind: 'holder'; readonly holder: string }

export type LeaseSource =
  | { readonly kind: 'ready' }
  /** `ids`: only those of them that are dead (to retry one). */
  | { readonly kind: 'dead'; readonly ids?: readonly MessageId[] }
  | { readonly kind: 'delayed' }
  | { readonly kind: 'ids'; readonly ids: readonly MessageId[] }

export interface BrowseRequest {
  readonly queue: string
  readonly states: readonly MessageState[]
  /** From the page before; opaque. */
  readonly cursor?: string
  /** 1 to 1,000. */
  readonly limit: number
}

export interface BrowsePage {
  readonly messages: MessageView[]
  /** undefined: that was the last page. */
  readonly cursor: string | undefined
}

export interface QueueMeasure {
  readonly queue: string
  readonly policy: QueuePolicy
  readonly lifetime: QueueLifetime
  readonly delayed: number
  readonly ready: number
  readonly leased: number
  readonly done: number
  readonly dead: number
  /** Bytes of head and body of everything in it. */
  readonly bytes: number
  /** The counts and `bytes` of a large queue are estimates, within a few per cent as a rule: counting would cost too much. */
  readonly estimated?: true
  /** Wall time of the append of the first ready message (in a group: that none before it holds back), ms; undefined when none is ready. */
  readonly oldestReadyAtMs: number | undefined
  /** Since the store was opened. */
  readonly totals: QueueTotals
}

export interface QueueTotals {
  readonly appended: number
  readonly delivered: number
  readonly acked: number
  readonly released: number
  readonly lost: number
  readonly died: number
}

export interface StoredRecord {
  readonly key: string
  readonly value: Uint8Array
  readonly version: number
}

export type {
  AppendOutcome,
  Content,
  Delivery,
  ExtendOutcome,
  MessageId,
  MessageState,
  MessageView,
  NewMessage,
  QueuePolicy,
  Receipt,
  SettleOutcome,
}
