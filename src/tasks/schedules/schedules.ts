/** Declaring, listing and steering schedules: writes of their records, each told to the schedulers of all processes. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Port } from '../../client/port.ts'
import { isFault, SpindleError } from '../../model/errors.ts'
import { PRIORITY_MAX } from '../../model/limits.ts'
import type { MessageId } from '../../model/message.ts'
import { validateName } from '../../model/validate.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Enqueuer } from '../enqueue.ts'
import { queueOf } from '../task-queue.ts'
import type { AnyTask } from '../types.ts'
import { fireNow } from './firing.ts'
import {
  decodeSchedule,
  encodeSchedule,
  isSameDefinition,
  isSameTiming,
  SCHEDULE_PREFIX,
  SCHEDULES_VERSION_KEY,
  type ScheduleDefinition,
  type ScheduleRecord,
  type ScheduleTarget,
  scheduledMessage,
  scheduleKey,
} from './schedule-record.ts'
import { SCHEDULES_CHANNEL, type Scheduler } from './scheduler.ts'
import { CATCH_UP_MAX, instantsAfter, nextAfter, timingOf } from './timing.ts'
import type { QueueScheduleOptions, Schedule, ScheduleView, TaskScheduleOptions } from './types.ts'

const RUNS_SHOWN = 5
const RUNS_SHOWN_MAX = 1_000
const LISTED = 100
const LISTED_MAX = 1_000
/** Others who change the same schedule at the same time. */
const TURNS_MAX = 20

export interface SchedulesParts {
  readonly port: Port
  readonly clock: Clock
  readonly enqueuer: Enqueuer
  readonly scheduler: Scheduler
}

type AnyScheduleOptions = TaskScheduleOptions<string, StandardSchemaV1, unknown> | QueueScheduleOptions

export class Schedules {
  readonly #parts: SchedulesParts

  constructor(parts: SchedulesParts) {
    this.#parts = parts
  }

