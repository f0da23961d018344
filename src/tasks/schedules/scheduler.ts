/**
 * Fires what is due, in every process that works or declares: which of them gets through is the store's decision
 * (firing.ts), so none of them leads and none is missed.
 *
 * Each process holds one small entry a schedule in a heap by next instant and one timer for its head. The timer also
 * beats once a second, so that a wall clock that was set forward is noticed; every fifth beat reads one record, which
 * says whether a change was made whose announcement was not heard.
 */
import type { Port } from '../../client/port.ts'
import { isFault } from '../../model/errors.ts'
import type { MessageId } from '../../model/message.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { DueHeap, type HeapEntry } from './due-heap.ts'
import { lookAt } from './firing.ts'
import {
  decodeSchedule,
  encodeSchedule,
  SCHEDULE_PREFIX,
  SCHEDULES_VERSION_KEY,
  type ScheduleRecord,
  scheduleKey,
} from './schedule-record.ts'

/** Announces { name, version of SCHEDULES_VERSION_KEY } of each change. */
export const SCHEDULES_CHANNEL = 'task-schedules'

const BEAT_MS = 1_000
const BEATS_A_CHECK = 5
const PAGE = 1_000
/** Looks under way at one time. */
const LOOKS_MAX = 256
/** Pause after a firing that the store refused: doubles up to the maximum, ms. */
const PAUSE_MS = 1_000
const PAUSE_MS_MAX = 60_000
/** A wall clock that is behind the monotonic one by more than this since the last beat was set back, ms. */
const SET_BACK_MS = 500

interface Entry extends HeapEntry {
  readonly name: string
  /** Of an interval, which would stand still for as long as a clock was set back. */
  everyMs: number | undefined
  pauseMs: number
  looking: boolean
  /** Something changed during the look. */
  again: boolean
  unlisten: (() => void)[]
}

export class Scheduler {
  readonly #port: Port
  readonly #clock: Clock
  readonly #log: Log
  readonly #entries = new Map<string, Entry>()
  readonly #heap = new DueHeap<Entry>()
  #unlisten: (() => void) | undefined
  #started: Promise<void> | undefined
  #timer: Timer | undefined
  #timerMs = Number.POSITIVE_INFINITY
  #looks = 0
  #beats = 0
  #version = -1
  /** Heard out of turn. */
  readonly #versionsAhead = new Set<number>()
  #wallMs: number
  #monotonicMs: number
  #stopped = false

  constructor(parts: { readonly port: Port; readonly clock: Clock; readonly log: Log }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#log = parts.log
    this.#wallMs = parts.clock.wallMs()
    this.#monotonicMs = parts.clock.monotonicMs()
  }

  /** Resolves once it knows every schedule. Idempotent. */
  start(): Promise<void> {
    this.#started ??= this.#begin()
    return this.#started
  }

  stop(): void {
    this.#stopped = true
    this.#unlisten?.()
    this.#timer?.cancel()
    for (const entry of this.#entries.values()) letGo(entry)
  }

  async #begin(): Promise<void> {
    // Before the first look, so that no change falls between the two.
    this.#unlisten = this.#port.listen(SCHEDULES_CHANNEL, (data) => this.#heard(data))
    try {
      await this.#load()
    } catch (fault) {
      this.#log.warn('schedules could not be read and are tried again', { fault })
    }
    this.#arm()
  }

  async #load(): Promise<void> {
    this.#version = (await this.#port.read(SCHEDULES_VERSION_KEY))?.version ?? 0
    this.#versionsAhead.clear()
    const known = new Set(this.#entries.keys())
    let after: string | undefined
    for (;;) {
      const records = await this.#port.scan(SCHEDULE_PREFIX, {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      })
      for (const { key, value } of records) {
        const name = key.slice(SCHEDULE_PREFIX.length)
        known.delete(name)
        this.#take(name, decodeSchedule(value))
      }
      after = records.at(-1)?.key
      if (records.length < PAGE) break
    }
    for (const name of known) this.#forget(name)
  }

