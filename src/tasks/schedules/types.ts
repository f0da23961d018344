/** The words of schedules: when something is enqueued again and again, and what happens where that was not possible. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Headers } from '../../model/content.ts'
import type { MessageId } from '../../model/message.ts'
import type { TaskDefinition } from '../types.ts'

/** Exactly one of three. */
export type When =
  /**
   * A cron pattern of five fields, or of six with seconds first, in an IANA time zone (default UTC). A time that the
   * clocks skip runs at the moment they move; a time that they show twice runs the first time; `*` and steps run in
   * every hour that there is.
   */
  | { readonly cron: string; readonly timezone?: string; readonly everyMs?: never; readonly at?: never }
  /** Every so many milliseconds (1 or more) from its declaration on. */
  | { readonly everyMs: number; readonly cron?: never; readonly timezone?: never; readonly at?: never }
  /** Once. */
  | { readonly at: Date; readonly cron?: never; readonly timezone?: never; readonly everyMs?: never }

/**
 * What becomes of instants at which no process was there to fire (more than a minute ago): none of them counts
 * (`skip`), the latest one does (`once`), or up to `all` of them, the latest ones (1 to 1,000).
 */
export type Missed = 'skip' | 'once' | { readonly all: number }

/**
 * What happens at an instant while the run before has not ended (is delayed, waiting or running): it runs too (`allow`),
 * it is left out (`skip`), or one, the latest, is held back until that run has ended (`queueOne`).
 */
export type Overlap = 'allow' | 'skip' | 'queueOne'

interface ScheduleRules {
  /** Default `once`. */
  readonly missed?: Missed
  /** Default `allow`. */
  readonly overlap?: Overlap
  readonly priority?: number
  readonly group?: string
  /** How long a run may wait before it is dropped, ms. */
  readonly ttlMs?: number
  readonly headers?: Headers
}

export type TaskScheduleOptions<Name extends string, Schema extends StandardSchemaV1, Output> = When &
  ScheduleRules & {
    readonly task: TaskDefinition<Name, Schema, Output>
    /** Validated when it is declared and again before each run. */
    readonly input: StandardSchemaV1.InferInput<Schema>
    readonly queue?: never
  }

export type QueueScheduleOptions = When &
  ScheduleRules & {
    /** It must have been declared. */
    readonly queue: string
    /** As `queue.send` takes it. */
    readonly body: unknown
    readonly task?: never
  }

export interface Schedule {
  readonly name: string
  /** Rejects with `no-such-schedule` when it was removed. */
  view(options?: { readonly runs?: number }): Promise<ScheduleView>
  /** Instants that pass meanwhile are left out, whatever `missed` says. false: it was paused already. */
  pause(): Promise<boolean>
  /** Goes on with the next instant from now. false: it was not paused. */
  resume(): Promise<boolean>
  /** Fires once now, beside its instants and whatever its overlap. Resolves, once stored, to the id of the message. */
  runNow(): Promise<MessageId>
  /** What it has enqueued stays. false: it was removed already. */
  remove(): Promise<boolean>
}

/** Instants are wall milliseconds. */
export interface ScheduleView {
  readonly name: string
  readonly queue: string
  /** The task's name; undefined for a schedule of a queue. */
  readonly task: string | undefined
  readonly when: WhenView
  readonly missed: Missed
  readonly overlap: Overlap
  readonly paused: boolean
  /** Those to come, as many as were asked for (default 5, at most 1,000); [] while paused or when it has ended. */
  readonly nextRunsMs: readonly number[]
  /** The instant it fired for the last time. */
  readonly lastRunMs: number | undefined
  /** How often it fired. */
  readonly fired: number
}

export type WhenView =
  | { readonly kind: 'cron'; readonly cron: string; readonly timezone: string }
  | { readonly kind: 'every'; readonly everyMs: number; readonly anchorMs: number }
  | { readonly kind: 'at'; readonly atMs: number }

/** Headers of every message that a schedule enqueued: its name, and the instant that it stands for (ISO 8601). */
export const SCHEDULE_HEADER = 'spindle-schedule'
export const SCHEDULED_AT_HEADER = 'spindle-scheduled-at'
