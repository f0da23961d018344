/** The append op: judged against its queue, then applied as a pending row. */

import type { AppendOutcome, RefusalReason } from '../../model/message.ts'
import { lifeUnder, type QueuePolicy } from '../../model/policy.ts'
import type { AppendOp } from '../engine.ts'
import { CONTENT_HEADER_BYTES } from './codec.ts'
import { type Core, instant } from './core.ts'
import { die, drop } from './endings.ts'
import { formatId, givenNumber } from './ids.ts'
import type { NewRow } from './index/message-index.ts'
import type { QueueState } from './index/queue-state.ts'
import { NONE, SLOT_MASK, State } from './index/slots.ts'
import type { Reveals } from './reveals.ts'
import { comesBefore, forgetContents, insertRow, NO_HISTORY, touch, type UnitNotes } from './rows.ts'

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
  if (message.groupId === undefined && hasOrder(policy)) return refused('group-required')
  let number = 0
  /** Number of the message that its dedup key stands for; 0: of none. */
  let like = 0
  if (message.id !== undefined) {
    number = givenNumber(core, message.id)
    if (number > 0 && core.index.numbers.get(number) !== NONE) return refused('id-in-use')
  }
  if (message.dedupId !== undefined && policy.dedup.kind !== 'none') {
    like = likeOf(core, queue, message.dedupId)
    if (like !== 0 && policy.dedup.kind !== 'replace') return { kind: 'duplicate', of: formatId(core, like) }
  }
  const capped = policy.lengthMax !== null || policy.lengthBytesMax !== null
  const room = capped ? roomFor(core, queue, bytes, like, notes) : 'free'
  if (room === 'none' && (policy.overflow !== 'rejectDeadLetter' || op.required === true)) return refused('queue-full')
  const replaced = room === 'free' && like !== 0
  if (replaced) {
    drop(core, core.index.numbers.get(like))
    forgetContents(notes)
    number = like
  }
  const sequence = core.nextNumber++
  if (number === 0) number = sequence
  const delayMs = message.delayMs ?? policy.delayMs
  const ttlMs = lifeUnder(policy, message.ttlMs)
  row.queue = queue
  row.number = number
  row.sequence = sequence
  const priority = message.priority ?? 0
  row.priority = policy.priorityMax !== null && priority > policy.priorityMax ? policy.priorityMax : priority
  row.enqueuedAtWall = core.wallMs
  row.due = delayMs > 0 ? instant(core.nowMs + delayMs) : 0
  row.expires = ttlMs === null ? 0 : instant(core.nowMs + ttlMs)
  row.group = message.groupId
  // One that dies on its arrival holds no key: the next one like it is judged anew.
  row.dedup = room === 'free' ? message.dedupId : undefined
  row.history = message.history ?? NO_HISTORY
  const slot = insertRow(core, row, content, notes)
  queue.totals.appended++
  queue.usedAtMs = core.nowMs
  if (policy.durability === 'durable') notes.durableAppends = true
  touch(queue, notes)
  if (room !== 'free') {
    die(core, slot, 'overflow', undefined, notes)
    forgetContents(notes)
    if (room === 'none') return refused('queue-full')
  }
  const id = formatId(core, number)
  return replaced ? { kind: 'stored', id, sequence, replaced } : { kind: 'stored', id, sequence }
}

/** Do messages of its groups wait for each other, so that one without a group has no place? */
export function hasOrder({ groups: { kind } }: QueuePolicy): boolean {
  return kind === 'ordered' || kind === 'sticky'
}

/** The number of the message that an append with this key is judged by; 0: there is none. */
function likeOf(core: Core, queue: QueueState, key: string): number {
  const held = queue.dedup.get(key, core.nowMs)
  if (held === undefined) return 0
  const { kind } = queue.policy.dedup
  if (kind === 'window' || kind === 'queued') return held.number
  const slot = core.index.numbers.get(held.number)
  if (slot === NONE || core.index.queueOf(slot) !== queue) return 0
  const state = core.index.stateOf(slot)
  return state === State.pending || state === State.delayed || state === State.ready ? held.number : 0
}

/** `none`: the queue is full, and there is nothing to drop. `dies`: so it is, and the policy drops the new one, too. */
type Room = 'free' | 'none' | 'dies'

