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
  /** What an expired message becomes: dropped, or treated like any other death. Default `drop`. */
  readonly onExpired: 'drop' | 'die'
  /** Messages not yet ended (delayed, ready, leased) it may hold. null: no cap. Default null. */
  readonly lengthMax: number | null
  /** At `lengthMax`: refuse the append (`queue-full`), or drop the first ready message that its group does not hold back (death `overflow`; `queue-full` when there is none). Default `reject`. */
  readonly overflow: 'reject' | 'dropHead'
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

export type GroupPolicy =
  | { readonly kind: 'none' }
  /** A message waits until every earlier one (in the queue's order) of its group is gone, done, dead or granted by the same lease call. Groups take turns, message by message: the one served longest ago comes first, never served (or drained since) before all. */
  | { readonly kind: 'ordered' }
  /** As `ordered`, and a group stays with the consumer that leased from it until it is drained or that consumer's claim lapsed (the queue's `leaseMs` after its last lease or settle there, or the end of the holder it leased with). */
  | { readonly kind: 'sticky' }

export type DedupPolicy =
  | { readonly kind: 'none' }
  /** Within `windowMs` of a first append, its like answer `duplicate`; also after the first is gone. */
  | { readonly kind: 'window'; readonly windowMs: number }
  /** While one like it is delayed, ready or leased. */
  | { readonly kind: 'queued' }

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
  onExpired: 'drop',
  lengthMax: null,
  overflow: 'reject',
  lateAck: true,
  durability: 'durable',
  doneMax: null,
  failedEventsTo: [],
}
