/** The words of tasks. A task is a message with a `type`; a worker leases it, runs its handler and settles it. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { MessageId } from '../model/message.ts'
import type { DedupPolicy } from '../model/policy.ts'
import type { Random } from '../runtime/random.ts'
import type { CeleryPolicy } from './celery/types.ts'
import type { FlowContext } from './flows/flow.ts'
import type { BreakerPolicy, TaskLimits } from './limits/types.ts'

export interface TaskDefinition<Name extends string, Schema extends StandardSchemaV1, Output> {
  readonly name: Name
  readonly options: TaskOptions<Schema, Output>
}

/** A task whose types are not known here: what lists of tasks hold. */
export type AnyTask = TaskDefinition<string, StandardSchemaV1, unknown>

export interface TaskOptions<Schema extends StandardSchemaV1, Output> {
  /** Any Standard Schema validator; the handler gets its output. Checked on enqueue and again before each run. */
  readonly input: Schema
  /** The queue it goes through. Default: the task's name. One queue a vendor, so that one outage stays one outage. */
  readonly queue?: string
  readonly retry?: RetryPolicy
  /** How long a delivery hides the task between renewals, ms. Default 30,000. Renewed while the handler runs. */
  readonly leaseMs?: number
  /** Longest run of one attempt, ms; then `ctx.signal` aborts and the attempt fails. Default: none. */
  readonly timeoutMs?: number
  /** false: a lost lease fails the task instead of running it again. Default true. */
  readonly idempotent?: boolean
  /** When attempts are exhausted: keep it `failed` where it can be seen and retried, drop it, or move it. Default keep. */
  readonly onExhausted?: 'keep' | 'discard' | { readonly deadLetter: string }
  readonly result?: {
    /** How long status and result stay after success or cancellation, ms. 0 keeps nothing. Default 24 h. */
    readonly retainMs?: number
    /** At most this many kept results in its queue, oldest dropped first. */
    readonly retainMax?: number
  }
  /** 0 to 255, higher first, for tasks enqueued without one. Default 0. */
  readonly priority?: number
  /** Groups take turns (`fair`); the tasks of one run one after the other (`ordered`), and stay with one worker until drained (`sticky`). Default: no groups. */
  readonly groups?: 'fair' | 'ordered' | 'sticky'
  /** Over all workers. They are the queue's: tasks that share one must agree. Default: none. */
  readonly limits?: TaskLimits
  /** Parks the queue while what it depends on is down. Default: none. */
  readonly breaker?: BreakerPolicy
  /**
   * What a repeated `dedupId` means. Default: it answers with the first job while that one has not ended. `replace`: the newest takes the
   * place of the one that waits. `afterRunning`: exactly one more follows the running one (the key is their group, unless one is given).
   */
  readonly dedup?: DedupPolicy
  /**
   * Runs the handler beside the worker's event loop, in a thread or a process of its own, for work that keeps a CPU busy. Its lease is
   * renewed meanwhile; a crash, a lack of memory or `process.exit` is a failed attempt. Worker's `files` must export it.
   */
  readonly isolate?: 'thread' | 'process'
  /**
   * Attempts that may end without a word, or with the end of their isolate, before it counts as poison: it then fails with the reason
   * `poison`, whatever attempts are left. null: never. Default 3.
   */
  readonly killsMax?: number | null
  /** It also runs what Python's Celery sends to its queue under its name: docs/concepts/celery.md. Default: it does not. */
  readonly celery?: CeleryPolicy
  /** Of `batchTask`. */
  readonly batch?: BatchPolicy
  runBatch?(items: readonly BatchItem<StandardSchemaV1.InferOutput<Schema>>[]): BatchResults<Output>
  /** Heap of that thread or process, MiB. Default: Node's. Only with `isolate`. */
  readonly memoryMbMax?: number
  run(input: StandardSchemaV1.InferOutput<Schema>, context: TaskContext): Promise<Output> | Output
}

export interface RetryPolicy {
  /** Attempts in all, the first included. Default 5. */
  readonly attempts?: number
  /** Delay before attempt n + 1, ms, given n (>= 1) and the error. Default: exponential, base 1 s, cap 5 min, full jitter. */
  readonly backoff?: Backoff
  /** Looks at the error of attempt n (>= 1) and decides. Default, and where it throws: `retry`. */
  readonly decide?: (error: unknown, failedAttempts: number) => RetryDecision
}

