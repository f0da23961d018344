/** Celery's words, and what they are called here. docs/concepts/celery.md states the rules. */
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** Of a task that Python's Celery sends and a worker here runs. */
export interface CeleryPolicy {
  /** Names of the positional arguments, in the order of the Python signature: `add(2, b=3)` becomes `{ a: 2, b: 3 }`. Default: keyword arguments only. */
  readonly parameters?: readonly string[]
  /** Queue of what follows it (a link, the rest of a chain) where the signature names none: Celery's `task_default_queue`. Default `celery`. */
  readonly defaultQueue?: string
}

/** How Python reaches the queue: each has its own form of the same message. */
export type CeleryTransport = 'amqp' | 'sqs'

/** A task whose handler is a Python function. */
export interface CeleryTask<Schema extends StandardSchemaV1, Output> {
  /** As `@app.task(name=…)` has it. */
  readonly name: string
  readonly options: CeleryTaskOptions<Schema, Output>
}

export interface CeleryTaskOptions<Schema extends StandardSchemaV1, Output> {
  /** The keyword arguments, or the positional ones as an array or tuple. Any Standard Schema validator; checked before it is sent. */
  readonly input: Schema
  /** What the function returns; checked when it arrives. Default: whatever it is. */
  readonly output?: StandardSchemaV1<unknown, Output>
  /** That its workers consume. Default `celery`. */
  readonly queue?: string
  /** Default `amqp`. */
  readonly transport?: CeleryTransport
}

export interface CeleryCallOptions {
  /** Kept in the store until then: no Python worker holds it in memory. At most 400 days. */
  readonly delayMs?: number
  /** Not before this instant. Excludes `delayMs`. */
  readonly runAt?: Date
  /** Celery's `expires`: a worker that gets it later revokes it. */
  readonly expiresAt?: Date
  /** 0 to 255, higher first. */
  readonly priority?: number
  /** Celery's `time_limit` and `soft_time_limit`, ms. */
  readonly timeLimitMs?: number
  readonly softTimeLimitMs?: number
  /** Celery's `ignore_result`: nobody answers. Default false. */
  readonly ignoreResult?: boolean
}

export interface CeleryCall<Output> {
  /** Celery's id of the task, a UUID. */
  readonly id: string
  /**
   * The answer, which comes to this process and to no other, as with Celery's `rpc://`. Rejects `task-failed` (`cause` is the Python exception),
   * `task-cancelled` (revoked, expired), `timeout`, `invalid-input` (it does not fit `output`), `invalid-argument` (with `ignoreResult`). Default: waits for ever.
   */
  result(options?: { readonly timeoutMs?: number }): Promise<Output>
}
