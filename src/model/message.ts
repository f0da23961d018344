/** The vocabulary of a message. Pure data; every engine, front end and client speaks it. */

declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** Opaque, UUID-shaped, given once by the store; survives dead-lettering, redrive and moves. */
export type MessageId = Brand<string, 'MessageId'>
/** Opaque proof of one delivery: place and fence token. A later delivery of the message makes it stale. */
export type Receipt = Brand<string, 'Receipt'>

/**
 * What never changes about a message, shared by every queue entry it fans out to.
 * Appends of one unit that carry the same `Content` object share one copy on disk.
 */
export interface Content {
  readonly body: Uint8Array
  /** Headers, type and the like, as the broker encodes them; opaque to engines; empty when there are none. */
  readonly head: Uint8Array
}

export interface NewMessage {
  readonly content: Content
  /** 0 to 255, higher first. Default 0. */
  readonly priority?: number
  /** The group whose order or limits it shares, on queues whose policy has groups. */
  readonly groupId?: string
  /** Judged by the queue's dedup policy. */
  readonly dedupId?: string
  /** Milliseconds before it becomes ready. Default: the queue's `delayMs`. */
  readonly delayMs?: number
  /** Milliseconds it may wait, from now, before it is dropped or dead-lettered as `expired`. Default: the queue's `ttlMs`. */
  readonly ttlMs?: number
  /** Only for a message that moves: the id it already has in this store. Refused `id-in-use` while an entry has it; one that the store never gave is replaced by a new one. */
  readonly id?: MessageId
  /** Only for a message that moves: where it died before. */
  readonly history?: readonly Death[]
}

/**
 * - `delayed`: waits for its instant (a delay, or backoff between attempts)
 * - `ready`: may be leased
 * - `leased`: hidden behind a lease
 * - `done`: acked with a kept result; answers status, result and dedup until its retention ends
 * - `dead`: gave up and stays in its queue for a person or a redrive
 */
export type MessageState = 'delayed' | 'ready' | 'leased' | 'done' | 'dead'

/** Why a message left the path of success. `invalid`, and any other text, come from a bury. */
export type DeathReason =
  | 'exhausted'
  | 'lost'
  | 'expired'
  | 'overflow'
  | 'buried'
  | 'invalid'
  | 'cancelled'
  | (string & {})

export interface Death {
  readonly queue: string
  readonly reason: DeathReason
  /** How often it died of this reason in this queue. */
  readonly count: number
  /** Wall time of the latest, ms. */
  readonly atMs: number
  /** Deliveries it had spent when it died the last time. */
  readonly attempts: number
  /** How it had been published when it first died so, where that is known: only of AMQP messages that went on through an exchange. */
  readonly exchange?: string
  readonly keys?: readonly string[]
}

/** What every view of a message has. Instants are wall milliseconds. */
export interface MessageView {
  readonly id: MessageId
  readonly queue: string
  readonly state: MessageState
  readonly content: Content
  readonly priority: number
  /** Place in the queue: (priority descending, sequence ascending). Kept on release and expiry. */
  readonly sequence: number
  readonly groupId: string | undefined
  readonly dedupId: string | undefined
  /** Deliveries spent so far, the current one included. */
  readonly attempts: number
  /** Deliveries made so far, spent or given back. */
  readonly deliveries: number
  readonly enqueuedAtMs: number
  /** `delayed`: when it becomes ready; `leased`: when the clock lease ends; else undefined. */
  readonly dueAtMs: number | undefined
  readonly expiresAtMs: number | undefined
  readonly history: readonly Death[]
  /** The latest note of a release or bury (say, the error); undefined when there is none. */
  readonly note: Uint8Array | undefined
  /** `done`: what the ack kept. */
  readonly kept: Uint8Array | undefined
  /** Wall time of the first delivery; undefined before it. Engines may forget it on a power cut. */
  readonly firstLeasedAtMs: number | undefined
  /** `done` and `dead`: when that happened. */
  readonly endedAtMs: number | undefined
}

export interface Delivery extends MessageView {
  readonly state: 'leased' | 'done' | 'dead'
  readonly receipt: Receipt
}

/** What became of a `release`, `ack` or `bury`. `stale`: the receipt's lease is over; nothing changed. */
export type SettleOutcome = { readonly kind: 'settled' } | { readonly kind: 'stale' }

export type RefusalReason = 'no-such-queue' | 'queue-full' | 'disk-full' | 'too-large' | 'id-in-use' | 'group-required'

export type AppendOutcome =
  /** `replaced`: it took the place, and the id, of a queued one like it (dedup `replace`); otherwise absent. */
  | { readonly kind: 'stored'; readonly id: MessageId; readonly sequence: number; readonly replaced?: true }
  | { readonly kind: 'duplicate'; readonly of: MessageId }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }

export type ExtendOutcome = { readonly kind: 'extended'; readonly untilMs: number } | { readonly kind: 'stale' }
