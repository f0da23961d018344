/** Tasks over one port: what `Spindle` offers its applications. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Port, TransactionPort } from '../client/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { Limits } from '../model/limits.ts'
import type { MessageId } from '../model/message.ts'
import { defaultPolicy } from '../model/policy.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import type { Tracing } from '../runtime/tracing.ts'
import { Batches } from './batches.ts'
import { CeleryCalls } from './celery/calls.ts'
import { CeleryInbox } from './celery/inbox.ts'
import type { CeleryCall, CeleryCallOptions, CeleryTask } from './celery/types.ts'
import type { Changes } from './changes.ts'
import { Deadlines } from './deadlines.ts'
import { Enqueuer } from './enqueue.ts'
import type { Flow } from './flows/flow.ts'
import { FLOW_CHANNEL, Flows } from './flows/flows.ts'
import { FLOW_QUEUE } from './flows/progression.ts'
import type { FlowRun } from './flows/types.ts'
import { Isolation } from './isolation/isolation.ts'
import { type JobParts, TaskJob } from './job.ts'
import { sweepLeftovers } from './leftovers.ts'
import { Breakers } from './limits/breakers.ts'
import { listPauses, Pauses, setPaused } from './limits/pauses.ts'
import type { BreakerPolicy, PauseTarget, TaskLimits } from './limits/types.ts'
import { Scheduler } from './schedules/scheduler.ts'
import { Schedules } from './schedules/schedules.ts'
import type { QueueScheduleOptions, Schedule, TaskScheduleOptions } from './schedules/types.ts'
import { Sideline } from './sideline.ts'
import { stopOnSignals } from './signals.ts'
import { StoreTimes } from './store-times.ts'
import { queueOf, TaskQueues } from './task-queue.ts'
import type { AnyTask, EnqueueOptions, Job, QueueOrder, TaskDefinition, Worker, WorkOptions } from './types.ts'
import { type Post, WEBHOOK_TASK, type WebhookTask, webhookTask } from './webhook.ts'
import { WEBHOOK_CHANNEL, WebhookQueue } from './webhook-queue.ts'
import { Webhooks, webhookOfDeath } from './webhooks.ts'
import { TaskWorker, type TaskWorkerParts, type WorkedQueue } from './worker.ts'

const CONCURRENCY_DEFAULT = 10
const DRAIN_MS_DEFAULT = 25_000
/** Joins and failures of workflows a worker handles at one time, beside its tasks. */
const FLOW_CONCURRENCY = 8
/** Webhooks a worker delivers at one time, beside its tasks. */
const WEBHOOK_CONCURRENCY = 8

export interface TaskClientParts {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  readonly log: Log
  /** Who traces what tasks do. Default: nobody. */
  readonly tracing?: Tracing
  /** How webhooks are sent. Default: over the network, to public and loopback addresses. */
  readonly post?: Post
}

/** `renew: false` lets leases run out while handlers run, as a hung thread would; for tests. */
export type InternalWorkOptions = WorkOptions & { readonly renew?: boolean }

export function createTasks(parts: TaskClientParts): TaskClient {
  return new TaskClient(parts)
}

export class TaskClient {
  readonly #parts: TaskClientParts
  readonly #queues: TaskQueues
  readonly #enqueuer: Enqueuer
  readonly #jobParts: JobParts
  readonly #webhook: WebhookTask
  readonly #webhooks: Webhooks
  readonly #flows: Flows
  readonly #celery: CeleryCalls
  readonly #scheduler: Scheduler
  /** Declared schedules, of whatever process. */
  readonly schedules: Schedules
  readonly #waits = new Set<Changes>()
  readonly #workers = new Set<Worker>()
  #swept = false

