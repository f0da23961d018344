/**
 * What the verbs share: every entry, queue and record, and the ways to change them. Decisions about a message are
 * `decide`'s; this file puts them into effect.
 */
import { failedEvent } from '../../model/failed-event.ts'
import {
  born,
  type Decision,
  decide,
  type LifeEffect,
  type LifeEvent,
  type Now,
  nextEvent,
} from '../../model/lifecycle.ts'
import type { Limits } from '../../model/limits.ts'
import type { Content, Death, MessageId } from '../../model/message.ts'
import { formatId, parseId, type StoreTag } from '../../model/message-id.ts'
import { lifeUnder, type QueuePolicy } from '../../model/policy.ts'
import { rerated } from '../../model/rate.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { QueueLifetime, QueueTotals } from '../engine.ts'
import { type Entry, isLive } from './entry.ts'
import type { Claim, Group } from './group-lines.ts'
import { type DedupKey, MemoryQueue } from './queue.ts'
import { MemoryRecords } from './records.ts'
import { SortedRuns } from './sorted-runs.ts'
import { UndoLog } from './undo-log.ts'

/** When time changes an entry by itself. */
export interface Deadline {
  readonly atMs: number
  readonly sequence: number
  readonly number: number
}

export interface Arrival {
  readonly number?: number | undefined
  readonly content: Content
  readonly priority: number
  readonly groupId: string | undefined
  readonly dedupId: string | undefined
  readonly delayMs?: number | undefined
  readonly ttlMs?: number | undefined
  readonly history: readonly Death[]
  readonly note?: Uint8Array | undefined
}

export class MemoryStore {
  readonly limits: Limits
  readonly undo = new UndoLog()
  readonly records = new MemoryRecords(this.undo)
  readonly entries = new Map<number, Entry>()
  readonly queues = new Map<string, MemoryQueue>()
  /** In the order in which time reaches them: due first, then sequence. */
  readonly deadlines = new SortedRuns<Deadline>((a, b) => a.atMs - b.atMs || a.sequence - b.sequence)
  /** When each holder ends, monotonic. */
  readonly holders = new Map<string, number>()
  /** Queues that may have become leasable since their watchers were told. */
  readonly hints = new Set<string>()
  now: Now = { monotonicMs: 0, wallMs: 0 }
  readonly #clock: Clock
  readonly #tag: StoreTag
  #lastNumber: number
  #lastToken = 0
  #lastChange = 0

  constructor(parts: { clock: Clock; tag: StoreTag; limits: Limits; firstNumber: number }) {
    this.#clock = parts.clock
    this.#tag = parts.tag
    this.#lastNumber = parts.firstNumber - 1
    this.limits = parts.limits
  }

  readClock(): void {
    this.now = { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() }
  }

