/** How a delivery or a message ends: ack, release, bury, lost lease, expiry; and what a death becomes. */

import { addDeath, closesCycle } from '../../model/deaths.ts'
import { failedEvent } from '../../model/failed-event.ts'
import type { Death, DeathReason } from '../../model/message.ts'
import { lifeUnder } from '../../model/policy.ts'
import type { Settlement } from '../engine.ts'
import { CONTENT_HEADER_BYTES } from './codec.ts'
import { type Core, instant } from './core.ts'
import { formatId } from './ids.ts'
import { Fence } from './index/message-index.ts'
import type { QueueState } from './index/queue-state.ts'
import { NONE, SLOT_MASK, State } from './index/slots.ts'
import { Blob } from './ledger.ts'
import type { ParsedReceipt } from './receipts.ts'
import { appendEvent, type UnitNotes } from './rows.ts'

/** The row that the receipt may settle in that way; NONE: it is stale. */
export function rowFor(core: Core, receipt: ParsedReceipt | undefined, how: Settlement['kind'] | 'extend'): number {
  if (receipt === undefined) return NONE
  const { index } = core
  const slot = index.numbers.get(receipt.number)
  if (slot === NONE) return NONE
  const c = index.slots.chunk(slot)
  const i = slot & SLOT_MASK
  if (c.lease === undefined || c.lease.token[i] !== receipt.token) return NONE
  const state = c.state[i] as number
  if (state === State.leased) return slot
  if (how === 'ack' && state === State.ready && index.isLate(slot) && index.queueOf(slot).policy.lateAck) return slot
  return NONE
}

/** Settles the row, as `rowFor` allowed. */
export function settle(core: Core, slot: number, how: Settlement, notes: UnitNotes): void {
  const queue = core.index.queueOf(slot)
  queue.usedAtMs = core.nowMs
  prolongClaim(core, queue, slot)
  switch (how.kind) {
    case 'ack':
      queue.totals.acked++
      acknowledge(core, queue, slot, how.keep, how.retainMs)
      trimDone(core, queue)
      return
    case 'release':
      release(core, queue, slot, how, notes)
      return
    case 'bury':
      die(core, slot, how.reason, how.note, notes)
  }
}

export function acknowledge(
  core: Core,
  queue: QueueState,
  slot: number,
  keep: Uint8Array | undefined,
  retainMs: number | undefined,
): void {
  const { scribe } = core.ledger
  const number = core.index.slots.chunk(slot).number[slot & SLOT_MASK] as number
  if (keep === undefined) {
    scribe.remove(number)
    core.removeRow(slot)
    core.hintGroup(queue)
    return
  }
  const until = retainMs === undefined ? 0 : instant(core.nowMs + retainMs)
  const place = scribe.keep(number, core.wallMs, core.toWall(until), keep)
  core.index.end(slot, State.done, core.wallMs, until)
  core.ledger.locate(slot, Blob.kept, place, CONTENT_HEADER_BYTES + keep.length)
  core.hintGroup(queue)
}

function release(
  core: Core,
  queue: QueueState,
  slot: number,
  how: Extract<Settlement, { kind: 'release' }>,
  notes: UnitNotes,
): void {
  const attempts = attemptsOf(core, slot)
  queue.totals.released++
  if (how.spend !== false && !core.index.isFromDead(slot) && isExhausted(queue, attempts)) {
    die(core, slot, 'exhausted', how.note, notes)
    return
  }
  giveBack(core, slot, {
    attempts: how.spend === false ? Math.max(0, attempts - 1) : attempts,
    delayMs: how.delayMs ?? 0,
    note: how.note,
    notes,
  })
}

