/**
 * One look at one due schedule: read its record, judge its instants, and commit the appends together with the record's
 * next state, under the version that was read. Whoever comes second is refused and looks again.
 *
 * With an overlap rule the ids of the runs must be known, and an id exists only once its append is stored: they are
 * written down right after. A process that dies between the two leaves a run without an id, which the next look finds
 * among the messages of the queue by its headers.
 */
import type { Port, SimpleStep } from '../../client/port.ts'
import { decodeHead } from '../../model/content.ts'
import type { MessageId, MessageView } from '../../model/message.ts'
import {
  decodeSchedule,
  encodeSchedule,
  type ScheduleRecord,
  type ScheduleState,
  scheduledMessage,
  scheduleKey,
  type TrackedRun,
} from './schedule-record.ts'
import { judge } from './timing.ts'
import { SCHEDULE_HEADER, SCHEDULED_AT_HEADER } from './types.ts'

/** What waits after the look. */
export type Look =
  | { readonly kind: 'gone' }
  | { readonly kind: 'idle' }
  /** The next instant; `blockedBy`: runs whose end lets a held one go. */
  | { readonly kind: 'waiting'; readonly dueMs: number; readonly blockedBy: readonly MessageId[] }

/** Somebody else was faster this often in a row: they are at work, so a later look will do. */
const TURNS_MAX = 5
/** Messages looked at to find a run whose id was not written down. */
const BROWSED_MAX = 5_000
const PAGE = 1_000
/** How long a held run waits before its obstacle is looked at again, for an announcement that was lost, ms. */
const HELD_BEAT_MS = 5_000

/** Rejects when the store refuses the append (no such queue, full), or fails. */
export async function lookAt(port: Port, name: string, wallMs: () => number): Promise<Look> {
  const key = scheduleKey(name)
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const stored = await port.read(key)
    const record = stored && decodeSchedule(stored.value)
    if (stored === undefined || record === undefined) return { kind: 'gone' }
    const nowMs = wallMs()
    const { state } = record
    if (state.paused) return { kind: 'idle' }
    const isDue = state.nextMs !== null && state.nextMs <= nowMs
    if (!isDue && state.heldMs === undefined) return waiting(state, nowMs, [])
    const alive = record.overlap === 'allow' ? [] : await aliveRuns(port, name, record)
    const { fire, next } = decide(record, alive, nowMs)
    if (fire.length === 0 && isSame(next, state)) return waiting(next, nowMs, alive)
    try {
      await commit(port, { name, record: { ...record, state: next }, expect: stored.version, fire })
      // What it holds back waits for the run that it just started: the next turn sees that one.
      if (next.heldMs === undefined) return waiting(next, nowMs, [])
    } catch (fault) {
      // Somebody else fired, or changed it: look again. Otherwise the append itself was refused.
      const now = await port.read(key)
      if (now !== undefined && now.version === stored.version) throw fault
    }
  }
  return { kind: 'waiting', dueMs: wallMs() + HELD_BEAT_MS, blockedBy: [] }
}

function waiting(state: ScheduleState, nowMs: number, alive: readonly TrackedRun[]): Look {
  const { nextMs, heldMs } = state
  if (heldMs !== undefined) {
    const blockedBy = alive.flatMap(({ id }) => (id === undefined ? [] : [id]))
    return { kind: 'waiting', dueMs: Math.min(nextMs ?? Number.POSITIVE_INFINITY, nowMs + HELD_BEAT_MS), blockedBy }
  }
  return nextMs === null ? { kind: 'idle' } : { kind: 'waiting', dueMs: nextMs, blockedBy: [] }
}

/** Which instants are appended now, and the state that goes with it. */
function decide(
  record: ScheduleRecord,
  alive: readonly TrackedRun[],
  nowMs: number,
): { readonly fire: readonly number[]; readonly next: ScheduleState } {
  const { state, overlap, when, missed } = record
  const isDue = state.nextMs !== null && state.nextMs <= nowMs
  const due = isDue ? judge(when, { dueMs: state.nextMs, nowMs }, missed) : { fire: [], nextMs: state.nextMs }
  const { heldMs, ...rest } = state
  const after = (fire: readonly number[], held: number | undefined): ScheduleState => {
    const last = fire.at(-1)
    return {
      ...rest,
      nextMs: due.nextMs,
      fired: state.fired + fire.length,
      running: overlap === 'allow' ? [] : [...alive, ...fire.map((atMs) => ({ atMs }))],
      ...(last === undefined ? {} : { lastRunMs: last }),
      ...(held === undefined ? {} : { heldMs: held }),
    }
  }
  if (overlap === 'allow') return { fire: due.fire, next: after(due.fire, undefined) }
  const candidates = heldMs === undefined ? due.fire : [heldMs, ...due.fire]
  const fire = alive.length === 0 ? candidates.slice(0, 1) : []
  const held = overlap === 'queueOne' ? candidates.slice(fire.length).at(-1) : undefined
  return { fire, next: after(fire, held) }
}