/** Makes room for a message of so many bytes, in the place of the one numbered `like` if that is not 0. */
function roomFor(core: Core, queue: QueueState, bytes: number, like: number, notes: UnitNotes): Room {
  const { lengthCounts, overflow } = queue.policy
  const full = overflow === 'dropHead' && lengthCounts === 'waiting' ? 'dies' : 'none'
  // A replacement makes the queue no longer, and drops nobody else.
  if (like !== 0) return fits(queue.policy, -1, bytesCounted(queue) - bytesOf(core, like) + bytes) ? 'free' : full
  if (fits(queue.policy, countOf(queue), bytesCounted(queue) + bytes)) return 'free'
  if (overflow !== 'dropHead' || !fits(queue.policy, 0, bytes)) return full
  // Bounded: what a drop tells or moves may come back to this very queue.
  for (let left = queue.waiting * 4 + 8; !fits(queue.policy, countOf(queue), bytesCounted(queue) + bytes); left--) {
    if (left < 0) return full
    const head = firstToDrop(core, queue, notes.appended)
    if (head === NONE) return full
    die(core, head, 'overflow', undefined, notes)
    forgetContents(notes)
  }
  return 'free'
}

/** May one more be added to so many, with so many bytes then? */
function fits({ lengthMax, lengthBytesMax }: QueuePolicy, count: number, bytes: number): boolean {
  return (lengthMax === null || count < lengthMax) && (lengthBytesMax === null || bytes <= lengthBytesMax)
}

function countOf(queue: QueueState): number {
  return queue.policy.lengthCounts === 'live' ? queue.waiting : queue.waiting - queue.count(State.leased)
}

/** Bytes that count for its cap; 0 without a cap. */
export function bytesCounted({ meter, policy }: QueueState): number {
  if (meter === undefined) return 0
  return policy.lengthCounts === 'live' ? meter.waiting + meter.in(State.leased) : meter.waiting
}

function bytesOf(core: Core, number: number): number {
  const slot = core.index.numbers.get(number)
  return (core.index.slots.chunk(slot).length[slot & SLOT_MASK] as number) - CONTENT_HEADER_BYTES
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
  if (queue.count(State.pending) === 0) return first
  /** Answers whether a later row, whose sequence is higher, may still come first. */
  const consider = (slot: number): boolean => {
    if (!mayDrop(core, queue, slot)) return true
    if (first === NONE || comesBefore(core, slot, first)) first = slot
    return queue.prioritized
  }
  // A flood drops what it brought itself before it is durable: the rows that it went past are not looked at again.
  const scan = (reveals: Reveals, from: number): number => {
    const end = reveals.endPosition
    let start = Math.max(from, reveals.firstPosition)
    while (start < end && !isPending(core, queue, reveals.at(start))) start++
    for (let at = start; at < end && consider(reveals.at(at)); at++);
    return start
  }
  queue.pendingFrom.durable = scan(core.durableReveals, queue.pendingFrom.durable)
  queue.pendingFrom.written = scan(core.writtenReveals, queue.pendingFrom.written)
  for (const slot of appended) if (!consider(slot)) break
  return first
}

function isPending(core: Core, queue: QueueState, slot: number): boolean {
  const c = core.index.slots.chunk(slot)
  const i = slot & SLOT_MASK
  return c.state[i] === State.pending && c.queue[i] === queue.id
}

/** Is it a pending one that will be ready at once, with none of its group before it? */
function mayDrop(core: Core, queue: QueueState, slot: number): boolean {
  if (!isPending(core, queue, slot)) return false
  const c = core.index.slots.chunk(slot)
  if (c.lease !== undefined && (c.lease.due[slot & SLOT_MASK] as number) > core.nowMs) return false
  const group = core.index.slots.groupOf(slot)
  const head = group === 0 || !hasOrder(queue.policy) ? NONE : queue.groups.at(group).head
  return head === NONE || !comesBefore(core, head, slot)
}

/** How many `firstToDrop` could give, each dropped before the next. */
export function countToDrop(core: Core, queue: QueueState): number {
  if (!hasOrder(queue.policy)) return queue.count(State.ready) + countPending(core, queue)
  return queue.ready.size + queue.groups.countHeads() + countPending(core, queue)
}

function countPending(core: Core, queue: QueueState): number {
  let pending = 0
  if (queue.count(State.pending) === 0) return 0
  for (const reveals of [core.durableReveals, core.writtenReveals]) {
    for (const slot of reveals.rows()) {
      if (!isPending(core, queue, slot)) continue
      const due = core.index.slots.chunk(slot).lease?.due[slot & SLOT_MASK] ?? 0
      if (due <= core.nowMs) pending++
    }
  }
  return pending
}

function refused(reason: RefusalReason): AppendOutcome {
  return { kind: 'refused', reason }
}

/** Reused from append to append; nothing keeps it. */
const row = { history: NO_HISTORY } as NewRow