/** Given back by whoever had it: to its place, or to the dead that it came from. */
function giveBack(
  core: Core,
  slot: number,
  how: { attempts: number; delayMs: number; note: Uint8Array | undefined; notes: UnitNotes },
): void {
  const fromDead = core.index.isFromDead(slot)
  const expired = !fromDead && isExpired(core, slot)
  const delayMs = fromDead || expired ? 0 : how.delayMs
  putBack(core, slot, { attempts: how.attempts, fence: Fence.void, delayMs, note: how.note })
  if (fromDead) hold(core, slot, core.index.slots.history(slot), undefined)
  else if (expired) expire(core, slot, how.notes)
  else core.hint(core.index.queueOf(slot))
}

function putBack(
  core: Core,
  slot: number,
  how: { attempts: number; fence: number; delayMs: number; note: Uint8Array | undefined },
): void {
  const { index, ledger } = core
  const number = index.slots.chunk(slot).number[slot & SLOT_MASK] as number
  const due = how.delayMs > 0 ? instant(core.nowMs + how.delayMs) : 0
  const place = ledger.scribe.return(number, how.attempts, how.fence, core.toWall(due), how.note)
  index.return(slot, how.attempts, how.fence, due, undefined)
  if (how.note !== undefined) ledger.locate(slot, Blob.note, place, CONTENT_HEADER_BYTES + how.note.length)
}

/** A lease ended in silence, or with its holder. */
export function loseLease(core: Core, slot: number, spend: boolean, notes: UnitNotes): void {
  const { index } = core
  const queue = index.queueOf(slot)
  const attempts = attemptsOf(core, slot)
  queue.usedAtMs = core.nowMs
  if (!spend) {
    giveBack(core, slot, { attempts: Math.max(0, attempts - 1), delayMs: 0, note: undefined, notes })
    return
  }
  queue.totals.lost++
  if (index.isFromDead(slot)) hold(core, slot, index.slots.history(slot), undefined)
  else if (queue.policy.onLost === 'fail') die(core, slot, 'lost', undefined, notes)
  else if (isExhausted(queue, attempts)) die(core, slot, 'exhausted', undefined, notes)
  else if (isExpired(core, slot)) expire(core, slot, notes)
  else {
    putBack(core, slot, { attempts, fence: Fence.late, delayMs: 0, note: undefined })
    core.hint(queue)
  }
}

function attemptsOf(core: Core, slot: number): number {
  return core.index.slots.chunk(slot).attempts[slot & SLOT_MASK] as number
}

function isExhausted({ policy }: QueueState, attempts: number): boolean {
  return policy.attemptsMax !== null && attempts >= policy.attemptsMax
}

export function isExpired(core: Core, slot: number): boolean {
  const expires = core.index.slots.chunk(slot).expires?.[slot & SLOT_MASK] ?? 0
  return expires !== 0 && expires <= core.nowMs
}

/** Its TTL is over. */
export function expire(core: Core, slot: number, notes: UnitNotes): void {
  if (core.index.queueOf(slot).policy.onExpired === 'die') die(core, slot, 'expired', undefined, notes)
  else drop(core, slot)
}

/** Gone without a trace. */
export function drop(core: Core, slot: number): void {
  const queue = core.index.queueOf(slot)
  core.ledger.scribe.remove(core.index.slots.chunk(slot).number[slot & SLOT_MASK] as number)
  core.removeRow(slot)
  core.hintGroup(queue)
}

export function die(
  core: Core,
  slot: number,
  reason: DeathReason,
  note: Uint8Array | undefined,
  notes: UnitNotes,
): void {
  const { index } = core
  const queue = index.queueOf(slot)
  const c = index.slots.chunk(slot)
  const number = c.number[slot & SLOT_MASK] as number
  const attempts = c.attempts[slot & SLOT_MASK] as number
  const { policy } = queue
  queue.totals.died++
  const death = { queue: queue.name, reason, atMs: core.wallMs, attempts }
  const before = index.slots.history(slot)
  const { onDeath } = policy
  const target = onDeath.kind === 'deadLetter' ? core.byName.get(onDeath.queue) : undefined
  const leaves = target !== undefined || onDeath.kind === 'exchange'
  if (onDeath.kind === 'discard' || (leaves && closesCycle(before, death))) drop(core, slot)
  else if (target === undefined) hold(core, slot, addDeath(before, death), note)
  else move(core, slot, target, addDeath(before, death), note)
  core.hintGroup(queue)
  if (policy.failedEventsTo.length > 0) tellFailure(core, queue, { number, reason, attempts }, notes)
}

