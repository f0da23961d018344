/** How much of a task may run at a time and how often, over all workers; what is paused; and when a vendor counts as down. */

/** `count` starts each `perMs`, evenly; up to `burst` (default 1) at once after a pause. */
export interface TaskRate {
  readonly count: number
  readonly perMs: number
  readonly burst?: number
}

/** Over all workers, of the queue that the task goes through. null takes a limit away; what is not named stays as it is. */
export interface TaskLimits {
  /** Runs at a time. */
  readonly concurrency?: number | null
  readonly rate?: TaskRate | null
  /** For each `group` (a tenant, say) by itself; groups take turns. */
  readonly perKey?: { readonly concurrency?: number | null; readonly rate?: TaskRate | null }
}

/**
 *   closed --`failures` in a row--> open --probeAfterMs--> probing --success--> closed
 *                                     ^------ failure (twice as long) ------'
 *
 * While it is open the queue is paused, for every worker. Probing, one task at a time runs. No attempt is spent by failures in either.
 */
export interface BreakerPolicy {
  /** Failures in a row, as one worker sees them. Default 5. */
  readonly failures?: number
  /** Until the first probe, ms; doubles with each probe that fails. Default 10,000. */
  readonly probeAfterMs?: number
  /** Default 5 min. */
  readonly probeAfterMsMax?: number
  /** Does this error say that the vendor is down? Default: every error but permanent failures. */
  readonly counts?: (error: unknown) => boolean
}

export type PauseTarget =
  /** Nothing of it is handed out. */
  | { readonly queue: string; readonly key?: never; readonly task?: never }
  /** One group of it. */
  | { readonly queue: string; readonly key: string; readonly task?: never }
  /** Tasks of this name, in whatever queue. */
  | { readonly task: string; readonly queue?: never; readonly key?: never }