/**
 * `retry`: after the backoff, while attempts are left. `fail`: now, whatever is left. `discard`: ends without being a failure.
 * `delayMs`: as `retry`, after this. `snoozeMs`: again after this, and no attempt is spent.
 */
export type RetryDecision = 'retry' | 'fail' | 'discard' | { readonly delayMs: number } | { readonly snoozeMs: number }

export interface BatchPolicy {
  /** Inputs of one run at most; the worker's concurrency is a limit too. */
  readonly max: number
  /** How long the first one may wait for company, ms. */
  readonly waitMs: number
}

export interface BatchItem<Input> {
  readonly input: Input
  readonly context: TaskContext
}

/** One result for each item, in their order (an Error fails that one alone), or nothing. A throw fails all. */
export type BatchResults<Output> =
  // biome-ignore lint/suspicious/noConfusingVoidType: what an async handler without a return statement answers.
  Promise<readonly (Output | Error)[] | undefined | void> | readonly (Output | Error)[] | undefined | void

/** Milliseconds to wait. A negative, infinite or missing answer, or a throw, falls back to the default backoff. */
export type Backoff = (failedAttempts: number, error: unknown, random: Random) => number

export interface TaskContext {
  readonly id: MessageId
  readonly task: string
  /** 1 for the first run. */
  readonly attempt: number
  /**
   * Aborts on lost lease, cancel, time-out or shutdown; `reason` is a `TaskInterrupted` that says which. A handler that goes
   * on regardless is left alone after ABORT_GRACE_MS: its attempt ends without it.
   */
  readonly signal: AbortSignal
  readonly headers: Readonly<Record<string, string | number | boolean | Uint8Array>>
  /** 0 to 1, and any JSON data to show with it. Throttled; the latest one counts. Never fails the task. */
  progress(fraction: number, data?: unknown): Promise<void>
  /** To the log of the worker, and kept with the status: the newest 100 lines of all attempts, 8 KiB at most. */
  log(message: string): void
  /** The workflow that it is a step of; undefined for other tasks, and for those with `isolate`. */
  readonly flow: FlowContext | undefined
  /**
   * Enqueues a follow-up task; committed together with this task's success, in one unit. Throws `invalid-input`. An
   * attempt whose follow-ups the store refuses (a duplicate, a full queue) fails.
   */
  enqueue<N extends string, S extends StandardSchemaV1, O>(
    task: TaskDefinition<N, S, O>,
    input: StandardSchemaV1.InferInput<S>,
    options?: EnqueueOptions,
  ): void
}

export interface EnqueueOptions {
  readonly delayMs?: number
  /** Not before this instant. Excludes `delayMs`. */
  readonly runAt?: Date
  readonly priority?: number
  readonly group?: string
  readonly dedupId?: string
  /** How long it may wait before it is dropped, ms. */
  readonly ttlMs?: number
  /** Dropped if it has not begun by then. Excludes `ttlMs`. */
  readonly expiresAt?: Date
  /** Runs when none with the same `dedupId` was enqueued for this long, ms: each one replaces the one that waits. Excludes `delayMs` and `runAt`. */
  readonly debounceMs?: number
  readonly headers?: Readonly<Record<string, string | number | boolean | Uint8Array>>
  /**
   * When the task ends, POST its final status there as JSON (a retried task of its own), also where the store judged the end: a lost
   * lease, attempts spent by crashes. Loopback or public http(s). Not for one that expired before it began.
   */
  readonly webhook?: string
}

export interface TaskError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
}

interface Timings {
  readonly enqueuedAtMs: number
  /** From enqueue call to durable, as the enqueuer saw it; undefined where unknown. */
  readonly storeMs: number | undefined
  /** From durable (or due) to first delivery. */
  readonly waitMs: number | undefined
  /** Run time of the last attempt. */
  readonly runMs: number | undefined
}

/** A line that a handler logged. */
export interface LogLine {
  /** Wall time. */
  readonly atMs: number
  readonly attempt: number
  readonly message: string
}

interface StatusBase {
  readonly id: MessageId
  readonly task: string
  readonly attempts: number
  readonly timings: Timings
  /** What its handlers logged, the oldest first; of a failed attempt the newest 2 KiB. undefined: nothing is known of any. */
  readonly log?: readonly LogLine[]
}

