/** The append op: judged against its queue, then applied as a pending row. */

import type { AppendOutcome, Content, RefusalReason } from '../../model/message.ts'
import type { AppendOp } from '../engine.ts'
import { CONTENT_HEADER_BYTES } from './codec.ts'
import { type Core, instant } from './core.ts'
import { die } from './endings.ts'
import { formatId, givenNumber } from './ids.ts'
import type { NewRow } from './index/message-index.ts'
import type { QueueState } from './index/queue-state.ts'
import { Flag, NONE, SLOT_MASK, State } from './index/slots.ts'
import { Blob } from './ledger.ts'
import type { AppendFields } from './scribe.ts'

/** What a unit in progress remembers. */
export interface UnitNotes {
  /** Rows it appended, to be revealed when it is durable. */
  appended: readonly number[]
  /** Contents it wrote, with their record-relative places; undefined until a second append comes. */
  contents: Map<Content, number> | undefined
  first: Content | undefined
  firstPlace: number
  /** Did it append to a durable queue? */
  durableAppends: boolean
  /** Were all queues that it touched relaxed ones, and was there one? undefined: it touched none. */
  relaxedOnly: boolean | undefined
  /** Appends are refused. */
  diskFull: boolean
}

/** Applied, or why not. Writes nothing when it is refused or a duplicate. */
export function append(core: Core, op: AppendOp, notes: UnitNotes): AppendOutcome {
  const { message } = op
  const queue = core.byName.get(op.queue)
  if (queue === undefined) return refused('no-such-queue')
  const { policy } = queue
  const { content } = message
  if (notes.diskFull) return refused('disk-full')
  const bytes = content.body.length + content.head.length
  if (bytes > core.limits.messageBytesMax) return refused('too-large')
  if (policy.groups.kind !== 'none' && message.groupId === undefined) return refused('group-required')
  let number = 0
  if (message.id !== undefined) {
    number = givenNumber(core, message.id)
    if (number > 0 && core.index.numbers.get(number) !== NONE) return refused('id-in-use')
  }
  if (message.dedupId !== undefined && policy.dedup.kind !== 'none') {
    const first = queue.dedup.get(message.dedupId, core.nowMs)
    if (first !== undefined) return { kind: 'duplicate', of: formatId(core, first.number) }
  }
  if (
    policy.lengthMax !== null &&
    queue.waiting >= policy.lengthMax &&
    !makeRoom(core, queue, policy.lengthMax, notes)
  ) {
    return refused('queue-full')
  }
  const sequence = core.nextNumber++
  if (number === 0) number = sequence
  const delayMs = message.delayMs ?? policy.delayMs
  const ttlMs = message.ttlMs ?? policy.ttlMs
  row.queue = queue
  row.number = number
  row.sequence = sequence
  row.priority = message.priority ?? 0
  row.enqueuedAtWall = core.wallMs
  row.due = delayMs > 0 ? instant(core.nowMs + delayMs) : 0
  row.expires = ttlMs === null ? 0 : instant(core.nowMs + ttlMs)
  row.group = message.groupId
  row.dedup = message.dedupId
  row.history = message.history ?? NO_HISTORY
  insertRow(core, row, content, notes)
  queue.totals.appended++
  queue.usedAtMs = core.nowMs
  if (policy.durability === 'durable') notes.durableAppends = true
  touch(queue, notes)
  return { kind: 'stored', id: formatId(core, number), sequence }
}

/** Notes whether a unit touches relaxed queues only. */
export function touch(queue: QueueState, notes: UnitNotes): void {
  notes.relaxedOnly = queue.policy.durability === 'relaxed' && notes.relaxedOnly !== false
}

/** Writes and applies an append whose fields are decided. */
export function insertRow(core: Core, fields: NewRow, content: Content, notes: UnitNotes): number {
  const { ledger, index } = core
  const { queue } = fields
  const slot = index.insert(fields)
  written.queue = queue.id
  written.number = fields.number
  written.sequence = fields.sequence
  written.priority = fields.priority
  written.enqueuedAt = fields.enqueuedAtWall
  written.due = core.toWall(fields.due)
  written.expires = core.toWall(fields.expires)
  written.group = fields.group
  written.dedup = fields.dedup
  written.history = fields.history
  const back = placeOf(notes, content)
  const place = ledger.scribe.append(written, content, back)
  const length = CONTENT_HEADER_BYTES + content.head.length + content.body.length
  if (back >= 0) {
    ledger.markShared(back)
    ledger.locate(slot, Blob.shared, back, length)
  } else {
    ledger.locate(slot, Blob.content, place, length)
    remember(notes, content, place)
  }
  holdDedup(core, queue, fields)
  const c = index.slots.chunk(slot)
  c.flags[slot & SLOT_MASK] = (c.flags[slot & SLOT_MASK] as number) | Flag.batched
  // A literal is as long as need be, and most units append once.
  if (notes.appended.length === 0) notes.appended = [slot]
  else (notes.appended as number[]).push(slot) // made one line above
  return slot
}

/** The dedup key that the row takes, by the policy of its queue; live and in a replay. */
export function holdDedup(core: Core, queue: QueueState, fields: NewRow): void {
  const { dedup } = queue.policy
  if (fields.dedup === undefined || dedup.kind === 'none') return
  const untilMs =
    dedup.kind === 'queued'
      ? Number.POSITIVE_INFINITY
      : core.nowMs + (fields.enqueuedAtWall - core.wallMs) + dedup.windowMs
  queue.dedup.set(fields.dedup, { number: fields.number, untilMs })
}

