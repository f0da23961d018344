/**
 * What one transaction knows and changes: the rows it loaded, as values, and what became of them. Its queues are locked, so what was
 * loaded stays true until the commit. Decisions about a message are `decide`'s; this file puts them into effect.
 *
 * Nothing is written before `flush`, which sends all changes in one statement; a unit that aborts is taken back here (`undo`), and
 * costs the server nothing. Work that needs the server to see earlier changes (the first ready message, a purge) flushes before it asks.
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
import type { Content, MessageId } from '../../model/message.ts'
import { formatId, parseId, type StoreTag } from '../../model/message-id.ts'
import { lifeUnder } from '../../model/policy.ts'
import type { QueueTotals } from '../engine.ts'
import { ENTRY_COLUMNS, type Entry, type EntryRow, entryOf, isLive } from './entry.ts'
import { GROUP_COLUMNS, type Group, type GroupRow, groupOf, NEW_GROUP } from './group.ts'
import {
  type Arrival,
  type ContentPlace,
  type DedupKey,
  dedupKey,
  groupKey,
  type KnownRecord,
  keyBytes,
  keyText,
} from './image-parts.ts'
import { KnownRows, UndoLog } from './known-rows.ts'
import { isGrouped, type Queue } from './queue.ts'
import { Serials } from './serials.ts'
import { Tallies, type Tally } from './tallies.ts'
import type { Transaction } from './transaction.ts'

export interface ImageParts {
  readonly transaction: Transaction
  readonly now: Now
  readonly limits: Limits
  readonly tag: StoreTag
  readonly slot: number
  readonly queues: readonly Queue[]
  /** That of this broker, which hears by itself of what it does. */
  readonly epoch: number
  readonly nextToken: () => number
  /** The locked queues, as the server has them now. */
  readonly readQueues: () => Promise<readonly Queue[]>
}

export interface NewContent {
  readonly place: ContentPlace
  readonly content: Content
}

export class Image {
  readonly transaction: Transaction
  readonly now: Now
  readonly limits: Limits
  readonly tag: StoreTag
  readonly slot: number
  readonly epoch: number
  readonly nextToken: () => number
  readonly #readQueues: () => Promise<readonly Queue[]>
  readonly undo = new UndoLog()
  readonly entries = new KnownRows<number, Entry>(this.undo)
  readonly dedup = new KnownRows<string, DedupKey>(this.undo)
  readonly records = new KnownRows<string, KnownRecord>(this.undo)
  readonly groups = new KnownRows<string, Group>(this.undo)
  readonly queues = new KnownRows<number, Queue>(this.undo)
  /** When each holder ends. */
  readonly holders = new KnownRows<string, number>(this.undo)
  readonly #qids = new Map<string, number>()
  /** Contents to be written by the next flush. */
  newContents: NewContent[] = []
  /** Queues that may have become leasable, or that went; by name. */
  readonly hints = new Set<string>()
  readonly totals = new Map<number, { -readonly [Key in keyof QueueTotals]: number }>()
  readonly #tallies = new Tallies(this.undo)
  readonly #numbers: Serials
  readonly #changes: Serials
  /** What time does to a message next, told of each that is put. */
  onDeadline: ((atMs: number, entry: Entry) => void) | undefined

  constructor(parts: ImageParts) {
    this.transaction = parts.transaction
    this.now = parts.now
    this.limits = parts.limits
    this.tag = parts.tag
    this.slot = parts.slot
    this.epoch = parts.epoch
    this.nextToken = parts.nextToken
    this.#readQueues = parts.readQueues
    this.#numbers = new Serials(parts.transaction, 'spindle.seq')
    this.#changes = new Serials(parts.transaction, 'spindle.change_seq')
    for (const queue of parts.queues) this.knowQueue(queue)
  }

  knowQueue(queue: Queue): void {
    this.#qids.set(queue.name, queue.qid)
    this.queues.loaded(queue.qid, queue)
  }

  /** Of the queues that are locked. undefined: there is none of this name. */
  queue(name: string): Queue | undefined {
    const qid = this.#qids.get(name)
    return qid === undefined ? undefined : this.queues.get(qid)
  }

  queueOf({ qid }: Pick<Entry, 'qid'>): Queue {
    const queue = this.queues.get(qid)
    if (queue === undefined) throw new Error(`invariant: a message in queue ${qid}, which is missing`)
    return queue
  }