  async declare(name: string, options: AnyScheduleOptions): Promise<Schedule> {
    validateName('schedule', name)
    const definition = await this.#definition(name, options)
    await this.#parts.scheduler.start()
    await this.#change(name, (record) => this.#declared(record, definition))
    return new StoredSchedule(this.#parts, name, (change) => this.#change(name, change))
  }

  /** By name. `after`: the last name of the page before. */
  async list(
    options: { readonly after?: string; readonly limit?: number; readonly runs?: number } = {},
  ): Promise<ScheduleView[]> {
    const { after, limit = LISTED, runs = RUNS_SHOWN } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > LISTED_MAX) {
      throw new SpindleError('invalid-argument', `list schedules (limit is ${limit} but must be 1 to ${LISTED_MAX})`)
    }
    checkRuns(runs)
    const records = await this.#parts.port.scan(SCHEDULE_PREFIX, {
      limit,
      ...(after === undefined ? {} : { after: scheduleKey(after) }),
    })
    return records.flatMap((stored) => {
      const record = decodeSchedule(stored.value)
      const name = stored.key.slice(SCHEDULE_PREFIX.length)
      return record === undefined ? [] : [viewOf(name, record, { runs, nowMs: this.#parts.clock.wallMs() })]
    })
  }

  /** The one of this name, whoever declared it; undefined when there is none. */
  async find(name: string): Promise<Schedule | undefined> {
    const stored = await this.#parts.port.read(scheduleKey(name))
    return stored && new StoredSchedule(this.#parts, name, (change) => this.#change(name, change))
  }

  async #definition(name: string, options: AnyScheduleOptions): Promise<ScheduleDefinition> {
    const attempted = `declare schedule '${name}'`
    const when = timingOf(options, this.#parts.clock.wallMs(), attempted)
    const { missed = 'once', overlap = 'allow' } = options
    const refuse = (why: string): never => {
      throw new SpindleError('invalid-argument', `${attempted} (${why})`)
    }
    if (typeof missed === 'object' ? !isCatchUp(missed.all) : missed !== 'skip' && missed !== 'once') {
      refuse(`missed must be 'skip', 'once' or { all: 1 to ${CATCH_UP_MAX} }`)
    }
    if (!['allow', 'skip', 'queueOne'].includes(overlap)) refuse("overlap must be 'allow', 'skip' or 'queueOne'")
    const { priority } = options
    if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= PRIORITY_MAX)) {
      refuse(`priority is ${priority} but must be a whole number from 0 to ${PRIORITY_MAX}`)
    }
    const bytes = Object.entries(options.headers ?? {}).find(([, value]) => value instanceof Uint8Array)
    if (bytes !== undefined) refuse(`header '${bytes[0]}' is bytes, which a schedule cannot keep; use text`)
    const target =
      options.task === undefined ? await this.#queueTarget(options, refuse) : await this.#taskTarget(options)
    // What it would enqueue is put together once, so that what cannot be enqueued is refused now and not at night.
    scheduledMessage(name, target, 0)
    return { when, missed, overlap, target }
  }

  async #queueTarget(options: QueueScheduleOptions, refuse: (why: string) => never): Promise<ScheduleTarget> {
    const { queue, body } = options
    if (typeof queue !== 'string') return refuse('say a task with its input, or a queue with a body')
    validateName('queue', queue)
    if ((await this.#parts.port.measure([queue])).length === 0) {
      throw new SpindleError('no-such-queue', `schedule messages to '${queue}'`)
    }
    const rest = restOf(options)
    if (body instanceof Uint8Array) {
      return { queue, kind: 'bytes', body: Buffer.from(body).toString('base64'), ...rest }
    }
    if (typeof body === 'string') return { queue, kind: 'text', body, ...rest }
    return { queue, kind: 'json', ...jsonBody(body, refuse), ...rest }
  }

  /** Validates as an enqueue does, and declares the queue. */
  async #taskTarget(options: TaskScheduleOptions<string, StandardSchemaV1, unknown>): Promise<ScheduleTarget> {
    const task: AnyTask = options.task
    const { group, priority = task.options.priority } = options
    const { declared, step } = this.#parts.enqueuer.step(task, options.input, group === undefined ? {} : { group })
    await step
    await declared
    const rest = restOf({ ...options, ...(priority === undefined ? {} : { priority }) })
    return { queue: queueOf(task), kind: 'json', type: task.name, ...jsonBody(options.input, never), ...rest }
  }

  #declared(record: ScheduleRecord | undefined, definition: ScheduleDefinition): ScheduleRecord | undefined {
    const nowMs = this.#parts.clock.wallMs()
    const { when } = definition
    // A one-off whose instant has passed is judged like any missed one.
    const nextMs = when.kind === 'at' ? when.atMs : nextAfter(when, nowMs)
    const fresh = { nextMs, paused: false, fired: 0, running: [] }
    if (record === undefined) return { ...definition, state: fresh }
    if (isSameDefinition(record, definition)) return undefined
    if (isSameTiming(record.when, when)) return { ...definition, when: record.when, state: record.state }
    const { heldMs: _held, ...state } = record.state
    return { ...definition, state: { ...state, nextMs } }
  }

  /**
   * Writes what `change` makes of the record, and tells everybody. false: it made nothing of it (`undefined`). `null` removes.
   */
  async #change(name: string, change: ScheduleChange): Promise<boolean> {
    const { port } = this.#parts
    const key = scheduleKey(name)
    for (let turn = 0; ; turn++) {
      const stored = await port.read(key)
      const changed = change(stored && decodeSchedule(stored.value))
      if (changed === undefined) return false
      const value = changed === null ? null : encodeSchedule(changed)
      try {
        const [, counted] = await port.transact([
          { kind: 'record', key, value, expect: stored?.version ?? 0 },
          { kind: 'record', key: SCHEDULES_VERSION_KEY, value: NOTHING },
        ])
        const version = counted?.kind === 'written' ? counted.version : 0
        port.announce(SCHEDULES_CHANNEL, Buffer.from(JSON.stringify({ name, version })))
        return true
      } catch (fault) {
        const isRace = isFault(fault, 'aborted')
        if (!isRace || turn === TURNS_MAX) throw fault
      }
    }
  }
}

const NOTHING = new Uint8Array(0)

type ScheduleChange = (record: ScheduleRecord | undefined) => ScheduleRecord | null | undefined

