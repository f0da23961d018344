/** What callers see of an entry and of a queue. */
import { SpindleError } from '../../model/errors.ts'
import type { MessageView } from '../../model/message.ts'
import type { BrowsePage, BrowseRequest, QueueMeasure } from '../engine.ts'
import { type Entry, stateOf } from './entry.ts'
import type { MemoryQueue } from './queue.ts'
import type { MemoryStore } from './store.ts'

const PAGE_MAX = 1_000

export function viewOf(store: MemoryStore, entry: Entry): MessageView {
  const { life } = entry
  const { state } = life
  const dueMs = state.kind === 'delayed' ? state.dueMs : state.kind === 'leased' ? state.endMs : undefined
  return {
    id: store.idOf(entry.number),
    queue: entry.queue,
    state: stateOf(entry),
    content: entry.content,
    priority: entry.priority,
    sequence: entry.sequence,
    groupId: entry.groupId,
    dedupId: entry.dedupId,
    attempts: life.attempts,
    deliveries: life.deliveries,
    enqueuedAtMs: entry.enqueuedAtMs,
    dueAtMs: dueMs === undefined ? undefined : wallOf(store, dueMs),
    expiresAtMs: life.expiresMs === undefined ? undefined : wallOf(store, life.expiresMs),
    history: life.history,
    note: life.note,
    kept: state.kind === 'done' ? state.kept : undefined,
    firstLeasedAtMs: life.firstLeasedAtMs,
    endedAtMs: state.kind === 'done' || state.kind === 'dead' ? state.endedAtMs : undefined,
  }
}

/** The wall instant of a monotonic one, as the wall clock stands now. */
export function wallOf(store: MemoryStore, monotonicMs: number): number {
  return Math.round(store.now.wallMs + (monotonicMs - store.now.monotonicMs))
}

export function browse(store: MemoryStore, request: BrowseRequest): BrowsePage {
  const { limit } = request
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw invalid(request, `limit is ${limit} but must be 1 to ${PAGE_MAX}`)
  }
  const queue = store.queues.get(request.queue)
  if (queue === undefined) return { messages: [], cursor: undefined }
  const messages: MessageView[] = []
  let last: string | undefined
  for (const { entry, stateAt } of entriesFrom(queue, request)) {
    if (messages.length === limit) return { messages, cursor: last }
    messages.push(viewOf(store, entry))
    last = `${stateAt}.${entry.priority}.${entry.sequence}`
  }
  return { messages, cursor: undefined }
}

/** Those after the cursor, which names the last entry of the page before: place of its state, priority, sequence. */
function* entriesFrom(queue: MemoryQueue, request: BrowseRequest): Generator<{ entry: Entry; stateAt: number }> {
  const states = [...new Set(request.states)]
  const cursor = parseCursor(request)
  for (let stateAt = cursor?.stateAt ?? 0; stateAt < states.length; stateAt++) {
    const state = states[stateAt]
    if (state === undefined) return
    const entries = queue.in(state)
    if (cursor?.stateAt !== stateAt) {
      for (const entry of entries) yield { entry, stateAt }
      continue
    }
    for (const entry of entries.from(cursor)) {
      if (entry.priority !== cursor.priority || entry.sequence !== cursor.sequence) yield { entry, stateAt }
    }
  }
}

function parseCursor(request: BrowseRequest): { stateAt: number; priority: number; sequence: number } | undefined {
  if (request.cursor === undefined) return undefined
  const parts = /^(\d{1,2})\.(\d{1,3})\.(\d{1,16})$/.exec(request.cursor)
  if (parts === null) throw invalid(request, 'the cursor is not one that a page gave')
  return { stateAt: Number(parts[1]), priority: Number(parts[2]), sequence: Number(parts[3]) }
}

function invalid({ queue }: BrowseRequest, what: string): SpindleError {
  return new SpindleError('invalid-argument', `browse '${queue}': ${what}`)
}

export function measureOf(queue: MemoryQueue): QueueMeasure {
  return {
    queue: queue.name,
    policy: queue.policy,
    lifetime: queue.lifetime,
    delayed: queue.in('delayed').size,
    ready: queue.in('ready').size,
    leased: queue.in('leased').size,
    done: queue.in('done').size,
    dead: queue.in('dead').size,
    bytes: queue.bytes,
    oldestReadyAtMs: queue.firstReady?.enqueuedAtMs,
    totals: { ...queue.totals },
  }
}
