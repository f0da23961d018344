/**
 * The admin API's types: what goes over /api/v1 as JSON. The dashboard and the command line import this file and nothing else
 * of the server. Instants are wall milliseconds; what is absent is null. docs/concepts/admin-api.md lists the routes.
 */
import type { AuditEntry } from '../../broker/audit.ts'
import type { ExchangeSettings, Filter, HeadersMatch, QueueLifetime, RedriveView } from '../../broker/port.ts'
import type { UserView } from '../../broker/users.ts'
import type { ErrorCode } from '../../model/errors.ts'
import type { AppendOutcome, Death, ExtendOutcome, MessageState, SettleOutcome } from '../../model/message.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import type { DiskFigures } from '../../runtime/measured-disk.ts'

/** Every error, as RFC 9457 `application/problem+json`. */
export interface Problem {
  readonly title: string
  readonly status: number
  /** Of the error catalogue; absent for mistakes of HTTP alone. */
  readonly code?: ErrorCode
  readonly detail?: string
}

/** `next`: pass it as `after` (of messages: `cursor`) for the page that follows; null: that was the last. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

export interface QueueInfo {
  readonly name: string
  readonly policy: QueuePolicy
  readonly lifetime: QueueLifetime
  readonly delayed: number
  readonly ready: number
  readonly leased: number
  readonly done: number
  readonly dead: number
  readonly bytes: number
  readonly oldestReadyAtMs: number | null
  readonly runP99Ms: number | null
  /** Deliveries that were not the first of their message, since the broker started. */
  readonly redelivered: number
  /** Since the store was opened. */
  readonly totals: {
    readonly appended: number
    readonly delivered: number
    readonly acked: number
    readonly released: number
    readonly lost: number
    readonly died: number
  }
}

export interface QueueDeclaration {
  readonly policy?: Partial<QueuePolicy>
  readonly expect?: 'absent'
}

/** `text` and `json`: as it stands; `base64`: bytes that are no text. */
export type BodyEncoding = 'text' | 'json' | 'base64'

export interface MessageInfo {
  readonly id: string
  readonly queue: string
  readonly state: MessageState
  readonly body: string
  readonly encoding: BodyEncoding
  readonly bodyBytes: number
  /** Is `body` only the beginning? */
  readonly truncated: boolean
  readonly type: string | null
  readonly headers: Readonly<Record<string, string | number | boolean | { readonly base64: string }>>
  readonly priority: number
  readonly sequence: number
  readonly groupId: string | null
  readonly dedupId: string | null
  readonly attempts: number
  readonly deliveries: number
  readonly enqueuedAtMs: number
  readonly dueAtMs: number | null
  readonly expiresAtMs: number | null
  readonly firstLeasedAtMs: number | null
  readonly endedAtMs: number | null
  readonly history: readonly Death[]
  readonly note: string | null
  readonly kept: string | null
}

/** Which messages of a queue: whatever is given must hold. In a query `state` and `ids` are lists with commas. */
export interface MessageFilter {
  /** Default: all but `done` and `leased` for acts, `ready` for lists. */
  readonly states?: readonly MessageState[]
  /** At most 1,000. Then nothing is searched: these are looked up. */
  readonly ids?: readonly string[]
  readonly type?: string
  readonly group?: string
  /** `name`, or `name:value` as text. */
  readonly header?: string
  /** In body, id, headers or error, in any case. */
  readonly text?: string
  /** Why it died the last time. */
  readonly reason?: string
  /** Name of the error of its latest attempt. */
  readonly error?: string
  /** The queue in which it died the last time. */
  readonly diedIn?: string
  /** Enqueued that long ago, or longer. */
  readonly olderThanMs?: number
  readonly newerThanMs?: number
}

/** One look of a search: it ends where its page is full or its time is over, and goes on at `next`. */
export interface FoundMessages extends Page<MessageInfo> {
  /** Messages looked at for this page. */
  readonly looked: number
}

export interface CountedMessages {
  readonly count: number
  readonly looked: number
  /** Pass it as `cursor` to count on; null: that was all. */
  readonly next: string | null
}

/** Dead letters that died alike. */
export interface DeadGroup {
  /** Where they are. */
  readonly queue: string
  /** `dead`: held where they died; `ready`: they wait in a dead-letter queue. */
  readonly state: 'dead' | 'ready'
  readonly diedIn: string | null
  readonly reason: string | null
  readonly error: string | null
  /** The words of one of them. */
  readonly message: string | null
  readonly count: number
  readonly latestAtMs: number | null
}