  constructor(parts: TaskClientParts) {
    const { port, clock, log } = parts
    const storeTimes = new StoreTimes()
    this.#parts = parts
    this.#queues = new TaskQueues(port)
    this.#webhook = webhookTask((death) => webhookOfDeath(death, { port, clock }), parts.post)
    const webhookQueue = new WebhookQueue({ port, queues: this.#queues, task: this.#webhook })
    this.#enqueuer = new Enqueuer({ port, clock, queues: this.#queues, storeTimes, webhookQueue })
    this.#webhooks = new Webhooks({
      port,
      clock,
      enqueuer: this.#enqueuer,
      task: this.#webhook,
      queue: webhookQueue,
    })
    this.#flows = new Flows({ port, clock, random: parts.random, queues: this.#queues, waits: this.#waits })
    const { queues, webhooks, flows, waits } = {
      queues: this.#queues,
      webhooks: this.#webhooks,
      flows: this.#flows,
      waits: this.#waits,
    }
    this.#jobParts = { port, clock, queues, storeMsOf: (id) => storeTimes.of(id), webhooks, flows, waits }
    this.#celery = new CeleryCalls({ port, clock, random: parts.random, log })
    this.#scheduler = new Scheduler({ port, clock, log })
    this.schedules = new Schedules({ port, clock, enqueuer: this.#enqueuer, scheduler: this.#scheduler })
  }

  /** Resolves once the task is durable. Rejects `invalid-input` (with `issues`), `too-large`, `queue-full`, `disk-full`. */
  enqueue<N extends string, S extends StandardSchemaV1, O>(
    task: TaskDefinition<N, S, O>,
    input: StandardSchemaV1.InferInput<S>,
    options?: EnqueueOptions,
  ): Promise<Job<O>> {
    return this.#enqueuer.enqueue(task, input, options, (id) => new TaskJob<O>(this.#jobParts, id, task.name))
  }

  /** As `enqueue`, in a transaction of the application's. */
  enqueueWithin<N extends string, S extends StandardSchemaV1, O>(
    port: TransactionPort,
    task: TaskDefinition<N, S, O>,
    input: StandardSchemaV1.InferInput<S>,
    options?: EnqueueOptions,
  ): Promise<Job<O>> {
    const enqueuer = this.#enqueuer.over(port)
    return enqueuer.enqueue(task, input, options, (id) => new TaskJob<O>(this.#jobParts, id, task.name))
  }

  /** One sync for all. Every input is validated before any is stored; a refusal by the store rejects and says how many were stored. */
  enqueueMany<N extends string, S extends StandardSchemaV1, O>(
    task: TaskDefinition<N, S, O>,
    items: readonly { readonly input: StandardSchemaV1.InferInput<S>; readonly options?: EnqueueOptions }[],
  ): Promise<Job<O>[]> {
    return this.#enqueuer
      .enqueueMany(task, items)
      .then((ids) => ids.map((id) => new TaskJob<O>(this.#jobParts, id, task.name)))
  }

  /** The job of an id that was handed out earlier, in whatever process. Its task says what its result is. */
  job<N extends string, S extends StandardSchemaV1, O>(id: string, task: TaskDefinition<N, S, O>): Job<O>
  job(id: string, task?: AnyTask): Job<unknown>
  job(id: string, task?: AnyTask): Job<unknown> {
    return new TaskJob<unknown>(this.#jobParts, id as MessageId, task?.name)
  }

  /** Sends a task to Python workers; resolves once it is durable. Rejects `invalid-input`, `too-large`, `queue-full`, `disk-full`. */
  callCelery<S extends StandardSchemaV1, O>(
    task: CeleryTask<S, O>,
    input: StandardSchemaV1.InferInput<S>,
    options?: CeleryCallOptions,
  ): Promise<CeleryCall<O>> {
    return this.#celery.call(task, input, options)
  }

  /** Declares a schedule; idempotent. From then on this process is one of those that fire. Rejects `invalid-argument`, `invalid-input`, `no-such-queue`. */
  schedule<N extends string, S extends StandardSchemaV1, O>(
    name: string,
    options: TaskScheduleOptions<N, S, O> | QueueScheduleOptions,
  ): Promise<Schedule> {
    return this.schedules.declare(name, options as QueueScheduleOptions)
  }

  /** Fires the schedules of the store, as workers do by themselves; for a process that only watches over it. Idempotent. */
  fireSchedules(): Promise<void> {
    return this.#scheduler.start()
  }

  /** Nothing of it begins until it is resumed; what runs goes on. false: it was paused already. Rejects `no-such-queue`. */
  pause(target: PauseTarget): Promise<boolean> {
    return setPaused(this.#parts.port, target, true)
  }

  /** false: it was not paused. */
  resume(target: PauseTarget): Promise<boolean> {
    return setPaused(this.#parts.port, target, false)
  }

  listPauses(): Promise<PauseTarget[]> {
    return listPauses(this.#parts.port)
  }

  /** Changes the limits of a queue while it is worked. Rejects `no-such-queue`, `invalid-argument`. */
  limit(queue: string, limits: TaskLimits): Promise<void> {
    return this.#queues.limit(queue, limits)
  }

  /** Starts a workflow; resolves once its first steps are durable. Rejects `invalid-input`, `invalid-argument`. */
  start<Output>(flow: Flow<Output>): Promise<FlowRun<Output>> {
    return this.#flows.start(flow)
  }

  /** The workflow of an id that was handed out earlier, in whatever process. */
  flow<Output = unknown>(id: string): FlowRun<Output> {
    return this.#flows.run(id)
  }

  /** Declares the queues of these tasks, then runs them until the worker is stopped. */
  async work(tasks: readonly AnyTask[], options: InternalWorkOptions = {}): Promise<Worker> {
    const {
      concurrency = CONCURRENCY_DEFAULT,
      drainMs = DRAIN_MS_DEFAULT,
      tasksMax,
      ended,
      renew = true,
      files = [],
      order = 'turns',
    } = options
    checkWork(tasks, { concurrency, drainMs, tasksMax, files, order })
    for (const task of tasks) await this.#queues.declare(task)
    const { port } = this.#parts
    const webhooks = new Sideline(() => this.#workAside(this.#webhook, WEBHOOK_CONCURRENCY, drainMs))
    const flows = new Sideline(() => this.#workAside(this.#flows.task, FLOW_CONCURRENCY, drainMs))
    const unlisteners = [
      port.listen(WEBHOOK_CHANNEL, () => webhooks.start()),
      port.listen(FLOW_CHANNEL, () => flows.start()),
    ]
    const unlisten = (): void => {
      for (const end of unlisteners) end()
    }
    const worker = await this.#start(tasks, { concurrency, drainMs, tasksMax, ended, renew, files, order })
    for (const { queue } of await port.measure([WEBHOOK_TASK, FLOW_QUEUE])) {
      if (queue === WEBHOOK_TASK) webhooks.start()
      else flows.start()
    }
    // Steps may end until the very last, and their webhooks after them.
    const all = webhooks.beside(flows.beside(worker))
    this.#sweepOnce()
    void this.#scheduler.start()
    all.stopped.then(unlisten, unlisten)
    this.#workers.add(all)
    const forget = (): boolean => this.#workers.delete(all)
    all.stopped.then(forget, forget)
    if (options.handleSignals === true) stopOnSignals(all)
    return all
  }

  /** Ends the waits and stops the workers of this client. */
  async close(): Promise<void> {
    for (const changes of this.#waits) changes.close()
    this.#scheduler.stop()
    await this.#celery.close()
    // A worker whose store failed has said so through `stopped`.
    await Promise.allSettled([...this.#workers].map((worker) => worker.stop()))
  }

  /** Beside the work: nobody waits for it, and what it misses the next start finds. */
  #sweepOnce(): void {
    if (this.#swept) return
    this.#swept = true
    sweepLeftovers(this.#parts.port).catch((fault: unknown) => {
      this.#parts.log.warn('records of ended tasks could not be swept', { fault })
    })
  }

  async #workAside(task: AnyTask, concurrency: number, drainMs: number): Promise<Worker> {
    await this.#queues.declare(task)
    return await this.#start([task], { concurrency, drainMs, ended: undefined, renew: true, files: [], order: 'turns' })
  }

  async #start(
    tasks: readonly AnyTask[],
    options: Pick<TaskWorkerParts, 'concurrency' | 'drainMs' | 'tasksMax' | 'ended' | 'order'> & {
      readonly renew: boolean
      readonly files: readonly string[]
    },
  ): Promise<TaskWorker> {
    const { port, clock, random, limits, log } = this.#parts
    const queues = [...new Set(tasks.map(queueOf))]
    const byName = new Map(tasks.map((task) => [task.name, task]))
    const deadlines = new Deadlines(clock)
    const pauses = new Pauses({ port, clock, log })
    const breakers = new Breakers({ port, clock, log, policies: breakersOf(tasks) })
    await Promise.all([pauses.start(), breakers.start()])
    return new TaskWorker({
      ...options,
      ...(this.#parts.tracing && { tracing: this.#parts.tracing }),
      port,
      clock,
      random,
      limits,
      log,
      deadlines,
      pauses,
      breakers,
      batches: new Batches(deadlines, options.concurrency),
      isolation: new Isolation({ clock, files: options.files, find: (name) => byName.get(name) }),
      enqueuer: this.#enqueuer,
      webhooks: this.#webhooks,
      flows: this.#flows,
      celery: new CeleryInbox({ port, clock, random, queues: celeryQueues(tasks) }),
      queues: queues.map((queue) => this.#worked(queue)),
      find: (type, queue) => (type === undefined ? onlyTaskOf(queue, tasks) : byName.get(type)),
    })
  }

  #worked(queue: string): WorkedQueue {
    const { leaseMs, groups } = this.#queues.policy(queue) ?? defaultPolicy
    return { queue, leaseMs, grouped: groups.kind === 'ordered' || groups.kind === 'sticky' }
  }
}

function celeryQueues(tasks: readonly AnyTask[]): ReadonlySet<string> {
  return new Set(tasks.filter(({ options }) => options.celery !== undefined).map(queueOf))
}

/** Of two that share a queue the first that has one says how. */
function breakersOf(tasks: readonly AnyTask[]): ReadonlyMap<string, BreakerPolicy> {
  const policies = new Map<string, BreakerPolicy>()
  for (const task of tasks) {
    const { breaker } = task.options
    if (breaker !== undefined && !policies.has(queueOf(task))) policies.set(queueOf(task), breaker)
  }
  return policies
}

/** Producers that know no tasks send messages without a type: a queue of one task needs none. */
function onlyTaskOf(queue: string, tasks: readonly AnyTask[]): AnyTask | undefined {
  const ofQueue = tasks.filter((task) => queueOf(task) === queue)
  return ofQueue.length === 1 ? ofQueue[0] : undefined
}

function checkWork(
  tasks: readonly AnyTask[],
  options: {
    readonly concurrency: number
    readonly drainMs: number
    readonly tasksMax: number | undefined
    readonly files: readonly string[]
    readonly order: QueueOrder
  },
): void {
  const { concurrency, drainMs, tasksMax, files, order } = options
  const refuse = (why: string): never => {
    throw new SpindleError('invalid-argument', `start a worker (${why})`)
  }
  if (tasks.length === 0) refuse('it was given no tasks')
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > CONCURRENCY_MAX) {
    refuse(`concurrency is ${concurrency} but must be a whole number from 1 to ${CONCURRENCY_MAX}`)
  }
  if (!(drainMs >= 0)) refuse(`drainMs is ${drainMs} but must be 0 or more`)
  if (tasksMax !== undefined && !(Number.isInteger(tasksMax) && tasksMax >= 1)) {
    refuse(`tasksMax is ${tasksMax} but must be a whole number from 1`)
  }
  const names = tasks.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) refuse(`it was given two tasks named '${twice}'`)
  for (const [queue, weight] of typeof order === 'object' ? Object.entries(order) : []) {
    if (!tasks.some((task) => queueOf(task) === queue))
      refuse(`order names queue '${queue}', which no task goes through`)
    if (!(weight > 0 && weight <= WEIGHT_MAX))
      refuse(`the weight of queue '${queue}' is ${weight} but must be over 0 and at most ${WEIGHT_MAX}`)
  }
  const isolated = tasks.find(({ options: { isolate } }) => isolate !== undefined)
  if (isolated !== undefined && files.length === 0) {
    refuse(`'${isolated.name}' runs in a ${isolated.options.isolate} of its own, which must load it: pass files`)
  }
}

const WEIGHT_MAX = 1_000_000

/** One claim asks for at most this many. */
const CONCURRENCY_MAX = 10_000