export type TaskStatus<Output> =
  | (StatusBase & { readonly state: 'queued' })
  | (StatusBase & { readonly state: 'delayed'; readonly dueAtMs: number })
  | (StatusBase & { readonly state: 'running'; readonly progress: number | undefined; readonly data: unknown })
  | (StatusBase & { readonly state: 'succeeded'; readonly result: Output; readonly endedAtMs: number })
  | (StatusBase & { readonly state: 'retrying'; readonly error: TaskError; readonly nextAttemptAtMs: number })
  | (StatusBase & {
      readonly state: 'failed'
      readonly reason: string
      readonly error: TaskError | undefined
      readonly endedAtMs: number
    })
  | (StatusBase & { readonly state: 'cancelled'; readonly endedAtMs: number })
  | (StatusBase & { readonly state: 'discarded'; readonly reason: string; readonly endedAtMs: number })

/** A job as one looks at it. */
export interface JobView<Output> {
  readonly id: MessageId
  /** The task's name; undefined for a job that was looked up by its id alone. */
  readonly task: string | undefined
  /** Rejects with `not-found` when nothing is known of it (any more). */
  status(): Promise<TaskStatus<Output>>
  /** Waits for the end. Rejects with `task-failed`, `task-cancelled` or `timeout` (which ends the wait, not the task). Default: waits for ever. */
  result(options?: { readonly timeoutMs?: number }): Promise<Output>
  /** Every change of status or progress until the end; the first is the present one. */
  watch(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<TaskStatus<Output>>
}

export interface Job<Output> extends JobView<Output> {
  /** Queued: gone at once. Running: its `ctx.signal` aborts and it is not retried. false: it had ended already. */
  cancel(): Promise<boolean>
  /** A failed (kept) task goes back to its queue with its attempts reset. false: not failed. */
  retry(): Promise<boolean>
}

/**
 * `turns`: each queue is first in turn. `strict`: in the order of the tasks given, the next one only when those before are empty.
 * Weights by queue (default 1): how often one is first, against the others.
 */
export type QueueOrder = 'turns' | 'strict' | Readonly<Record<string, number>>

/** One task that runs at this moment. */
export interface RunningTask {
  readonly id: MessageId
  readonly task: string
  readonly queue: string
  readonly attempt: number
  readonly runMs: number
  /** What it told last, 0 to 1; undefined: nothing. */
  readonly progress: number | undefined
}

export interface WorkOptions {
  /** Tasks run at one time by this worker, over all its queues. Default 10. */
  readonly concurrency?: number
  /** Which queue is asked first. Default `turns`. */
  readonly order?: QueueOrder
  /** How long a stop waits for running tasks before it aborts them and gives them back unspent, ms. Default 25,000. */
  readonly drainMs?: number
  /** Attempts that this worker begins before it stops by itself, once they have all ended; never one more. Default: no limit. */
  readonly tasksMax?: number
  /** Stop on SIGTERM and SIGINT, exit at once on the second. Default false (the CLI sets it). */
  readonly handleSignals?: boolean
  /** Modules that export the tasks with `isolate`, as paths: their threads and processes load them. `spindle work` knows its own. */
  readonly files?: readonly string[]
  /** Told of the end of each attempt, once the store has it. It must not throw. */
  readonly ended?: (end: TaskEnd) => void
}

/** What became of one attempt; `released`: given back unspent by a stop; `lost`: the store no longer took its end. */
export interface TaskEnd {
  readonly id: MessageId
  readonly task: string
  readonly queue: string
  readonly attempt: number
  readonly outcome: 'succeeded' | 'cancelled' | 'retrying' | 'snoozed' | 'failed' | 'discarded' | 'released' | 'lost'
  readonly runMs: number
  readonly error?: TaskError
}

export interface Worker {
  readonly running: number
  /** What runs, the oldest first. */
  runs(): RunningTask[]
  /** Claims nothing more until `resume`; what runs goes on. Idempotent. */
  quiet(): void
  /** Ends a `quiet`. Nothing after a stop. */
  resume(): void
  /** Stops claiming, drains, then aborts and releases without spending an attempt. Idempotent. */
  stop(options?: { readonly drainMs?: number }): Promise<void>
  /** Resolves when the worker has stopped; rejects when the store failed under it. */
  readonly stopped: Promise<void>
}