  setQueue(queue: Queue): void {
    const before = this.#qids.get(queue.name)
    this.undo.note(() => (before === undefined ? this.#qids.delete(queue.name) : this.#qids.set(queue.name, before)))
    this.#qids.set(queue.name, queue.qid)
    this.queues.set(queue.qid, queue)
  }

  forgetQueue({ name, qid }: Queue): void {
    this.undo.note(() => this.#qids.set(name, qid))
    this.#qids.delete(name)
    this.queues.set(qid, undefined)
  }

  idOf(number: number): MessageId {
    return formatId(this.tag, number)
  }

  /** undefined: no id that this store can have given. */
  numberOf(id: MessageId): number | undefined {
    const number = parseId(this.tag, id)
    return number !== undefined && number > 0 ? number : undefined
  }

  // Loading

  async load(numbers: readonly number[]): Promise<void> {
    const missing = [...new Set(numbers)].filter((number) => !this.entries.knows(number))
    if (missing.length === 0) return
    const rows = await this.transaction.rows<EntryRow>(
      `select ${ENTRY_COLUMNS} from spindle.live e where e.id = any($1::bigint[])
       union all select ${ENTRY_COLUMNS} from spindle.parked e where e.id = any($1::bigint[])`,
      missing,
    )
    await this.keepRows(rows)
    for (const number of missing) this.entries.loaded(number, undefined)
  }

  /** Rows that a statement answered with, and what changes together with them: their groups, their dedup keys. */
  async keepRows(rows: readonly EntryRow[]): Promise<Entry[]> {
    const entries = rows.map((row) => {
      this.entries.loaded(row.id, entryOf(row))
      return this.entries.get(row.id)
    })
    const present = entries.filter((entry) => entry !== undefined)
    await this.loadGroups(
      present.flatMap(({ qid, groupId }) =>
        groupId === undefined || !this.#isLockedGrouped(qid) ? [] : [{ qid, groupId }],
      ),
    )
    await this.loadDedup(present.flatMap(({ qid, dedupId }) => (dedupId === undefined ? [] : [{ qid, key: dedupId }])))
    return present
  }

  #isLockedGrouped(qid: number): boolean {
    const queue = this.queues.knows(qid) ? this.queues.get(qid) : undefined
    return queue !== undefined && isGrouped(queue)
  }

  async loadGroups(wanted: readonly { readonly qid: number; readonly groupId: string }[]): Promise<void> {
    const missing = wanted.filter(({ qid, groupId }) => !this.groups.knows(groupKey(qid, groupId)))
    if (missing.length === 0) return
    const rows = await this.transaction.rows<GroupRow>(
      `select ${GROUP_COLUMNS} from spindle.grp g
       join unnest($1::int[], $2::text[]) w(qid, gid) on g.qid = w.qid and g.gid = w.gid`,
      missing.map(({ qid }) => qid),
      missing.map(({ groupId }) => groupId),
    )
    for (const row of rows) this.groups.loaded(groupKey(row.qid, row.gid), groupOf(row))
    for (const { qid, groupId } of missing) this.groups.loaded(groupKey(qid, groupId), undefined)
  }

  async loadDedup(wanted: readonly { readonly qid: number; readonly key: string }[]): Promise<void> {
    const missing = wanted.filter(({ qid, key }) => !this.dedup.knows(dedupKey(qid, key)))
    if (missing.length === 0) return
    const rows = await this.transaction.rows<{ qid: number; key: string; id: number; until: number | null }>(
      `select d.qid, d.key, d.id, d.until from spindle.dedup d
       join unnest($1::int[], $2::text[]) w(qid, key) on d.qid = w.qid and d.key = w.key`,
      missing.map(({ qid }) => qid),
      missing.map(({ key }) => key),
    )
    for (const { qid, key, id, until } of rows) {
      this.dedup.loaded(dedupKey(qid, key), { number: id, untilMs: until ?? undefined })
    }
    for (const { qid, key } of missing) this.dedup.loaded(dedupKey(qid, key), undefined)
  }

  async loadRecords(keys: readonly string[]): Promise<void> {
    const missing = [...new Set(keys)].filter((key) => !this.records.knows(key))
    if (missing.length === 0) return
    const rows = await this.transaction.rows<{ key: Buffer; value: Buffer; version: number }>(
      'select r.key, r.value, r.version from spindle.record r where r.key = any($1::bytea[])',
      missing.map(keyBytes),
    )
    for (const { key, value, version } of rows) {
      this.records.loaded(keyText(key), { value: new Uint8Array(value), version })
    }
    for (const key of missing) this.records.loaded(key, undefined)
  }

  async loadHolders(names: readonly string[]): Promise<void> {
    const missing = [...new Set(names)].filter((name) => !this.holders.knows(name))
    if (missing.length === 0) return
    const rows = await this.transaction.rows<{ name: string; until: number }>(
      'select h.name, h.until from spindle.holder h where h.name = any($1::text[])',
      missing,
    )
    for (const { name, until } of rows) this.holders.loaded(name, until)
    for (const name of missing) this.holders.loaded(name, undefined)
  }

  /** Live messages of a queue with caps, by state. Known from then on, whatever is put. */
  async tally({ qid }: Queue): Promise<Tally> {
    const known = this.#tallies.get(qid)
    if (known !== undefined) return known
    await this.flush()
    return this.#tallies.load(this.transaction, qid)
  }

  /** Reserves what so many arrivals take, so that they cost one round trip. */
  reserveNumbers(count: number): Promise<void> {
    return this.#numbers.reserve(count)
  }

  /** Did the store give this number, to a message that may be gone by now? */
  async wasGiven(number: number): Promise<boolean> {
    if (this.entries.knows(number) && this.entries.get(number) !== undefined) return true
    const [row] = await this.transaction.rows<{ last: number }>('select last_value as last from spindle.seq')
    return row !== undefined && number <= row.last
  }

  /** After the server went back to a savepoint: what is known may be of work that is undone. */
  async reload(): Promise<void> {
    this.forgetRows()
    this.records.forget()
    this.holders.forget()
    this.queues.forget()
    this.#qids.clear()
    for (const queue of await this.#readQueues()) this.knowQueue(queue)
  }

  // Changing

  decide(entry: Entry, event: LifeEvent): Decision {
    const { name, policy } = this.queueOf(entry)
    const exists = (queue: string): boolean => this.queue(queue) !== undefined
    return decide(entry.life, event, { queue: name, policy, exists }, this.now)
  }

  /** Puts a decision into effect. The answer is the entry as it is then; undefined: it is gone. */
  async enact(entry: Entry, { life, effects }: Extract<Decision, { kind: 'next' }>): Promise<Entry | undefined> {
    const { kind } = life.state
    const change = kind === 'done' ? await this.#changes.next() : entry.change
    const after = kind === 'gone' ? undefined : { ...entry, life, change }
    this.put(entry, after)
    for (const effect of effects) await this.#cause(entry, effect)
    return after
  }

  /** For events that fit the state by construction. */
  async apply(entry: Entry, event: LifeEvent): Promise<Entry | undefined> {
    const decision = this.decide(entry, event)
    if (decision.kind === 'stale') throw new Error(`invariant: ${event.kind} of a ${entry.life.state.kind} message`)
    return this.enact(entry, decision)
  }

  async #cause(entry: Entry, effect: LifeEffect): Promise<void> {
    switch (effect.kind) {
      case 'died':
        this.count(entry.qid, 'died')
        return
      case 'move': {
        const target = this.queue(effect.queue)
        if (target === undefined) throw new Error(`invariant: moved to '${effect.queue}', which is missing`)
        const { number, rank, groupId, dedupId } = entry
        const { history, note } = effect
        await this.arrive(target, { number, content: entry, rank, groupId, dedupId, history, note })
        return
      }
      case 'tell': {
        const { reason, attempts } = effect
        const { name } = this.queueOf(entry)
        const id = this.idOf(entry.number)
        const event = failedEvent({ queue: name, id, reason, attempts, atMs: this.now.wallMs })
        let content: ContentPlace | undefined
        for (const told of effect.queues) {
          const target = this.queue(told)
          if (target === undefined) continue
          content ??= await this.placeContent(event)
          await this.arrive(target, { content, rank: LOWEST_RANK, groupId: undefined, dedupId: undefined, history: [] })
        }
        return
      }
      default:
        effect satisfies never
    }
  }

  /** Gives the content a place; its number is one of the store's, so that it is given once. */
  async placeContent(content: Content): Promise<ContentPlace> {
    const place = {
      slot: this.slot,
      content: await this.#numbers.next(),
      bytes: content.body.length + content.head.length,
    }
    const before = this.newContents
    this.undo.note(() => {
      this.newContents = before
    })
    this.newContents = [...before, { place, content }]
    return place
  }

  /** A new entry at the back of the queue. Whether it may is decided before. */
  async arrive(queue: Queue, arrival: Arrival): Promise<Entry> {
    const sequence = await this.#numbers.next()
    const life = born(
      {
        delayMs: arrival.delayMs ?? queue.policy.delayMs,
        ttlMs: lifeUnder(queue.policy, arrival.ttlMs),
        history: arrival.history,
      },
      this.now,
    )
    const { slot, content, bytes } = arrival.content
    const { groupId, dedupId, rank, number = sequence } = arrival
    if (groupId !== undefined && isGrouped(queue)) await this.loadGroups([{ qid: queue.qid, groupId }])
    if (dedupId !== undefined) await this.loadDedup([{ qid: queue.qid, key: dedupId }])
    const entry: Entry = {
      number,
      qid: queue.qid,
      rank,
      sequence,
      slot,
      content,
      bytes,
      groupId,
      dedupId,
      enqueuedAtMs: this.now.wallMs,
      life: { ...life, note: arrival.note },
      change: 0,
    }
    this.put(undefined, entry)
    this.count(queue.qid, 'appended')
    this.use(queue.qid)
    return entry
  }

  /** Puts `after` where `before` was; undefined: nothing was, or will be. */
  put(before: Entry | undefined, after: Entry | undefined): void {
    const entry = after ?? before
    if (entry === undefined) return
    const number = entry.number
    this.entries.set(number, after)
    const queue = this.queueOf(entry)
    this.#countInGroup(queue, before, after)
    this.#tallies.put(queue.qid, before, after)
    if (before !== undefined && isLive(before) && !(after !== undefined && isLive(after))) this.#freeDedup(before)
    this.#hint(queue, before, after)
    if (after === undefined || this.onDeadline === undefined) return
    const next = nextEvent(after.life)
    if (next !== undefined) this.onDeadline(next.atMs, after)
  }

  /** A drained group forgets its turn and its claim. */
  #countInGroup(queue: Queue, before: Entry | undefined, after: Entry | undefined): void {
    const groupId = (after ?? before)?.groupId
    if (groupId === undefined || !isGrouped(queue)) return
    const key = groupKey(queue.qid, groupId)
    const group = this.groups.get(key) ?? NEW_GROUP(queue.qid, groupId)
    const size = group.size + inLine(after) - inLine(before)
    const leased = group.leased + inLease(after) - inLease(before)
    const touched = { ...group, size, leased }
    this.groups.set(key, size > 0 ? touched : { ...touched, turn: 0, claim: undefined })
  }

  #freeDedup({ qid, dedupId, number }: Entry): void {
    if (dedupId === undefined) return
    const key = dedupKey(qid, dedupId)
    const held = this.dedup.get(key)
    if (held?.number === number && held.untilMs === undefined) this.dedup.set(key, undefined)
  }