  idOf(number: number): MessageId {
    return formatId(this.#tag, number)
  }

  /** undefined: no id that this store gave. */
  numberOf(id: MessageId): number | undefined {
    const number = parseId(this.#tag, id)
    return number !== undefined && number > 0 && number <= this.#lastNumber ? number : undefined
  }

  nextToken(): number {
    return ++this.#lastToken
  }

  /** Decides what `event` does to the entry, without doing it. */
  decide(entry: Entry, event: LifeEvent): Decision {
    const { policy } = this.queueOf(entry)
    const exists = (queue: string): boolean => this.queues.has(queue)
    return decide(entry.life, event, { queue: entry.queue, policy, exists }, this.now)
  }

  /** Puts a decision into effect. The answer is the entry as it is then; undefined: it is gone. */
  enact(entry: Entry, decision: Extract<Decision, { kind: 'next' }>): Entry | undefined {
    const { life, effects } = decision
    const after = life.state.kind === 'gone' ? undefined : { ...entry, life, change: ++this.#lastChange }
    this.put(entry, after)
    for (const effect of effects) this.#cause(entry, effect)
    return after
  }

  /** For events that fit the state by construction. */
  apply(entry: Entry, event: LifeEvent): Entry | undefined {
    const decision = this.decide(entry, event)
    if (decision.kind === 'stale') throw new Error(`invariant: ${event.kind} of a ${entry.life.state.kind} message`)
    return this.enact(entry, decision)
  }

  #cause(entry: Entry, effect: LifeEffect): void {
    switch (effect.kind) {
      case 'died':
        this.count(this.queueOf(entry), 'died')
        return
      case 'move': {
        const target = this.queues.get(effect.queue)
        if (target === undefined) throw new Error(`invariant: moved to '${effect.queue}', which is missing`)
        this.arrive(target, { ...entry, history: effect.history, note: effect.note })
        return
      }
      case 'tell': {
        const { reason, attempts } = effect
        const id = this.idOf(entry.number)
        const content = failedEvent({ queue: entry.queue, id, reason, attempts, atMs: this.now.wallMs })
        for (const name of effect.queues) {
          const target = this.queues.get(name)
          if (target === undefined) continue
          this.arrive(target, { content, priority: 0, groupId: undefined, dedupId: undefined, history: [] })
        }
        return
      }
      default:
        effect satisfies never
    }
  }

  /** A new entry at the back of the queue. Whether it may is decided before. */
  arrive(queue: MemoryQueue, arrival: Arrival): Entry {
    const sequence = ++this.#lastNumber
    const life = born(
      {
        delayMs: arrival.delayMs ?? queue.policy.delayMs,
        ttlMs: lifeUnder(queue.policy, arrival.ttlMs),
        history: arrival.history,
      },
      this.now,
    )
    const { content, priority, groupId, dedupId, number = sequence } = arrival
    const entry: Entry = {
      number,
      sequence,
      queue: queue.name,
      content,
      priority,
      groupId,
      dedupId,
      enqueuedAtMs: this.now.wallMs,
      life: { ...life, note: arrival.note },
      change: ++this.#lastChange,
    }
    this.put(undefined, entry)
    this.count(queue, 'appended')
    this.use(queue)
    return entry
  }

  /** Puts `after` where `before` was; undefined: nothing was, or will be. */
  put(before: Entry | undefined, after: Entry | undefined): void {
    const drained = this.#replace(before, after)
    this.undo.note(() => {
      this.#replace(after, before)
      if (drained === undefined || before === undefined) return
      const group = this.queueOf(before).groupOf(before)
      if (group !== undefined) Object.assign(group, { turn: drained.turn, claim: drained.claim })
    })
    if (before !== undefined && isLive(before) && !(after !== undefined && isLive(after))) this.#freeDedup(before)
    this.#hint(before ?? after)
  }

  #replace(before: Entry | undefined, after: Entry | undefined): Group | undefined {
    const entry = before ?? after
    if (entry === undefined) return undefined
    if (before !== undefined) this.entries.delete(before.number)
    if (after !== undefined) this.entries.set(after.number, after)
    const was = before === undefined ? undefined : deadlineOf(before)
    const is = after === undefined ? undefined : deadlineOf(after)
    if (was !== undefined) this.deadlines.delete(was)
    if (is !== undefined) this.deadlines.add(is)
    return this.queueOf(entry).replace(before, after)
  }

  /** Any change may make another message of the group leasable; a hint too many does no harm. */
  #hint(entry: Entry | undefined): void {
    if (entry === undefined) return
    const queue = this.queueOf(entry)
    if (queue.in('ready').size > 0 || waitsForExchange(queue)) this.hints.add(entry.queue)
  }

  queueOf(entry: Entry): MemoryQueue {
    const queue = this.queues.get(entry.queue)
    if (queue === undefined) throw new Error(`invariant: message ${entry.number} in '${entry.queue}', which is missing`)
    return queue
  }