/** A message of the store itself, whatever limits the queue has. */
export function appendEvent(core: Core, queue: QueueState, content: Content, notes: UnitNotes): void {
  const { delayMs, ttlMs } = queue.policy
  const number = core.nextNumber++
  const event: NewRow = {
    queue,
    number,
    sequence: number,
    priority: 0,
    enqueuedAtWall: core.wallMs,
    due: delayMs > 0 ? instant(core.nowMs + delayMs) : 0,
    expires: ttlMs === null ? 0 : instant(core.nowMs + ttlMs),
    group: undefined,
    dedup: undefined,
    history: NO_HISTORY,
  }
  insertRow(core, event, content, notes)
  queue.totals.appended++
  queue.usedAtMs = core.nowMs
}

/** Drops from the head until one more fits; false: it does not. */
function makeRoom(core: Core, queue: QueueState, lengthMax: number, notes: UnitNotes): boolean {
  if (queue.policy.overflow === 'reject' || lengthMax === 0) return false
  // Bounded: what a drop tells or moves may come back to this very queue.
  for (let left = queue.waiting * 4 + 8; queue.waiting >= lengthMax; left--) {
    if (left < 0) return false
    const head = firstToDrop(core, queue, notes.appended)
    if (head === NONE) return false
    die(core, head, 'overflow', undefined, notes)
  }
  return true
}

/** The first ready message in the queue's order, whatever its group's turn; NONE. */
export function firstReady(core: Core, queue: QueueState): number {
  const lane = queue.ready.first()
  const grouped = queue.groups.oldestReady()
  if (lane === NONE) return grouped
  if (grouped === NONE) return lane
  return comesBefore(core, grouped, lane) ? grouped : lane
}

/** As `firstReady`, but those count too that will be ready once their units are durable. */
export function firstToDrop(core: Core, queue: QueueState, appended: readonly number[]): number {
  let first = firstReady(core, queue)
  const consider = (slot: number): void => {
    const c = core.index.slots.chunk(slot)
    const i = slot & SLOT_MASK
    if (c.state[i] !== State.pending || c.queue[i] !== queue.id) return
    if (c.lease !== undefined && (c.lease.due[i] as number) > core.nowMs) return
    const group = core.index.slots.groupOf(slot)
    const head = group === 0 || queue.policy.groups.kind === 'none' ? NONE : queue.groups.at(group).head
    if (head !== NONE && comesBefore(core, head, slot)) return
    if (first === NONE || comesBefore(core, slot, first)) first = slot
  }
  for (const slot of core.durableReveals.rows()) consider(slot)
  for (const slot of core.writtenReveals.rows()) consider(slot)
  for (const slot of appended) consider(slot)
  return first
}

/** How many `firstToDrop` could give, each dropped before the next. */
export function countToDrop(core: Core, queue: QueueState): number {
  if (queue.policy.groups.kind === 'none') return queue.count(State.ready) + countPending(core, queue)
  return queue.ready.size + queue.groups.countHeads() + countPending(core, queue)
}

function countPending(core: Core, queue: QueueState): number {
  let pending = 0
  if (queue.count(State.pending) === 0) return 0
  for (const reveals of [core.durableReveals, core.writtenReveals]) {
    for (const slot of reveals.rows()) {
      const c = core.index.slots.chunk(slot)
      const i = slot & SLOT_MASK
      if (c.state[i] !== State.pending || c.queue[i] !== queue.id) continue
      if (c.lease === undefined || (c.lease.due[i] as number) <= core.nowMs) pending++
    }
  }
  return pending
}

/** Order of the queue: priority descending, sequence ascending. */
export function comesBefore(core: Core, a: number, b: number): boolean {
  const { slots } = core.index
  const priorityA = slots.chunk(a).priority[a & SLOT_MASK] as number
  const priorityB = slots.chunk(b).priority[b & SLOT_MASK] as number
  return priorityA === priorityB ? slots.sequenceOf(a) < slots.sequenceOf(b) : priorityA > priorityB
}

/** Makes the rows of a durable unit visible. */
export function reveal(core: Core, slot: number): void {
  const { index } = core
  const c = index.slots.chunk(slot)
  const i = slot & SLOT_MASK
  c.flags[i] = (c.flags[i] as number) & ~Flag.batched
  const state = c.state[i] as number
  // Purged before it was visible?
  if (state === State.zombie) index.slots.release(slot)
  if (state !== State.pending) return
  index.reveal(slot, core.nowMs)
  if (index.stateOf(slot) === State.ready) core.hint(index.queueOf(slot))
}

function placeOf(notes: UnitNotes, content: Content): number {
  if (notes.first === content) return notes.firstPlace
  return notes.contents?.get(content) ?? -1
}

function remember(notes: UnitNotes, content: Content, place: number): void {
  if (notes.first === undefined) {
    notes.first = content
    notes.firstPlace = place
    return
  }
  notes.contents ??= new Map()
  notes.contents.set(content, place)
}

function refused(reason: RefusalReason): AppendOutcome {
  return { kind: 'refused', reason }
}

const NO_HISTORY: NewRow['history'] = []

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Reused from append to append; nothing keeps them. */
const row = { history: NO_HISTORY } as NewRow
const written = { history: NO_HISTORY } as unknown as Mutable<AppendFields>