  #take(name: string, record: ScheduleRecord | undefined): void {
    if (record === undefined) {
      this.#log.warn('a schedule cannot be read and does not fire', { name })
      this.#forget(name)
      return
    }
    const { when, state } = record
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      entry = { name, dueMs: 0, place: -1, everyMs: undefined, pauseMs: 0, looking: false, again: false, unlisten: [] }
      this.#entries.set(name, entry)
    }
    entry.everyMs = when.kind === 'every' ? when.everyMs : undefined
    if (entry.looking) entry.again = true
    const dueMs = state.heldMs === undefined ? (state.nextMs ?? Number.POSITIVE_INFINITY) : Number.NEGATIVE_INFINITY
    this.#place(entry, state.paused ? Number.POSITIVE_INFINITY : dueMs)
  }

  #forget(name: string): void {
    const entry = this.#entries.get(name)
    if (entry === undefined) return
    letGo(entry)
    this.#heap.remove(entry)
    this.#entries.delete(name)
  }

  #heard(data: Uint8Array): void {
    const { name, version } = JSON.parse(Buffer.from(data).toString('utf8')) as { name: string; version: number }
    this.#versionsAhead.add(version)
    while (this.#versionsAhead.delete(this.#version + 1)) this.#version++
    this.#port.read(scheduleKey(name)).then(
      (stored) => {
        if (this.#stopped) return
        if (stored === undefined) this.#forget(name)
        else this.#take(name, decodeSchedule(stored.value))
      },
      (fault: unknown) => {
        // The next check finds that this one was not taken.
        this.#version = -1
        this.#log.warn('a schedule that changed could not be read', { name, fault })
      },
    )
  }

  #place(entry: Entry, dueMs: number): void {
    if (this.#stopped) return
    this.#heap.place(entry, dueMs)
    if (this.#heap.first === entry) this.#arm()
  }

  #arm(): void {
    if (this.#stopped) return
    const nowMs = this.#clock.wallMs()
    const first = this.#looks < LOOKS_MAX ? this.#heap.first : undefined
    const delayMs = Math.min(BEAT_MS, Math.max(0, (first?.dueMs ?? Number.POSITIVE_INFINITY) - nowMs))
    const timerMs = this.#clock.monotonicMs() + delayMs
    if (this.#timer !== undefined && this.#timerMs <= timerMs) return
    this.#timer?.cancel()
    this.#timerMs = timerMs
    this.#timer = this.#clock.setTimer(delayMs, () => this.#fire())
  }

  #fire(): void {
    this.#timer = undefined
    const nowMs = this.#clock.wallMs()
    const monotonicMs = this.#clock.monotonicMs()
    if (monotonicMs - this.#monotonicMs >= BEAT_MS / 2) this.#beat(nowMs, monotonicMs)
    for (let first = this.#heap.first; first !== undefined && first.dueMs <= nowMs; first = this.#heap.first) {
      if (this.#looks >= LOOKS_MAX) break
      this.#look(first)
    }
    this.#arm()
  }

  #beat(wallMs: number, monotonicMs: number): void {
    const setBackMs = monotonicMs - this.#monotonicMs - (wallMs - this.#wallMs)
    this.#wallMs = wallMs
    this.#monotonicMs = monotonicMs
    if (setBackMs > SET_BACK_MS) this.#rebaseIntervals(wallMs)
    this.#beats = (this.#beats + 1) % BEATS_A_CHECK
    if (this.#beats !== 0) return
    this.#port
      .read(SCHEDULES_VERSION_KEY)
      .then((record) => {
        const version = record?.version ?? 0
        return version === this.#version || this.#stopped ? undefined : this.#load()
      })
      .catch((fault: unknown) => {
        if (isFault(fault, 'closed')) this.stop()
        else if (!this.#stopped) this.#log.warn('schedules could not be read and are tried again', { fault })
      })
  }

  #look(entry: Entry): void {
    this.#heap.place(entry, Number.POSITIVE_INFINITY)
    if (entry.looking) {
      entry.again = true
      return
    }
    entry.looking = true
    entry.again = false
    letGo(entry)
    this.#looks++
    lookAt(this.#port, entry.name, () => this.#clock.wallMs()).then(
      (look) => {
        this.#looked(entry)
        if (this.#entries.get(entry.name) !== entry) return
        if (look.kind === 'gone') this.#forget(entry.name)
        else if (look.kind === 'waiting') this.#wait(entry, look.dueMs, look.blockedBy)
        else if (entry.again) this.#place(entry, Number.NEGATIVE_INFINITY)
      },
      (fault: unknown) => {
        this.#looked(entry)
        this.#failed(entry, fault)
      },
    )
  }

  #looked(entry: Entry): void {
    entry.looking = false
    this.#looks--
    this.#arm()
  }

  #wait(entry: Entry, dueMs: number, blockedBy: readonly MessageId[]): void {
    entry.pauseMs = 0
    if (this.#stopped) return
    entry.unlisten = blockedBy.map((id) =>
      this.#port.listen(`message/${id}`, () => {
        if (this.#entries.get(entry.name) === entry) this.#place(entry, Number.NEGATIVE_INFINITY)
      }),
    )
    this.#place(entry, entry.again ? Number.NEGATIVE_INFINITY : dueMs)
  }

  #failed(entry: Entry, fault: unknown): void {
    if (this.#stopped) return
    if (isFault(fault, 'closed')) {
      this.stop()
      return
    }
    entry.pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS, entry.pauseMs * 2))
    this.#log.warn('a schedule could not fire and is tried again', {
      name: entry.name,
      pauseMs: entry.pauseMs,
      fault,
    })
    this.#place(entry, this.#clock.wallMs() + entry.pauseMs)
  }

  /** The clock was set back: an interval counts from now on rather than wait until it is as late again. */
  #rebaseIntervals(nowMs: number): void {
    for (const entry of this.#entries.values()) {
      const { everyMs, dueMs } = entry
      if (everyMs === undefined || dueMs === Number.POSITIVE_INFINITY || dueMs <= nowMs + everyMs) continue
      this.#rebase(entry.name, nowMs).catch((fault: unknown) => {
        if (!this.#stopped) this.#log.warn('a schedule was not moved to a clock that was set back', { fault })
      })
    }
  }

  async #rebase(name: string, nowMs: number): Promise<void> {
    const stored = await this.#port.read(scheduleKey(name))
    const record = stored && decodeSchedule(stored.value)
    if (stored === undefined || record?.when.kind !== 'every') return
    const nextMs = nowMs + record.when.everyMs
    if (record.state.nextMs === null || record.state.nextMs <= nextMs) return
    const when = { ...record.when, anchorMs: nowMs }
    const moved: ScheduleRecord = { ...record, when, state: { ...record.state, nextMs } }
    try {
      await this.#port.transact([
        { kind: 'record', key: scheduleKey(name), value: encodeSchedule(moved), expect: stored.version },
      ])
    } catch (fault) {
      if (!isFault(fault, 'aborted')) throw fault
    }
    // Whoever moved it, this is where it stands.
    const now = await this.#port.read(scheduleKey(name))
    if (now !== undefined) this.#take(name, decodeSchedule(now.value))
  }
}

function letGo(entry: Entry): void {
  for (const unlisten of entry.unlisten) unlisten()
  entry.unlisten = []
}