  /** Creates the queue, or gives it another policy and lifetime. */
  putQueue(name: string, policy: QueuePolicy, lifetime: QueueLifetime): void {
    const before = this.queues.get(name)
    const usedAtMs = this.now.monotonicMs
    const after = new MemoryQueue({
      name,
      policy,
      lifetime,
      usedAtMs,
      ...(before === undefined ? {} : { totals: before.totals }),
    })
    if (before !== undefined) {
      for (const [key, value] of before.dedup) after.dedup.set(key, value)
      for (const entry of before.entries()) {
        after.replace(undefined, entry)
        const group = after.groupOf(entry)
        const old = before.groupOf(entry)
        if (group !== undefined && old !== undefined) {
          const claim = policy.groups.kind === 'sticky' ? old.claim : undefined
          Object.assign(group, { turn: sameOrder(before.policy, policy) ? old.turn : 0, claim })
        }
      }
      after.groups.continueTurns(before.groups, this.now.monotonicMs, sameOrder(before.policy, policy))
      after.toldMs = before.toldMs
      if (policy.rate !== null) after.fullMs = rerated(policy.rate, before.fullMs, this.now.monotonicMs)
    }
    this.#setQueue(name, after)
    if (after.in('ready').size > 0 || waitsForExchange(after)) this.hints.add(name)
  }

  dropQueue(queue: MemoryQueue): void {
    for (const entry of [...queue.entries()]) this.put(entry, undefined)
    this.#setQueue(queue.name, undefined)
    this.hints.add(queue.name)
  }

  #setQueue(name: string, queue: MemoryQueue | undefined): void {
    const before = this.queues.get(name)
    this.undo.note(() => (before === undefined ? this.queues.delete(name) : this.queues.set(name, before)))
    if (queue === undefined) this.queues.delete(name)
    else this.queues.set(name, queue)
  }

  holdDedup(queue: MemoryQueue, key: string, held: DedupKey | undefined): void {
    const before = queue.dedup.get(key)
    this.undo.note(() => (before === undefined ? queue.dedup.delete(key) : queue.dedup.set(key, before)))
    // Deleted first, so that the map's order stays that of arrival and windows can be swept from its front.
    queue.dedup.delete(key)
    if (held !== undefined) queue.dedup.set(key, held)
  }

  #freeDedup({ queue: name, dedupId, number }: Entry): void {
    const queue = this.queues.get(name)
    if (queue === undefined || dedupId === undefined) return
    const held = queue.dedup.get(dedupId)
    if (held?.number === number && held.untilMs === Number.POSITIVE_INFINITY) this.holdDedup(queue, dedupId, undefined)
  }

  claim(group: Group, claim: Claim | undefined): void {
    const before = group.claim
    this.undo.note(() => {
      group.claim = before
    })
    group.claim = claim
  }

  count(queue: MemoryQueue, total: keyof QueueTotals): void {
    queue.totals[total]++
    this.undo.note(() => queue.totals[total]--)
  }

  /** The queue was used now, for lifetimes that end by idleness. */
  use(queue: MemoryQueue): void {
    const before = queue.usedAtMs
    queue.usedAtMs = this.now.monotonicMs
    this.undo.note(() => {
      queue.usedAtMs = before
    })
  }

  /** Keeps at most `doneMax` results, the oldest out first. */
  trimDone(queue: MemoryQueue): void {
    const { doneMax } = queue.policy
    if (doneMax === null) return
    while (queue.in('done').size > doneMax) {
      const oldest = queue.doneByAge.first
      if (oldest === undefined) throw new Error('invariant: done messages without an oldest')
      this.apply(oldest, { kind: 'retentionEnded' })
    }
  }
}

function deadlineOf(entry: Entry): Deadline | undefined {
  const next = nextEvent(entry.life)
  return next === undefined ? undefined : { atMs: next.atMs, sequence: entry.sequence, number: entry.number }
}

/** Are there dead messages that the broker is to publish to an exchange? */
export function waitsForExchange(queue: MemoryQueue): boolean {
  return queue.policy.onDeath.kind === 'exchange' && queue.in('dead').size > 0
}

/** Do groups keep the same kind of line, and so their turns? */
function sameOrder(a: QueuePolicy, b: QueuePolicy): boolean {
  return (a.groups.kind === 'fair') === (b.groups.kind === 'fair')
}
