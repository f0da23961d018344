/** One delivery in the hands of a worker, and what its handler sees of it. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Step } from '../client/port.ts'
import type { DecodedHead } from '../model/content.ts'
import type { Delivery, MessageId } from '../model/message.ts'
import type { Log } from '../runtime/log.ts'
import type { Received } from './celery/received.ts'
import type { Deadline } from './deadlines.ts'
import type { Enqueuer, FollowUp } from './enqueue.ts'
import type { Flow, FlowContext } from './flows/flow.ts'
import { LogLines } from './log-lines.ts'
import type { Progress } from './progress.ts'
import { decodeFailureNote, type Interruption, TaskInterrupted } from './task-error.ts'
import type { AnyTask, EnqueueOptions, LogLine, TaskContext, TaskDefinition } from './types.ts'

export class Run {
  readonly delivery: Delivery
  readonly head: DecodedHead
  readonly task: AnyTask | undefined
  /** Python's Celery sent it. */
  readonly celery: Received | undefined
  /** Monotonic: when the lease was taken or last extended, as a lower bound. */
  leasedMs: number
  /** Monotonic: when the handler was called. */
  startedMs: number | undefined
  endedMs: number | undefined
  /** Why it was told to stop; the first reason counts. */
  interruption: Interruption | undefined
  /** It has come to an outcome; whatever the handler still does changes nothing. */
  ended = false
  timeout: Deadline | undefined
  grace: Deadline | undefined
  context: RunContext | undefined
  progress: Progress | undefined
  #log: LogLines | undefined
  followUps: FollowUp[] | undefined
  /** Children for the group around this step. */
  added: Flow<unknown>[] | undefined
  /** What else is committed with its success. */
  company: readonly Step[] | undefined
  /** Celery's sender is not told of its end. */
  unanswered = false
  /** Its end is stored after this. */
  after: Promise<void> | undefined
  /** An earlier run left its progress, which goes with this one. */
  progressRecord = false
  /** Somebody asked in writing for its end; the record goes with it. */
  cancelRecord = false

  constructor(parts: {
    delivery: Delivery
    head: DecodedHead
    task: AnyTask | undefined
    leasedMs: number
    celery?: Received | undefined
  }) {
    this.delivery = parts.delivery
    this.head = parts.head
    this.task = parts.task
    this.leasedMs = parts.leasedMs
    this.celery = parts.celery
  }

  get id(): MessageId {
    return this.delivery.id
  }

  /** The workflow that it is a step of. */
  get flow(): { readonly id: string; readonly path: string } | undefined {
    return this.head.task.flow
  }

  get taskName(): string {
    return this.task?.name ?? this.celery?.task ?? this.head.type ?? ''
  }

  /** 1 for the first; those that its sender counted are among them. */
  get attempt(): number {
    const sent = this.celery?.message
    return this.delivery.attempts + (sent === undefined || sent instanceof Error ? 0 : sent.retries)
  }

  get runMs(): number | undefined {
    return this.startedMs === undefined || this.endedMs === undefined ? undefined : this.endedMs - this.startedMs
  }

  /** Of this attempt and those before it; undefined: none. */
  get lines(): readonly LogLine[] | undefined {
    return this.#log?.all ?? this.#linesBefore()
  }

  addLine(message: string, atMs: number): void {
    this.#log ??= new LogLines(this.#linesBefore() ?? [])
    this.#log.add({ atMs, attempt: this.attempt, message })
  }

  #linesBefore(): readonly LogLine[] | undefined {
    const { note } = this.delivery
    return note === undefined ? undefined : decodeFailureNote(note).log
  }

  /** Tells the handler, if it looks. */
  interrupt(kind: Interruption): void {
    this.interruption = kind
    this.context?.abort(kind)
  }
}

export interface ContextParts {
  readonly log: Log
  readonly wallMs: () => number
  readonly enqueuer: Enqueuer
  readonly progress: (run: Run) => Progress
}

/**
 * `signal`, `progress`, `log` and `enqueue` are getters: a handler may take the context apart, and one that uses none of
 * them pays for none.
 */
export class RunContext implements TaskContext {
  readonly #run: Run
  readonly #parts: ContextParts
  #controller: AbortController | undefined

  constructor(run: Run, parts: ContextParts) {
    this.#run = run
    this.#parts = parts
  }

  get id(): MessageId {
    return this.#run.delivery.id
  }

  get task(): string {
    return this.#run.taskName
  }

  get attempt(): number {
    return this.#run.attempt
  }

  get headers(): TaskContext['headers'] {
    return this.#run.head.headers
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#run.interruption !== undefined) this.abort(this.#run.interruption)
    }
    return this.#controller.signal
  }

  get progress(): TaskContext['progress'] {
    return (fraction, data) => {
      if (!this.#run.ended) {
        this.#run.progress ??= this.#parts.progress(this.#run)
        this.#run.progress.report(fraction, data)
      }
      return Promise.resolve()
    }
  }

  get log(): TaskContext['log'] {
    return (message) => {
      this.#parts.log.info(message, { task: this.task, id: this.id, attempt: this.attempt })
      if (this.#run.ended) return
      this.#run.addLine(String(message), this.#parts.wallMs())
      this.#run.progress ??= this.#parts.progress(this.#run)
      this.#run.progress.logged()
    }
  }

  get enqueue(): TaskContext['enqueue'] {
    return <N extends string, S extends StandardSchemaV1, O>(
      task: TaskDefinition<N, S, O>,
      input: StandardSchemaV1.InferInput<S>,
      options?: EnqueueOptions,
    ): void => {
      this.#run.followUps ??= []
      this.#run.followUps.push(this.#parts.enqueuer.step(task, input, options))
    }
  }

  get flow(): FlowContext | undefined {
    const { flow } = this.#run
    if (flow === undefined) return undefined
    const add = (child: Flow<unknown>): void => {
      this.#run.added ??= []
      this.#run.added.push(child)
    }
    return { ...flow, add }
  }

  /** For this package's own tasks: steps of the unit that acks this run. */
  alsoCommit(steps: readonly Step[]): void {
    this.#run.company = steps
  }

  abort(kind: Interruption): void {
    this.#controller?.abort(new TaskInterrupted(kind))
  }
}
