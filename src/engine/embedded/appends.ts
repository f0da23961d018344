/** The append op: judged against its queue, then applied as a pending row. */

import type { AppendOutcome, RefusalReason } from '../../model/message.ts'
import type { AppendOp } from '../engine.ts'
import { type Core, instant } from './core.ts'
import { die } from './endings.ts'
import { formatId, givenNumber } from './ids.ts'
import type { NewRow } from './index/message-index.ts'
import type { QueueState } from './index/queue-state.ts'
import { NONE, SLOT_MASK, State } from './index/slots.ts'
import { comesBefore, insertRow, NO_HISTORY, touch, type UnitNotes } from './rows.ts'

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

function refused(reason: RefusalReason): AppendOutcome {
  return { kind: 'refused', reason }
}

/** Reused from append to append; nothing keeps it. */
const row = { history: NO_HISTORY } as NewRow