function isSame(next: ScheduleState, state: ScheduleState): boolean {
  return next.nextMs === state.nextMs && next.heldMs === state.heldMs && next.running.length === state.running.length
}

async function commit(
  port: Port,
  what: {
    readonly name: string
    readonly record: ScheduleRecord
    readonly expect: number
    readonly fire: readonly number[]
  },
): Promise<ReadonlyMap<number, MessageId>> {
  const { name, record, expect, fire } = what
  const { target, overlap } = record
  const appends = fire.map(
    (atMs): SimpleStep => ({
      kind: 'append',
      queue: target.queue,
      message: scheduledMessage(name, target, atMs),
    }),
  )
  const outcomes = await port.transact([
    { kind: 'record', key: scheduleKey(name), value: encodeSchedule(record), expect },
    ...appends,
  ])
  const ids = new Map<number, MessageId>()
  for (const [i, atMs] of fire.entries()) {
    const outcome = outcomes[i + 1]
    if (outcome?.kind === 'stored') ids.set(atMs, outcome.id)
  }
  if (ids.size > 0 && overlap !== 'allow') await writeDown(port, name, ids)
  return ids
}

/** Not being able to is no failure: the next look finds the run by its headers. */
async function writeDown(port: Port, name: string, ids: ReadonlyMap<number, MessageId>): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const stored = await port.read(scheduleKey(name))
    const record = stored && decodeSchedule(stored.value)
    if (stored === undefined || record === undefined) return
    const running = record.state.running.map((run) => {
      const id = run.id ?? ids.get(run.atMs)
      return id === undefined ? run : { ...run, id }
    })
    const value = encodeSchedule({ ...record, state: { ...record.state, running } })
    try {
      await port.transact([{ kind: 'record', key: scheduleKey(name), value, expect: stored.version }])
      return
    } catch {
      // Changed meanwhile: once more on what it is now.
    }
  }
}

/** Fires once beside its instants. undefined: there is no such schedule. Rejects when the store refuses the append. */
export async function fireNow(port: Port, name: string, atMs: number): Promise<MessageId | undefined> {
  for (let turn = 0; ; turn++) {
    const stored = await port.read(scheduleKey(name))
    const record = stored && decodeSchedule(stored.value)
    if (stored === undefined || record === undefined) return undefined
    const { state, overlap } = record
    const running = overlap === 'allow' ? [] : [...state.running, { atMs }]
    const next = { ...state, fired: state.fired + 1, lastRunMs: atMs, running }
    try {
      const ids = await commit(port, { name, record: { ...record, state: next }, expect: stored.version, fire: [atMs] })
      return ids.get(atMs)
    } catch (fault) {
      const now = await port.read(scheduleKey(name))
      if (turn === TURNS_MAX || (now !== undefined && now.version === stored.version)) throw fault
    }
  }
}

async function aliveRuns(port: Port, name: string, record: ScheduleRecord): Promise<TrackedRun[]> {
  const alive: TrackedRun[] = []
  for (const run of record.state.running) {
    const view = run.id === undefined ? await findRun(port, name, record, run.atMs) : await port.find(run.id)
    if (view !== undefined && isUnderWay(view)) alive.push({ atMs: run.atMs, id: view.id })
  }
  return alive
}

function isUnderWay({ state }: MessageView): boolean {
  return state === 'delayed' || state === 'ready' || state === 'leased'
}

async function findRun(
  port: Port,
  name: string,
  record: ScheduleRecord,
  atMs: number,
): Promise<MessageView | undefined> {
  const instant = new Date(atMs).toISOString()
  let cursor: string | undefined
  for (let browsed = 0; browsed < BROWSED_MAX; browsed += PAGE) {
    const page = await port.browse({
      queue: record.target.queue,
      states: ['leased', 'ready', 'delayed'],
      limit: PAGE,
      ...(cursor === undefined ? {} : { cursor }),
    })
    const found = page.messages.find(({ content }) => {
      const { headers } = decodeHead(content.head)
      return headers[SCHEDULE_HEADER] === name && headers[SCHEDULED_AT_HEADER] === instant
    })
    if (found !== undefined || page.cursor === undefined) return found
    cursor = page.cursor
  }
  return undefined
}