export interface DeadLetters {
  readonly queues: readonly {
    readonly queue: string
    readonly state: 'dead' | 'ready'
    readonly count: number
    /** How many of them the groups count. */
    readonly looked: number
  }[]
  /** The largest first. */
  readonly groups: readonly DeadGroup[]
}

/**
 * - `retry`: back to the queue where it died, or where it is; with attempts anew
 * - `move`: to `target`
 * - `discard`: gone for good
 */
export type BulkAction = 'retry' | 'move' | 'discard'

export interface BulkOrder {
  readonly queue: string
  readonly action: BulkAction
  readonly target?: string
  readonly filter: MessageFilter
}

/** An act on many messages, in the background of this process: it ends with the process; what is done stays done. */
export interface BulkInfo {
  readonly id: string
  readonly queue: string
  readonly action: BulkAction
  readonly target: string | null
  readonly state: 'running' | 'completed' | 'cancelled' | 'failed'
  readonly reason: string | null
  /** At most so many are looked at: those that were there when it began. */
  readonly about: number
  readonly looked: number
  readonly done: number
  /** Taken by somebody else meanwhile, or refused by the target. */
  readonly failed: number
  readonly startedAtMs: number
  readonly endedAtMs: number | null
}

/** `POST /messages/:id/retry`: back to work, with what is given in place of what it was. */
export interface RetryOrder {
  readonly target?: string
  readonly message?: MessageToSend
}

export interface RetryAnswer {
  readonly id: string
  readonly queue: string
}

export interface DeliveredMessage extends MessageInfo {
  readonly receipt: string
}

export interface MessageToSend {
  readonly body: string
  /** Default `text`. */
  readonly encoding?: BodyEncoding
  readonly type?: string
  readonly headers?: Readonly<Record<string, string | number | boolean>>
  readonly delayMs?: number
  readonly ttlMs?: number
  readonly priority?: number
  readonly groupId?: string
  readonly dedupId?: string
  /** Only where it is published: the routing key. */
  readonly key?: string
}

export interface ReceiveOrder {
  /** 1 to 100. Default 1. */
  readonly max?: number
  /** 0 to 30,000. Default 0. */
  readonly waitMs?: number
  readonly leaseMs?: number
  /** Acks as it leaves. Default false. */
  readonly settleOnDelivery?: boolean
  /** Default `ready`. */
  readonly from?: 'ready' | 'dead' | 'delayed'
}

export type SettleOrder = { readonly receipt: string; readonly id?: string } & (
  | { readonly how: 'ack' }
  | { readonly how: 'release'; readonly delayMs?: number; readonly spend?: boolean; readonly note?: string }
  | { readonly how: 'bury'; readonly reason?: string; readonly note?: string }
)

export interface BindingInfo {
  readonly id: string
  readonly target: { readonly kind: 'queue' | 'exchange'; readonly name: string }
  readonly key: string
  readonly headers?: HeadersMatch
  readonly filter?: Filter
  readonly attributes?: Readonly<Record<string, unknown>>
}

export interface ExchangeInfo {
  readonly name: string
  readonly settings: ExchangeSettings
  readonly bindings: readonly BindingInfo[]
}

export interface BindingToPut {
  readonly target: { readonly kind: 'queue' | 'exchange'; readonly name: string }
  readonly key?: string
  readonly headers?: HeadersMatch
  readonly filter?: Filter
}

/** `POST /exchanges/:exchange/match`: by which binding each message would reach which queue. */
export interface MatchAnswer {
  readonly matches: readonly (readonly (BindingInfo & { readonly exchange: string })[])[]
}

export interface RedriveOrder {
  readonly from?: 'ready' | 'dead'
  readonly target?: string
  readonly ratePerSecond?: number
}

export interface UserToPut {
  readonly tags?: readonly string[]
  readonly grants?: UserView['grants']
  readonly password?: string | null
  /** Makes a token with it, told in the answer and never again. */
  readonly newToken?: boolean
  /** Makes an access key with it, told likewise. */
  readonly newAccessKey?: boolean
}

export type PutUserAnswer = UserInfo & {
  readonly token?: string
  readonly accessKey?: { readonly id: string; readonly secret: string }
}

/** `POST /api/v1/session`: a token, or a name and its password. Answered by `SessionInfo` and a cookie. */
export interface LoginOrder {
  readonly token?: string
  readonly user?: string
  readonly password?: string
}

/** Who asks, and what a page needs to write. */
export interface SessionInfo {
  /** null: nobody is known because there are no users. */
  readonly user: string | null
  readonly open: boolean
  readonly version: string
  /** A page sends it as `X-Spindle-Token` with each write; null for callers who have a token of their own. */
  readonly writeToken: string | null
  /** Does the server refuse what pages would change? */
  readonly readOnly: boolean
}