  /** A hint too many does no harm, but for one after each ack of a plain queue, which would send its waiters to look for nothing. */
  #hint(queue: Queue, before: Entry | undefined, after: Entry | undefined): void {
    const is = after?.life.state.kind
    if (is === 'leased') return
    const { policy } = queue
    const makesRoom = before !== undefined && (isGrouped(queue) || policy.concurrency !== null)
    const waitsForExchange = is === 'dead' && policy.onDeath.kind === 'exchange'
    if (is === 'ready' || makesRoom || waitsForExchange) this.hints.add(queue.name)
  }

  count(qid: number, total: keyof QueueTotals, by = 1): void {
    let totals = this.totals.get(qid)
    if (totals === undefined) {
      totals = { appended: 0, delivered: 0, acked: 0, released: 0, lost: 0, died: 0 }
      this.totals.set(qid, totals)
    }
    const counted = totals
    counted[total] += by
    this.undo.note(() => {
      counted[total] -= by
    })
  }

  /** The queue was used now, for lifetimes that end by idleness. */
  use(qid: number): void {
    const queue = this.queues.get(qid)
    if (queue?.lifetime.kind === 'idle') this.queues.set(qid, { ...queue, usedAtMs: this.now.monotonicMs })
  }

  /** Something was forgotten, so what is known at the end is not all that was changed. */
  forgetful = false

  /** Messages were changed by a statement of their own; everything is loaded anew. */
  forgetRows(): void {
    this.forgetful = true
    this.entries.forget()
    this.groups.forget()
    this.dedup.forget()
    this.#tallies.forget()
  }

  /** Set by who writes (flush.ts), so that loading and writing stay two files. */
  flush: () => Promise<void> = () => Promise.reject(new Error('invariant: an image without a writer'))
}

/** Of priority 0. */
const LOWEST_RANK = 255

function inLine(entry: Entry | undefined): number {
  return entry !== undefined && isLive(entry) ? 1 : 0
}

function inLease(entry: Entry | undefined): number {
  return entry?.life.state.kind === 'leased' ? 1 : 0
}
