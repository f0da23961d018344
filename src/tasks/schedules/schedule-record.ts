/**
 * A schedule as it is stored, at `spindle/schedule/NAME`: what was declared, and how far it has come. Every firing
 * writes it in the unit that appends the message, with the version that was read: of several processes one gets through.
 */
import { type ContentKind, encodeContent, encodeJsonContent, type HeaderValue } from '../../model/content.ts'
import type { MessageId, NewMessage } from '../../model/message.ts'
import { type Missed, type Overlap, SCHEDULE_HEADER, SCHEDULED_AT_HEADER, type WhenView } from './types.ts'

export const SCHEDULE_PREFIX = 'spindle/schedule/'
/** Its version grows with each declaration, pause, resume and removal; who missed their announcement sees it there. */
export const SCHEDULES_VERSION_KEY = 'spindle/schedules'

export function scheduleKey(name: string): string {
  return `${SCHEDULE_PREFIX}${name}`
}

/** What was declared: two declarations are the same when these are. */
export interface ScheduleDefinition {
  readonly when: WhenView
  readonly missed: Missed
  readonly overlap: Overlap
  readonly target: ScheduleTarget
}

export interface ScheduleTarget {
  readonly queue: string
  readonly kind: ContentKind
  /** JSON value, text, or base64, by `kind`. Headers are text, numbers and booleans: bytes have no JSON form. */
  readonly body?: unknown
  readonly type?: string
  readonly headers?: Readonly<Record<string, HeaderValue>>
  readonly priority?: number
  readonly group?: string
  readonly ttlMs?: number
}

/** A run that may still be under way; without an id its firing process has not come to write it down. */
export interface TrackedRun {
  readonly atMs: number
  readonly id?: MessageId
}

export interface ScheduleState {
  /** The first instant that has not been judged; null: there is none. */
  readonly nextMs: number | null
  readonly paused: boolean
  readonly fired: number
  readonly lastRunMs?: number
  /** Only where `overlap` is not `allow`. */
  readonly running: readonly TrackedRun[]
  /** The instant that `queueOne` holds back. */
  readonly heldMs?: number
}

export interface ScheduleRecord extends ScheduleDefinition {
  readonly state: ScheduleState
}

export function encodeSchedule(record: ScheduleRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record))
}

/** undefined: it is no schedule of this version of Spindle. */
export function decodeSchedule(value: Uint8Array): ScheduleRecord | undefined {
  try {
    const record = JSON.parse(Buffer.from(value).toString('utf8')) as ScheduleRecord
    const { when, target, state } = record
    const isWhole =
      (when.kind === 'cron' || when.kind === 'every' || when.kind === 'at') &&
      typeof target.queue === 'string' &&
      (state.nextMs === null || Number.isFinite(state.nextMs)) &&
      Array.isArray(state.running)
    return isWhole ? record : undefined
  } catch {
    return undefined
  }
}

/** By their JSON: what is stored has no other form. */
export function isSameDefinition(one: ScheduleDefinition, other: ScheduleDefinition): boolean {
  return JSON.stringify(essence(one)) === JSON.stringify(essence(other))
}

/** Since when an interval runs is not said in its declaration. */
function essence({ when, missed, overlap, target }: ScheduleDefinition): unknown {
  return [timingEssence(when), missed, overlap, target]
}

export function isSameTiming(one: WhenView, other: WhenView): boolean {
  return JSON.stringify(timingEssence(one)) === JSON.stringify(timingEssence(other))
}

function timingEssence(when: WhenView): unknown {
  return when.kind === 'every' ? ['every', when.everyMs] : when
}

/** The message of one instant. */
export function scheduledMessage(name: string, target: ScheduleTarget, atMs: number): NewMessage {
  const { kind, body, type, priority, group, ttlMs } = target
  const headers = {
    ...target.headers,
    [SCHEDULE_HEADER]: name,
    [SCHEDULED_AT_HEADER]: new Date(atMs).toISOString(),
  }
  const meta = { headers, ...(type === undefined ? {} : { type }) }
  const content =
    kind === 'json'
      ? encodeJsonContent(body, meta)
      : encodeContent(kind === 'bytes' ? Buffer.from(String(body), 'base64') : String(body), meta)
  return {
    content,
    ...(priority === undefined ? {} : { priority }),
    ...(group === undefined ? {} : { groupId: group }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  }
}