class StoredSchedule implements Schedule {
  readonly name: string
  readonly #parts: SchedulesParts
  readonly #change: (change: ScheduleChange) => Promise<boolean>

  constructor(parts: SchedulesParts, name: string, change: (change: ScheduleChange) => Promise<boolean>) {
    this.name = name
    this.#parts = parts
    this.#change = change
  }

  async view(options: { readonly runs?: number } = {}): Promise<ScheduleView> {
    const { runs = RUNS_SHOWN } = options
    checkRuns(runs)
    const stored = await this.#parts.port.read(scheduleKey(this.name))
    const record = stored && decodeSchedule(stored.value)
    if (record === undefined) throw this.#missing('look at')
    return viewOf(this.name, record, { runs, nowMs: this.#parts.clock.wallMs() })
  }

  pause(): Promise<boolean> {
    return this.#change((record) => {
      if (record === undefined) throw this.#missing('pause')
      const { heldMs: _held, ...state } = record.state
      return state.paused ? undefined : { ...record, state: { ...state, paused: true } }
    })
  }

  resume(): Promise<boolean> {
    return this.#change((record) => {
      if (record === undefined) throw this.#missing('resume')
      const { state, when } = record
      if (!state.paused) return undefined
      const nowMs = this.#parts.clock.wallMs()
      const isAhead = state.nextMs === null || state.nextMs > nowMs
      const nextMs = isAhead ? state.nextMs : nextAfter(when, nowMs)
      return { ...record, state: { ...state, paused: false, nextMs } }
    })
  }

  async runNow(): Promise<MessageId> {
    const { port, clock } = this.#parts
    const id = await fireNow(port, this.name, clock.wallMs())
    if (id === undefined) throw this.#missing('run')
    return id
  }

  remove(): Promise<boolean> {
    return this.#change((record) => (record === undefined ? undefined : null))
  }

  #missing(verb: string): SpindleError {
    return new SpindleError('no-such-schedule', `${verb} schedule '${this.name}'`)
  }
}

function viewOf(
  name: string,
  record: ScheduleRecord,
  { runs, nowMs }: { readonly runs: number; readonly nowMs: number },
): ScheduleView {
  const { when, missed, overlap, target, state } = record
  const { nextMs, paused, fired, lastRunMs } = state
  const nextRunsMs =
    paused || nextMs === null || runs === 0 ? [] : [nextMs, ...instantsAfter(when, Math.max(nextMs, nowMs), runs - 1)]
  return { name, queue: target.queue, task: target.type, when, missed, overlap, paused, nextRunsMs, lastRunMs, fired }
}

function restOf(
  options: Pick<AnyScheduleOptions, 'headers' | 'priority' | 'group' | 'ttlMs'>,
): Pick<ScheduleTarget, 'headers' | 'priority' | 'group' | 'ttlMs'> {
  const { headers, priority, group, ttlMs } = options
  return {
    ...(headers === undefined ? {} : { headers: { ...headers } }),
    ...(priority === undefined ? {} : { priority }),
    ...(group === undefined ? {} : { group }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  }
}

/** As JSON will give it back, so that the same declaration compares equal. */
function jsonBody(body: unknown, refuse: (why: string) => never): Pick<ScheduleTarget, 'body'> {
  try {
    const json = JSON.stringify(body) as string | undefined
    if (json !== undefined) return { body: JSON.parse(json) as unknown }
    return body === undefined ? {} : refuse(`its body is a ${typeof body}, which JSON cannot carry`)
  } catch (thrown) {
    return refuse(`its body cannot be JSON: ${String(thrown)}`)
  }
}

function never(why: string): never {
  throw new SpindleError('invalid-argument', why)
}

function isCatchUp(all: unknown): boolean {
  return Number.isInteger(all) && (all as number) >= 1 && (all as number) <= CATCH_UP_MAX
}

function checkRuns(runs: number): void {
  if (Number.isInteger(runs) && runs >= 0 && runs <= RUNS_SHOWN_MAX) return
  throw new SpindleError('invalid-argument', `list runs (runs is ${runs} but must be 0 to ${RUNS_SHOWN_MAX})`)
}
