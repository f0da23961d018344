/** Rows and journal bytes -> what callers see. */
import type { Delivery, MessageId, MessageState, MessageView, Receipt } from '../../model/message.ts'
import type { Core } from './core.ts'
import { formatId, parseId } from './ids.ts'
import { type BlobPlace, NONE, SLOT_MASK, State } from './index/slots.ts'
import type { Receipts } from './receipts.ts'

const stateNames: readonly (MessageState | undefined)[] = [
  undefined,
  undefined,
  'delayed',
  'ready',
  'leased',
  'done',
  'dead',
  undefined,
]

/** The entry with that id; undefined: gone, or not yet to be seen. */
export function find(core: Core, id: MessageId): MessageView | undefined {
  const number = parseId(core, id)
  const slot = number === 0 ? NONE : core.index.numbers.get(number)
  if (slot === NONE || core.index.stateOf(slot) === State.pending) return undefined
  return viewOf(core, slot)
}

export function viewOf(core: Core, slot: number): MessageView {
  return build(core, slot, undefined) as MessageView
}

/** Of a row that has just been leased. */
export function deliveryOf(core: Core, receipts: Receipts, slot: number): Delivery {
  const c = core.index.slots.chunk(slot)
  const i = slot & SLOT_MASK
  const receipt = receipts.format(c.number[i] as number, core.index.slots.lease(c).token[i] as number)
  return build(core, slot, receipt) as Delivery
}

/** One shape for all, so that whoever reads deliveries meets one hidden class. */
function build(core: Core, slot: number, receipt: Receipt | undefined): unknown {
  const { slots } = core.index
  const c = slots.chunk(slot)
  const i = slot & SLOT_MASK
  const queue = core.index.queueOf(slot)
  const state = c.state[i] as number
  const { lease } = c
  const group = c.group === undefined ? 0 : (c.group[i] as number)
  const waits = state === State.delayed || state === State.leased
  const ended = state === State.done || state === State.dead
  const due = waits && lease !== undefined ? (lease.due[i] as number) : 0
  const firstLeasedAt = lease === undefined ? 0 : (lease.firstLeasedAt[i] as number)
  const expires = c.expires === undefined ? 0 : (c.expires[i] as number)
  return {
    id: formatId(core, c.number[i] as number) as MessageId,
    queue: queue.name,
    state: stateNames[state] as MessageState,
    content: core.cache.content(c.segment[i] as number, c.offset[i] as number, c.length[i] as number),
    priority: c.priority[i] as number,
    sequence: slots.sequenceOf(slot),
    groupId: group === 0 ? undefined : queue.groups.at(group).key,
    dedupId: c.dedup?.[i],
    attempts: c.attempts[i] as number,
    deliveries: c.deliveries[i] as number,
    enqueuedAtMs: c.enqueuedAt[i] as number,
    dueAtMs: due === 0 ? undefined : core.toWall(due),
    expiresAtMs: expires === 0 ? undefined : core.toWall(expires),
    history: slots.history(slot),
    note: blobAt(core, slots.blob(slot, 'note')),
    kept: state === State.done ? blobAt(core, slots.blob(slot, 'kept')) : undefined,
    firstLeasedAtMs: firstLeasedAt === 0 ? undefined : firstLeasedAt,
    endedAtMs: ended && c.ended !== undefined ? (c.ended[i] as number) : undefined,
    receipt,
  }
}

export function blobAt(core: Core, place: BlobPlace | undefined): Uint8Array | undefined {
  return place === undefined ? undefined : core.cache.content(place.segment, place.offset, place.length).body
}
