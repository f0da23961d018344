/** Pages through the messages of one queue, and measures. */
import type { BrowsePage, BrowseRequest, QueueMeasure } from '../engine.ts'
import { firstReady } from './appends.ts'
import type { Core } from './core.ts'
import type { QueueState } from './index/queue-state.ts'
import { NONE, SLOT_MASK, State } from './index/slots.ts'
import { viewOf } from './views.ts'

const stateOfName = {
  delayed: State.delayed,
  ready: State.ready,
  leased: State.leased,
  done: State.done,
  dead: State.dead,
} as const

/** `state.priority.sequence` of the last message of the page before. */
interface Cursor {
  readonly state: number
  readonly priority: number
  readonly sequence: number
}

export function browse(core: Core, request: BrowseRequest): BrowsePage {
  const queue = core.byName.get(request.queue)
  if (queue === undefined) return { messages: [], cursor: undefined }
  const after = parseCursor(request.cursor)
  const slots: number[] = []
  let last: Cursor | undefined
  for (const [at, name] of request.states.entries()) {
    if (after !== undefined && at < after.state) continue
    const left = request.limit - slots.length
    if (left === 0) break
    const from = after !== undefined && at === after.state ? after : undefined
    const found = firstAfter(core, queue, stateOfName[name], from, left + 1)
    const page = found.slice(0, left)
    slots.push(...page)
    const end = page[page.length - 1]
    if (end !== undefined) last = { state: at, ...placeOf(core, end) }
    if (found.length > left) break
    if (slots.length === request.limit && !laterHas(queue, request, at)) return pageOf(core, slots, undefined)
    if (at === request.states.length - 1) return pageOf(core, slots, undefined)
  }
  return pageOf(core, slots, last)
}

function pageOf(core: Core, slots: readonly number[], last: Cursor | undefined): BrowsePage {
  return {
    messages: slots.map((slot) => viewOf(core, slot)),
    cursor: last === undefined ? undefined : `${last.state}.${last.priority}.${last.sequence}`,
  }
}

function laterHas(queue: QueueState, request: BrowseRequest, at: number): boolean {
  return request.states.slice(at + 1).some((name) => queue.count(stateOfName[name]) > 0)
}

function parseCursor(cursor: string | undefined): Cursor | undefined {
  if (cursor === undefined) return undefined
  const [state, priority, sequence] = cursor.split('.').map(Number)
  if (state === undefined || priority === undefined || sequence === undefined) return undefined
  return { state, priority, sequence }
}

function placeOf(core: Core, slot: number): { priority: number; sequence: number } {
  const { slots } = core.index
  return { priority: slots.chunk(slot).priority[slot & SLOT_MASK] as number, sequence: slots.sequenceOf(slot) }
}

/** The first `limit` rows in that state behind the cursor, in the queue's order, by one scan that keeps about twice as many. */
function firstAfter(core: Core, queue: QueueState, state: number, after: Cursor | undefined, limit: number): number[] {
  const best: { slot: number; priority: number; sequence: number }[] = []
  let trimmed = false
  const visit = (slot: number): void => {
    const place = placeOf(core, slot)
    if (after !== undefined && !isBefore(after, place)) return
    const worst = best[limit - 1]
    if (worst !== undefined && trimmed && isBefore(worst, place)) return
    best.push({ slot, ...place })
    if (best.length < limit * 2 + 64) return
    best.sort(order)
    best.length = limit
    trimmed = true
  }
  core.eachSlot(queue, (candidate) => candidate === state, visit)
  return best
    .sort(order)
    .slice(0, limit)
    .map((entry) => entry.slot)
}

interface Place {
  readonly priority: number
  readonly sequence: number
}

function isBefore(a: Place, b: Place): boolean {
  return a.priority === b.priority ? a.sequence < b.sequence : a.priority > b.priority
}

function order(a: Place, b: Place): number {
  return b.priority - a.priority || a.sequence - b.sequence
}

export function measure(core: Core, queue: QueueState): QueueMeasure {
  const first = firstReady(core, queue)
  const { slots } = core.index
  return {
    queue: queue.name,
    policy: queue.policy,
    delayed: queue.count(State.delayed),
    ready: queue.count(State.ready),
    leased: queue.count(State.leased),
    done: queue.count(State.done),
    dead: queue.count(State.dead),
    bytes: queue.bytes,
    oldestReadyAtMs: first === NONE ? undefined : (slots.chunk(first).enqueuedAt[first & SLOT_MASK] as number),
    totals: { ...queue.totals },
  }
}