/** One event of `/api/v1/events`, and the answer of `/api/v1/stats`. */
export interface Stats {
  readonly atMs: number
  /** The fullest, at most 500, without policies. */
  readonly queues: readonly Omit<QueueInfo, 'policy' | 'lifetime'>[]
  readonly queueCount: number
  /** Of all queues. */
  readonly sums: { readonly [field in 'delayed' | 'ready' | 'leased' | 'done' | 'dead' | 'bytes']: number }
  readonly totals: QueueInfo['totals']
  readonly process: ProcessFigures
}

/** One moment of all queues together; `in` and `out` are per second since the sample before. */
export interface Sample {
  readonly atMs: number
  readonly in: number
  readonly out: number
  /** Delayed, ready and leased. */
  readonly depth: number
  readonly dead: number
  /** Of the queue where it is longest. */
  readonly runP99Ms: number | null
  readonly oldestMs: number | null
}

export interface ConnectionInfo {
  readonly name: string
  readonly protocol: 'amqp'
  readonly user: string
  readonly peer: string
  readonly state: string
  readonly connectedAtMs: number
  readonly client: string | null
  readonly channels: number
  /** Deliveries that it holds. */
  readonly leases: number
  readonly consumers: readonly { readonly tag: string; readonly queue: string; readonly prefetch: number }[]
}

export interface ScheduleInfo {
  readonly name: string
  readonly queue: string
  readonly task: string | null
  /** In words: `cron 0 3 * * * (UTC)`, `every 5 s`, `once`. */
  readonly when: string
  readonly paused: boolean
  readonly nextRunsMs: readonly number[]
  readonly lastRunMs: number | null
  readonly fired: number
}

export interface FlowInfo {
  readonly id: string
  readonly state: 'running' | 'succeeded' | 'failed' | 'cancelled'
  readonly startedAtMs: number
  readonly endedAtMs: number | null
  readonly error: { readonly name: string; readonly message: string } | null
  /** JSON, cut at 4,096 characters. */
  readonly result: string | null
}

/** A part of a workflow: a step, or parts one after the other (`chain`) or side by side (`group`). */
export interface FlowPart {
  readonly path: string
  readonly kind: 'step' | 'chain' | 'group'
  readonly name: string
  readonly state: 'waiting' | 'running' | 'succeeded' | 'failed' | 'cancelled'
  readonly queue: string | null
  readonly error: string | null
  readonly children: readonly FlowPart[]
  /** Children beyond those shown. */
  readonly more: number
}

export interface FlowDetail extends FlowInfo {
  readonly root: FlowPart | null
}

/** What a message is as a task. */
export interface TaskInfo {
  readonly state: 'queued' | 'delayed' | 'running' | 'retrying' | 'succeeded' | 'failed' | 'cancelled' | 'discarded'
  /** 0 to 1; null: it told none, or does not run. */
  readonly progress: number | null
  /** JSON of what it told beside its progress. */
  readonly data: string | null
  /** JSON; null: it has none. */
  readonly result: string | null
  readonly waitMs: number | null
  /** Of the latest attempt. */
  readonly runMs: number | null
  /** What its handlers logged, the oldest first. */
  readonly log: readonly { readonly atMs: number; readonly attempt: number; readonly message: string }[]
}

/** One decision of an autoscaler. */
export interface ScalingInfo {
  readonly atMs: number
  readonly queue: string
  readonly from: number
  readonly to: number
  readonly reason: string
  readonly waiting: number
}

export interface ProcessFigures {
  readonly upSeconds: number
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly version: string
}

/** What only this process of the server knows. */
export interface ServerFigures {
  /** Sockets that are open, by listener. */
  readonly connections: { readonly [kind in 'http' | 'amqp' | 'management']?: number }
  /** Of the data folder's disk; null: memory, or another process owns the folder. */
  readonly disk: DiskFigures | null
  /** null: memory. */
  readonly folder: { readonly usedBytes: number; readonly freeBytes: number } | null
  /** How long the event loop kept callbacks waiting: 99th percentile since the last look, ms. */
  readonly loopLagP99Ms: number
}

export interface SendAnswer {
  readonly outcomes: readonly AppendOutcome[]
}
export interface PublishAnswer {
  /** For each message one outcome a queue that takes it. */
  readonly outcomes: readonly (readonly AppendOutcome[])[]
}
export interface SettleAnswer {
  readonly outcomes: readonly SettleOutcome[]
}
export interface ExtendAnswer {
  readonly outcomes: readonly ExtendOutcome[]
}
export interface PurgeAnswer {
  readonly purged: number
}

export type RedriveInfo = RedriveView
export type AuditInfo = AuditEntry
export type UserInfo = UserView