/** Dead, and kept here. */
function hold(core: Core, slot: number, history: readonly Death[], note: Uint8Array | undefined): void {
  const { index, ledger } = core
  const { deadRetentionMs } = index.queueOf(slot).policy
  const until = deadRetentionMs === null ? 0 : instant(core.nowMs + deadRetentionMs)
  const number = index.slots.chunk(slot).number[slot & SLOT_MASK] as number
  const place = ledger.scribe.die(number, core.wallMs, core.toWall(until), history, note)
  index.end(slot, State.dead, core.wallMs, until, history)
  core.hintDead(index.queueOf(slot))
  if (note !== undefined) ledger.locate(slot, Blob.note, place, CONTENT_HEADER_BYTES + note.length)
}

/** Dead, and off to another queue under the same id, where attempts, delay and TTL start anew. */
function move(
  core: Core,
  slot: number,
  target: QueueState,
  history: readonly Death[],
  note: Uint8Array | undefined,
): void {
  const { index, ledger } = core
  const { delayMs } = target.policy
  const ttlMs = lifeUnder(target.policy, undefined)
  const to = {
    queue: target,
    sequence: core.nextNumber++,
    due: delayMs > 0 ? instant(core.nowMs + delayMs) : 0,
    expires: ttlMs === null ? 0 : instant(core.nowMs + ttlMs),
    wall: core.wallMs,
  }
  const place = ledger.scribe.move(
    index.slots.chunk(slot).number[slot & SLOT_MASK] as number,
    {
      queue: target.id,
      sequence: to.sequence,
      at: to.wall,
      due: core.toWall(to.due),
      expires: core.toWall(to.expires),
    },
    history,
    note,
  )
  const moved = index.move(slot, to, history)
  ledger.relocate(slot, moved)
  if (note !== undefined) ledger.locate(moved, Blob.note, place, CONTENT_HEADER_BYTES + note.length)
  index.reveal(moved, core.nowMs)
  target.usedAtMs = core.nowMs
  target.totals.appended++
  core.hint(target)
}

function tellFailure(
  core: Core,
  queue: QueueState,
  death: { number: number; reason: DeathReason; attempts: number },
  notes: UnitNotes,
): void {
  const content = failedEvent({
    queue: queue.name,
    id: formatId(core, death.number),
    reason: death.reason,
    attempts: death.attempts,
    atMs: core.wallMs,
  })
  for (const to of queue.policy.failedEventsTo) {
    const target = core.byName.get(to)
    if (target === undefined) continue
    appendEvent(core, target, content, notes)
  }
}

/** Keeps at most `doneMax` results, oldest first out. */
export function trimDone(core: Core, queue: QueueState): void {
  const { doneMax } = queue.policy
  if (doneMax === null) return
  while (queue.count(State.done) > doneMax) {
    const number = queue.done.shift()
    if (number === undefined) return
    const slot = core.index.numbers.get(number)
    if (slot === NONE || core.index.stateOf(slot) !== State.done || core.index.queueOf(slot) !== queue) continue
    drop(core, slot)
  }
}

/** A sticky group stays with its consumer for a while after each settle. */
function prolongClaim(core: Core, queue: QueueState, slot: number): void {
  if (queue.policy.groups.kind === 'none') return
  const group = core.index.slots.groupOf(slot)
  const claim = group === 0 ? undefined : queue.groups.at(group).claim
  if (claim === undefined) return
  claim.untilMs = core.nowMs + queue.policy.leaseMs
  claim.told = false
  core.claimsFirstMs = Math.min(core.claimsFirstMs, claim.untilMs)
}
