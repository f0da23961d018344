/** Pages through the messages of one queue, and measures. */

import { SpindleError } from '../../model/errors.ts'
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
  const { limit } = request
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= PAGE_MAX)) {
    throw invalid(request, `limit is ${limit} but must be 1 to ${PAGE_MAX}`)
  }
  const queue = core.byName.get(request.queue)
  if (queue === undefined) return { messages: [], cursor: undefined }
  const after = parseCursor(request)
  const found: { slot: number; state: number }[] = []
  for (const [state, name] of [...new Set(request.states)].entries()) {
    if (after !== undefined && state < after.state) continue
    const from = state === after?.state ? after : undefined
    for (const slot of firstAfter(core, queue, stateOfName[name], from, limit + 1 - found.length)) {
      found.push({ slot, state })
    }
    if (found.length > limit) break
  }
  const page = found.slice(0, limit)
  const last = page[page.length - 1]
  let cursor: string | undefined
  if (found.length > limit && last !== undefined) {
    const { priority, sequence } = placeOf(core, last.slot)
    cursor = `${last.state}.${priority}.${sequence}`
  }
  return { messages: page.map(({ slot }) => viewOf(core, slot)), cursor }
}

const PAGE_MAX = 1_000

function parseCursor(request: BrowseRequest): Cursor | undefined {
  if (request.cursor === undefined) return undefined
  const parts = /^(\d{1,2})\.(\d{1,3})\.(\d{1,16})$/.exec(request.cursor)
  if (parts === null) throw invalid(request, 'the cursor is not one that a page gave')
  return { state: Number(parts[1]), priority: Number(parts[2]), sequence: Number(parts[3]) }
}

function invalid({ queue }: BrowseRequest, what: string): SpindleError {
  return new SpindleError('invalid-argument', `browse '${queue}': ${what}`)
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

/** All queues, or those of the names that exist. */
export function measureAll(core: Core, names: readonly string[] | undefined): QueueMeasure[] {
  const measures: QueueMeasure[] = []
  for (const name of names ?? core.byName.keys()) {
    const queue = core.byName.get(name)
    if (queue !== undefined) measures.push(measure(core, queue))
  }
  return measures
}

function measure(core: Core, queue: QueueState): QueueMeasure {
  const first = firstReady(core, queue)
  const { slots } = core.index
  return {
    queue: queue.name,
    policy: queue.policy,
    lifetime: queue.lifetime,
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
