/** The words of workflows: steps, what follows what, and what becomes of the whole. */
import type { HeaderValue } from '../../model/content.ts'
import type { TaskError } from '../types.ts'
import type { FailurePolicy } from './flow.ts'

export type Settled<T> =
  | { readonly state: 'succeeded'; readonly result: T }
  | { readonly state: 'failed'; readonly error: TaskError }

export interface GroupOptions {
  readonly failure?: FailurePolicy
  /** Children under way at one time, 1 to 1,000. Default: all, up to 1,000. */
  readonly concurrency?: number
}

export interface StepOptions {
  readonly priority?: number
  readonly group?: string
  /** Wait before it runs, ms. */
  readonly delayMs?: number
  readonly headers?: Readonly<Record<string, HeaderValue>>
}

export type FlowStatus<Output> =
  | { readonly id: string; readonly state: 'running'; readonly startedAtMs: number }
  | {
      readonly id: string
      readonly state: 'succeeded'
      readonly startedAtMs: number
      readonly endedAtMs: number
      readonly result: Output
    }
  | {
      readonly id: string
      readonly state: 'failed'
      readonly startedAtMs: number
      readonly endedAtMs: number
      readonly error: TaskError
    }
  | { readonly id: string; readonly state: 'cancelled'; readonly startedAtMs: number; readonly endedAtMs: number }

export interface FlowRun<Output> {
  readonly id: string
  /** Rejects `not-found` when nothing is known of it (any more). A success is known for 24 h; the rest until it is removed. */
  status(): Promise<FlowStatus<Output>>
  /** Waits for the end. Rejects `task-failed`, `task-cancelled` or `timeout` (which ends the wait only). */
  result(options?: { readonly timeoutMs?: number }): Promise<Output>
  /** What has not begun does not begin; what runs is told by its `ctx.signal`. false: it had ended already. */
  cancel(): Promise<boolean>
  /** Goes on where it failed or was cancelled: completed steps are not repeated, failed ones start anew. false: nothing to go on with. */
  retry(): Promise<boolean>
  /** The same workflow once more from its start, as a new one. */
  restart(): Promise<FlowRun<Output>>
  /** Forgets one that has ended. false: it runs, or is gone. */
  remove(): Promise<boolean>
}
