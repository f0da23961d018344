/** New rows: written as append effects, held back as pending, revealed once their unit is durable. */

import type { Content } from '../../model/message.ts'
import { lifeUnder } from '../../model/policy.ts'
import { CONTENT_HEADER_BYTES } from './codec.ts'
import { type Core, instant } from './core.ts'
import type { NewRow } from './index/message-index.ts'
import type { QueueState } from './index/queue-state.ts'
import { Flag, NONE, SLOT_MASK, State } from './index/slots.ts'
import { Blob } from './ledger.ts'
import type { Reveals } from './reveals.ts'
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

const NO_SLOTS: readonly number[] = Object.freeze([])

export function newNotes(): UnitNotes {
  return {
    appended: NO_SLOTS,
    contents: undefined,
    first: undefined,
    firstPlace: -1,
    durableAppends: false,
    relaxedOnly: undefined,
    diskFull: false,
  }
}

/** What of the unit asks for a sync: a durable queue does; else what it says of itself, and relaxed queues alone say nothing. */
export function isDurable(relaxed: boolean | undefined, notes: UnitNotes): boolean {
  if (notes.durableAppends) return true
  if (relaxed !== undefined) return !relaxed
  return notes.relaxedOnly !== true
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
  // Known before its place is: a queue that caps bytes counts them from here on.
  c.length[slot & SLOT_MASK] = length
  queue.meter?.enter(State.pending, length - CONTENT_HEADER_BYTES)
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
    dedup.kind === 'window'
      ? core.nowMs + (fields.enqueuedAtWall - core.wallMs) + dedup.windowMs
      : Number.POSITIVE_INFINITY
  queue.dedup.set(fields.dedup, { number: fields.number, untilMs })
}

/** A message of the store itself, whatever limits the queue has. */
export function appendEvent(core: Core, queue: QueueState, content: Content, notes: UnitNotes): void {
  const { delayMs } = queue.policy
  const ttlMs = lifeUnder(queue.policy, undefined)
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

/** Makes visible what waited for records up to `reached`. */
export function revealUpTo(core: Core, reveals: Reveals, reached: number): void {
  let slot = reveals.next(reached)
  if (slot === NONE) return
  core.readClocks()
  for (; slot !== NONE; slot = reveals.next(reached)) reveal(core, slot)
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

/** A row that the unit appended is gone before its content has a place: whoever brings the same content writes it anew. */
export function forgetContents(notes: UnitNotes): void {
  notes.first = undefined
  notes.firstPlace = -1
  notes.contents = undefined
}

export const NO_HISTORY: NewRow['history'] = []

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** Reused from row to row; nothing keeps it. */
const written = { history: NO_HISTORY } as unknown as Mutable<AppendFields>
