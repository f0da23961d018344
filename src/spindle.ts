/** What `open()` resolves to: queues, topics, transactions and tasks over one port. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Port, TransactionPort } from './broker/port.ts'
import type { Exchange, ExchangeInput, PolicyInput, Queue, Topic, Transaction } from './client/api.ts'
import { PortExchange } from './client/exchange.ts'
import { PortQueue } from './client/queue.ts'
import { StepTransaction } from './client/transaction.ts'
import { WithinTransaction } from './client/within.ts'
import type { QueueMeasure } from './engine/engine.ts'
import { SpindleError } from './model/errors.ts'
import type { MessageId, MessageView } from './model/message.ts'
import type { Clock } from './runtime/clock.ts'
import type { CeleryCall, CeleryCallOptions, CeleryTask } from './tasks/celery/types.ts'
import type { TaskClient } from './tasks/client.ts'
import type { Flow } from './tasks/flows/flow.ts'
import type { FlowRun } from './tasks/flows/types.ts'
import type { PauseTarget, TaskLimits } from './tasks/limits/types.ts'
import type { QueueScheduleOptions, Schedule, ScheduleView, TaskScheduleOptions } from './tasks/schedules/types.ts'
import type { AnyTask, EnqueueOptions, Job, TaskDefinition, Worker, WorkOptions } from './tasks/types.ts'

export class Spindle {
  /** The URL it was opened with. */
  readonly url: string
  readonly #port: Port
  readonly #tasks: TaskClient
  readonly #clock: Clock

  constructor(parts: {
    readonly url: string
    readonly port: Port
    readonly tasks: TaskClient
    readonly clock: Clock
  }) {
    this.url = parts.url
    this.#port = parts.port
    this.#tasks = parts.tasks
    this.#clock = parts.clock
  }

  /** The port underneath, for front ends and other libraries; applications have no need of it. */
  get port(): Port {
    return this.#port
  }

  /** Declares the queue (idempotent; the fields given replace the ones in force) and hands it out, typed by its bodies. */
  async queue<T = unknown>(name: string, policy: PolicyInput = {}): Promise<Queue<T>> {
    await this.#port.declareQueue(name, policy)
    return new PortQueue<T>(this.#port, name, this.#clock)
  }

  /** Declares the topic (idempotent). Bind queues to it; each published message is stored in all of them, in one commit. */
  async topic<T = unknown>(name: string): Promise<Topic<T>> {
    await this.#port.declareExchange(name, { kind: 'fanout' })
    return new PortExchange<T>(this.#port, name, 'fanout')
  }

  /**
   * Declares the exchange (idempotent; the settings given replace the ones in force, but its kind stays: `exchange-exists`) and hands it
   * out. Bind queues and other exchanges to it; docs/concepts/routing.md says what each kind of exchange looks at.
   */
  async exchange<T = unknown>(name: string, settings: ExchangeInput = {}): Promise<Exchange<T>> {
    const { kind } = await this.#port.declareExchange(name, settings)
    return new PortExchange<T>(this.#port, name, kind)
  }

  /**
   * Gathers what `body` asks for and commits it as one unit once it returns: all of it is durable, or none of it
   * happened. Rejects with `aborted` when a receipt is stale, a version differs or a send is refused or a duplicate.
   */
  async transaction<R>(body: (transaction: Transaction) => R | Promise<R>): Promise<R> {
    const transaction = new StepTransaction()
    const answer = await body(transaction)
    await transaction.commit(this.#port)
    return answer
  }

  /**
   * `client`: of a PostgreSQL store, a `pg` client (or one lent by a pool) whose transaction is open, READ COMMITTED, in the store's own
   * database. What is sent, enqueued and acked through the answer happens with its COMMIT, or never. On queues with groups, caps or pace it
   * holds the queue until then, so keep such transactions short. Rejects `unsupported` elsewhere.
   */
  within(client: unknown): SpindleWithin {
    const port = this.#port.within?.(client)
    if (port === undefined) throw new SpindleError('unsupported', "join a transaction of the application's")
    return new SpindleWithin(port, this.#tasks)
  }

  /** The application's own JSON value under `key`; undefined when there is none. */
  async load(key: string): Promise<{ readonly value: unknown; readonly version: number } | undefined> {
    const record = await this.#port.read(key)
    return record && { value: JSON.parse(new TextDecoder().decode(record.value)), version: record.version }
  }

  /** Where a message is and what became of it; undefined when it is gone. */
  find(id: MessageId): Promise<MessageView | undefined> {
    return this.#port.find(id)
  }

  /** Every queue's counts, age and totals. */
  measure(): Promise<QueueMeasure[]> {
    return this.#port.measure()
  }

  /** Validates the input (`invalid-input`), stores the task and hands out its job: 202 Accepted. */
  enqueue<N extends string, S extends StandardSchemaV1, O>(
    task: TaskDefinition<N, S, O>,
    input: StandardSchemaV1.InferInput<S>,
    options?: EnqueueOptions,
  ): Promise<Job<O>> {
    return this.#tasks.enqueue(task, input, options)
  }

  /** One sync for all. Every input is validated before any is stored; a refusal by the store rejects and says how many were stored. */
  enqueueMany<N extends string, S extends StandardSchemaV1, O>(
    task: TaskDefinition<N, S, O>,
    items: readonly { readonly input: StandardSchemaV1.InferInput<S>; readonly options?: EnqueueOptions }[],
  ): Promise<Job<O>[]> {
    return this.#tasks.enqueueMany(task, items)
  }

  /** The job of an id that was handed out earlier, in whatever process. */
  job<N extends string, S extends StandardSchemaV1, O>(id: string, task: TaskDefinition<N, S, O>): Job<O>
  job(id: string): Job<unknown>
  job(id: string, task?: AnyTask): Job<unknown> {
    return this.#tasks.job(id, task)
  }

  /**
   * Enqueues a task, or sends to a queue, at the instants of a cron pattern, an interval, or once. Idempotent: declare it
   * whenever the program starts. Of however many processes exactly one fires each instant, none early; processes that
   * work or have declared a schedule fire. Rejects `invalid-argument`, `invalid-input`, `no-such-queue`.
   */
  schedule<N extends string, S extends StandardSchemaV1, O>(
    name: string,
    options: TaskScheduleOptions<N, S, O>,
  ): Promise<Schedule>
  schedule(name: string, options: QueueScheduleOptions): Promise<Schedule>
  schedule<N extends string, S extends StandardSchemaV1, O>(
    name: string,
    options: TaskScheduleOptions<N, S, O> | QueueScheduleOptions,
  ): Promise<Schedule> {
    return this.#tasks.schedule(name, options)
  }

  /** The schedule of this name, whoever declared it; undefined when there is none. */
  findSchedule(name: string): Promise<Schedule | undefined> {
    return this.#tasks.schedules.find(name)
  }

  /** By name; `after`: the last name of the page before. Default: 100 of them, with 5 runs to come each. */
  listSchedules(options?: {
    readonly after?: string
    readonly limit?: number
    readonly runs?: number
  }): Promise<ScheduleView[]> {
    return this.#tasks.schedules.list(options)
  }

  /** Fires the schedules of the store, as workers do by themselves; for a process that only watches over it. Idempotent. */
  fireSchedules(): Promise<void> {
    return this.#tasks.fireSchedules()
  }

  /** Pauses a queue, one group of it, or a task type: nothing of it begins until it is resumed; what runs goes on. false: it was paused already. Rejects `no-such-queue`. */
  pause(target: PauseTarget): Promise<boolean> {
    return this.#tasks.pause(target)
  }

  /** false: it was not paused. Of a queue it is felt at once, of a group or type within 5 s. */
  resume(target: PauseTarget): Promise<boolean> {
    return this.#tasks.resume(target)
  }

  /** What is paused by hand. */
  listPauses(): Promise<PauseTarget[]> {
    return this.#tasks.listPauses()
  }

  /** Changes the limits of a queue while it is worked: over all workers, at once. Rejects `no-such-queue`, `invalid-argument`. */
  limit(queue: string, limits: TaskLimits): Promise<void> {
    return this.#tasks.limit(queue, limits)
  }

  /**
   * Sends a task to Python's Celery workers, in its own protocol; resolves once it is durable. Rejects `invalid-input`, `too-large`,
   * `queue-full`, `disk-full`.
   */
  callCelery<S extends StandardSchemaV1, O>(
    task: CeleryTask<S, O>,
    input: StandardSchemaV1.InferInput<S>,
    options?: CeleryCallOptions,
  ): Promise<CeleryCall<O>> {
    return this.#tasks.callCelery(task, input, options)
  }

  /** Starts a workflow (`chain`, `group`, `chord`, `fanOut`, `each` of `step`s); resolves once its first steps are durable. Rejects `invalid-input`, `invalid-argument`. */
  start<Output>(flow: Flow<Output>): Promise<FlowRun<Output>> {
    return this.#tasks.start(flow)
  }

  /** The workflow of an id that was handed out earlier, in whatever process. */
  flow<Output = unknown>(id: string): FlowRun<Output> {
    return this.#tasks.flow(id)
  }

  /** Runs tasks of these definitions until the worker is stopped. */
  work(tasks: readonly AnyTask[], options?: WorkOptions): Promise<Worker> {
    return this.#tasks.work(tasks, options)
  }

  /** Ends waits and workers of this process, then lets go of the store. Idempotent. */
  async close(): Promise<void> {
    await this.#tasks.close()
    await this.#port.close()
  }
}

/** What `Spindle.within` hands out. */
export class SpindleWithin extends WithinTransaction {
  readonly #port: TransactionPort
  readonly #tasks: TaskClient

  constructor(port: TransactionPort, tasks: TaskClient) {
    super(port)
    this.#port = port
    this.#tasks = tasks
  }

  /** Validates the input (`invalid-input`) and stores the task with their COMMIT; its job is known from then on. */
  enqueue<N extends string, S extends StandardSchemaV1, O>(
    task: TaskDefinition<N, S, O>,
    input: StandardSchemaV1.InferInput<S>,
    options?: EnqueueOptions,
  ): Promise<Job<O>> {
    return this.#tasks.enqueueWithin(this.#port, task, input, options)
  }
}
