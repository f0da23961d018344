import type { RatePolicy } from './rate.ts'

/** The rules of one queue, as data. Engines store and enforce it; nothing else decides. Durations are milliseconds. */
export interface QueuePolicy {
  /** How long a delivery hides its message unless the receive says otherwise. Default 30,000. */
  readonly leaseMs: number
  /** Spent deliveries after which the next silent end of a lease, or spending release, is death `exhausted`. null: no cap. Default 5. */
  readonly attemptsMax: number | null
  /** A lease that ended in silence (expiry, dead holder): back to its place, or death `lost`. Default `redeliver`. */
  readonly onLost: 'redeliver' | 'fail'
  /** Where the dead go. `hold` keeps them in the queue as `dead`. Default `hold`. */
  readonly onDeath: OnDeath
  /** How long `dead` messages are held. null: for ever. Default null. */
  readonly deadRetentionMs: number | null
  readonly groups: GroupPolicy
  readonly dedup: DedupPolicy
  /** Delay of messages that name none. Default 0. */
  readonly delayMs: number
  /** Life of a waiting message that names none; then it dies of `expired`. null: for ever. Default null. A leased one is judged when its lease ends. */
  readonly ttlMs: number | null
  /** The most that a message may live here, whatever it names. null: no cap. Default null. */
  readonly ttlMsMax: number | null
  /** The highest priority that a message gets by its append here; one that names a higher one gets this. 0: they are all alike. null: no cap. Default null. */
  readonly priorityMax: number | null
  /** What an expired message becomes: dropped, or treated like any other death. Default `drop`. */
  readonly onExpired: 'drop' | 'die'
  /** Messages that it may hold, of those that `lengthCounts` names. null: no cap. Default null. */
  readonly lengthMax: number | null
  /** Bytes of head and body that it may hold, of the same messages. null: no cap. Default null. */
  readonly lengthBytesMax: number | null
  /** Which messages count for both caps: `live` (delayed, ready, leased), or `waiting` (delayed, ready), as AMQP counts. Default `live`. */
  readonly lengthCounts: 'live' | 'waiting'
  /**
   * When an append would go past a cap. Default `reject`.
   * - `reject`: it is refused `queue-full`.
   * - `rejectDeadLetter`: it is refused `queue-full`, and dies of `overflow` here all the same (unless `required`: then its unit has no effect).
   * - `dropHead`: ready messages die of `overflow`, from the first one that its group does not hold back, until it fits.
   *   When no other can: with `waiting` the new one dies so itself, and is `stored` all the same; with `live` it is refused.
   */
  readonly overflow: 'reject' | 'rejectDeadLetter' | 'dropHead'
  /** Messages leased at a time, wherever from; a receive gets fewer, or none, at the cap. null: no cap. Default null. */
  readonly concurrency: number | null
  /** How fast ready messages are handed out. null: no limit. Default null. The bucket is full after a reopen, and keeps its level when the rate changes. */
  readonly rate: RatePolicy | null
  /** No ready message is handed out; everything else goes on. Default false. */
  readonly paused: boolean
  /** May an ack after its lease ran out still count, while nobody else got the message? Default true; strict FIFO: false. */
  readonly lateAck: boolean
  /** `durable`: resolved means on stable storage. `relaxed`: resolved means handed to the operating system. Default `durable`. */
  readonly durability: 'durable' | 'relaxed'
  /** Cap on kept results (`done`), oldest first; null: only their age counts. Default null. */
  readonly doneMax: number | null
  /** Queues that get one event message (see `failedEvent`) in the unit in which a message here dies. Default []. */
  readonly failedEventsTo: readonly string[]
}

export type OnDeath =
  | { readonly kind: 'hold' }
  | { readonly kind: 'discard' }
  /** Moved in the same unit: same id, attempts back to 0, history extended. Held instead when that queue is missing. */
  | { readonly kind: 'deadLetter'; readonly queue: string }
  /**
   * Held as `dead` and hinted by `watch`, for the broker to publish to the exchange and ack. `key` replaces the routing key of the
   * message; null keeps it. A death that closes a cycle of expiries and overflows is dropped, as with `deadLetter`.
   */
  | { readonly kind: 'exchange'; readonly exchange: string; readonly key: string | null }

export type GroupPolicy =
  | { readonly kind: 'none' }
  /**
   * A message waits until every earlier one (in the queue's order) of its group is gone, done, dead or granted by the same lease call.
   * Groups take turns, message by message: the one served longest ago comes first, never served (or drained since) before all.
   * `rate`: how fast each group's messages are handed out; default null.
   */
  | { readonly kind: 'ordered'; readonly rate?: RatePolicy | null }
  /** As `ordered`, and a group stays with the consumer that leased from it until it is drained or that consumer's claim lapsed (the queue's `leaseMs` after its last lease or settle there, or the end of the holder it leased with). */
  | { readonly kind: 'sticky' }
  /**
   * Groups take turns as `ordered` ones do, but their messages do not wait for each other: at most `concurrency` of a group are leased
   * at a time (null: no cap), at its `rate` (default null). Messages without a group are one group of their own, without cap and rate.
   */
  | { readonly kind: 'fair'; readonly concurrency: number | null; readonly rate?: RatePolicy | null }

export type DedupPolicy =
  | { readonly kind: 'none' }
  /** Within `windowMs` of a first append, its like answer `duplicate`; also after the first is gone. */
  | { readonly kind: 'window'; readonly windowMs: number }
  /** While one like it is delayed, ready or leased. */
  | { readonly kind: 'queued' }
  /**
   * One like it that is delayed or ready is replaced (debounce): the new message takes its id, and a new place at the back with a delay, TTL
   * and attempts of its own. Answers `stored` with `replaced: true`. One like it that is leased is left alone, and the new one is stored
   * beside it. Only the latest message of a key is replaced.
   */
  | { readonly kind: 'replace' }
  /** While the latest one like it is delayed or ready; while that is leased, one more may be queued behind it. */
  | { readonly kind: 'afterRunning' }

export const defaultPolicy: QueuePolicy = {
  leaseMs: 30_000,
  attemptsMax: 5,
  onLost: 'redeliver',
  onDeath: { kind: 'hold' },
  deadRetentionMs: null,
  groups: { kind: 'none' },
  dedup: { kind: 'none' },
  delayMs: 0,
  ttlMs: null,
  ttlMsMax: null,
  priorityMax: null,
  onExpired: 'drop',
  lengthMax: null,
  lengthBytesMax: null,
  lengthCounts: 'live',
  overflow: 'reject',
  concurrency: null,
  rate: null,
  paused: false,
  lateAck: true,
  durability: 'durable',
  doneMax: null,
  failedEventsTo: [],
}

/** The life of a message that arrives in a queue with these rules, ms; null: for ever. `ttlMs`: what it names. */
export function lifeUnder({ ttlMs: byDefault, ttlMsMax }: QueuePolicy, ttlMs: number | undefined): number | null {
  const named = ttlMs ?? byDefault
  if (ttlMsMax === null) return named
  return named === null ? ttlMsMax : Math.min(named, ttlMsMax)
}
