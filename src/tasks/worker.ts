/**
 * Claims tasks and runs them, so many at a time.
 *
 *   working --stop(), or tasksMax begun--> draining --all ended, or drainMs over--> aborting --grace over--> stopped
 *
 * A slot is free as soon as its handler has come to an end and the end is on its way to the store: a disk sync idles
 * nobody. What is claimed is always run at once; nothing is claimed ahead, so no task waits behind a busy worker.
 */
import type { Port } from '../client/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { Delivery, MessageId } from '../model/message.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { CANCEL_CHANNEL } from './cancel.ts'
import type { Deadlines } from './deadlines.ts'
import { Executor, type ExecutorParts } from './executor.ts'
import { FLOW_STOP_CHANNEL } from './flows/flow-task.ts'
import type { FlowPlace } from './flows/progression.ts'
import type { Isolation } from './isolation/isolation.ts'
import type { Breakers } from './limits/breakers.ts'
import type { Pauses } from './limits/pauses.ts'
import { QueueTurns } from './queue-order.ts'
import { Renewer } from './renewal.ts'
import type { Run } from './run.ts'
import { Settler } from './settler.ts'
import type { Interruption } from './task-error.ts'
import type { QueueOrder, RunningTask, Worker } from './types.ts'

/** How long one claim waits at the store before it is asked again, ms. */
const WAIT_MS = 20_000
/** Ends under way to the store before a worker stops claiming. */
const UNSETTLED_MAX = 2_000
/** Pause after a claim that failed for another reason than the end of the store: doubles up to the maximum, ms. */
const PAUSE_MS = 100
const PAUSE_MS_MAX = 5_000

export interface WorkedQueue {
  readonly queue: string
  readonly leaseMs: number
  /** One claim may hand out several messages of a group, to be run one after the other: such a queue is claimed one by one. */
  readonly grouped: boolean
}

export interface TaskWorkerParts extends Omit<ExecutorParts, 'settler' | 'released'> {
  readonly queues: readonly WorkedQueue[]
  readonly concurrency: number
  readonly drainMs: number
  /** Attempts begun before it stops by itself; undefined: no limit. */
  readonly tasksMax?: number | undefined
  readonly order: QueueOrder
  /** false: leases are left to run out, as a worker whose thread hangs would. For tests. Default true. */
  readonly renew?: boolean
}

export class TaskWorker implements Worker {
  readonly stopped: Promise<void>
  readonly #port: Port
  readonly #clock: Clock
  readonly #log: Log
  readonly #deadlines: Deadlines
  readonly #isolation: Isolation
  readonly #pauses: Pauses
  readonly #breakers: Breakers
  readonly #queues: readonly WorkedQueue[]
  readonly #concurrency: number
  readonly #claimMax: number
  readonly #drainMs: number
  readonly #running = new Set<Run>()
  readonly #settler: Settler
  readonly #executor: Executor
  readonly #renewer: Renewer | undefined
  readonly #unlisten: readonly (() => void)[]
  readonly #turns: QueueTurns
  readonly #byName: ReadonlyMap<string, WorkedQueue>
  /** Of the claims under way; a new one after each quiet. */
  #claims = new AbortController()
  #isStopping = false
  #isQuiet = false
  #slots = 0
  /** Attempts that it may still begin. */
  #allowance: number
  #wake: (() => void) | undefined
  #drained: (() => void) | undefined
  #stop: Promise<void> | undefined

  /** Starts at once. */
  constructor(parts: TaskWorkerParts) {
    const { port, clock, log, deadlines } = parts
    this.#port = port
    this.#clock = clock
    this.#log = log
    this.#deadlines = deadlines
    this.#isolation = parts.isolation
    this.#pauses = parts.pauses
    this.#breakers = parts.breakers
    this.#queues = parts.queues
    this.#byName = new Map(parts.queues.map((worked) => [worked.queue, worked]))
    this.#turns = new QueueTurns([...this.#byName.keys()], parts.order, parts.random)
    this.#concurrency = parts.concurrency
    this.#claimMax = parts.limits.receiveMax
    this.#drainMs = parts.drainMs
    this.#allowance = parts.tasksMax ?? Number.POSITIVE_INFINITY
    this.#settler = new Settler(port, () => this.#changed())
    this.#executor = new Executor({ ...parts, settler: this.#settler, released: (run) => this.#released(run) })
    this.#renewer = parts.renew === false ? undefined : this.#createRenewer(parts)
    this.#unlisten = [
      port.listen(CANCEL_CHANNEL, (data) => this.#cancel(Buffer.from(data).toString() as MessageId)),
      port.listen(FLOW_STOP_CHANNEL, (data) => this.#stopFlow(JSON.parse(Buffer.from(data).toString()) as FlowPlace)),
    ]
    const claiming = this.#claim()
    this.stopped = claiming.then(
      () => this.#finish(),
      async (fault: unknown) => {
        // No lease can be kept and no end be stored.
        for (const run of this.#running) this.#executor.interrupt(run, 'lost')
        await this.#finish()
        throw fault
      },
    )
    // Whoever awaits it hears of the fault; a library never ends its host with an unhandled rejection.
    this.stopped.catch((fault: unknown) => log.error('a worker ended because its store failed', { fault }))
  }

  get running(): number {
    return this.#slots
  }

  runs(): RunningTask[] {
    const nowMs = this.#clock.monotonicMs()
    return [...this.#running].map(({ id, taskName, delivery, startedMs = nowMs, progress }) => ({
      id,
      task: taskName,
      queue: delivery.queue,
      attempt: delivery.attempts,
      runMs: nowMs - startedMs,
      progress: progress?.fraction,
    }))
  }

  quiet(): void {
    this.#isQuiet = true
    this.#claims.abort()
  }

  resume(): void {
    if (!this.#isQuiet || this.#isStopping) return
    this.#isQuiet = false
    this.#claims = new AbortController()
    this.#changed()
  }

  stop(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#stop ??= this.#drain(options.drainMs ?? this.#drainMs)
    return this.#stop
  }

  #createRenewer(parts: TaskWorkerParts): Renewer {
    const leases = new Map(parts.queues.map(({ queue, leaseMs }) => [queue, leaseMs]))
    const leaseMsMin = Math.min(...leases.values())
    return new Renewer({
      port: parts.port,
      clock: parts.clock,
      log: parts.log,
      running: this.#running,
      leaseMsOf: (queue) => leases.get(queue) ?? leaseMsMin,
      leaseMsMin,
      interrupt: (run, kind) => this.#executor.interrupt(run, kind),
    })
  }

  async #claim(): Promise<void> {
    let pauseMs = PAUSE_MS
    while (!this.#isStopping && this.#allowance > 0) {
      if (!this.#mayClaim) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        continue
      }
      const askedMs = this.#clock.monotonicMs()
      try {
        const room = Math.min(this.#concurrency - this.#slots, this.#claimMax, this.#allowance)
        const deliveries = await this.#take(room)
        pauseMs = PAUSE_MS
        this.#beginAll(deliveries, askedMs)
      } catch (fault) {
        const over = endOfStore(fault)
        if (over === 'closed') return
        if (over === 'failed') throw fault
        this.#log.warn('a claim failed and is tried again', { pauseMs, fault })
        await this.#pause(pauseMs)
        pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
      }
    }
  }

  get #mayClaim(): boolean {
    return !this.#isQuiet && this.#slots < this.#concurrency && this.#settler.unsettled < UNSETTLED_MAX
  }

  #take(room: number): Promise<Delivery[]> {
    const only = this.#queues.length === 1 ? this.#queues[0] : undefined
    if (only === undefined) return this.#takeFromMany(room)
    const { queue, grouped } = only
    return this.#port.receive({ queue, max: grouped ? 1 : room, waitMs: WAIT_MS }, this.#claims.signal)
  }

  /** Each in its order, for what there is room for; when all are empty, whichever gets something ends the wait. */
  async #takeFromMany(room: number): Promise<Delivery[]> {
    const ordered = this.#turns.next().flatMap((queue) => this.#byName.get(queue) ?? [])
    const { signal } = this.#claims
    const found = this.#turns.isRanked
      ? await this.#takeRanked(ordered, room, signal)
      : await this.#takeShares(ordered, room, signal)
    return found.length > 0 || signal.aborted ? found : this.#awaitMany(ordered, room, signal)
  }

  async #takeShares(queues: readonly WorkedQueue[], room: number, signal: AbortSignal): Promise<Delivery[]> {
    const share = Math.max(1, Math.floor(room / queues.length))
    const claims = queues
      .slice(0, room)
      .map(({ queue, grouped }) => this.#port.receive({ queue, max: grouped ? 1 : share }, signal))
    return taken(await Promise.allSettled(claims))
  }

  /** One after the other: what a queue leaves is for the next. */
  async #takeRanked(queues: readonly WorkedQueue[], room: number, signal: AbortSignal): Promise<Delivery[]> {
    const answers: PromiseSettledResult<Delivery[]>[] = []
    let left = room
    for (const { queue, grouped } of queues) {
      if (left <= 0 || signal.aborted) break
      const claim = this.#port.receive({ queue, max: grouped ? 1 : left }, signal)
      const [answer] = await Promise.allSettled([claim])
      answers.push(answer)
      if (answer.status === 'fulfilled') left -= answer.value.length
    }
    return taken(answers)
  }

  /** A queue that refuses is asked again when the others have waited for PAUSE_MS_MAX. */
  async #awaitMany(queues: readonly WorkedQueue[], room: number, claims: AbortSignal): Promise<Delivery[]> {
    const first = new AbortController()
    const signal = AbortSignal.any([first.signal, claims])
    let again: Timer | undefined
    const waits = queues.map(({ queue }) => this.#port.receive({ queue, max: 1, waitMs: WAIT_MS }, signal))
    for (const wait of waits) {
      wait.then(
        (deliveries) => deliveries.length > 0 && first.abort(),
        (fault: unknown) => {
          this.#log.warn('a queue cannot be claimed from; the others go on', { fault })
          again ??= this.#clock.setTimer(PAUSE_MS_MAX, () => first.abort())
        },
      )
    }
    const answers = await Promise.allSettled(waits)
    again?.cancel()
    const deliveries = taken(answers)
    // Several may have come at the same instant; what there is no room for goes back as if it had never been taken.
    this.#giveBack(deliveries.slice(room))
    return deliveries.slice(0, room)
  }

  #giveBack(deliveries: readonly Delivery[]): void {
    for (const { receipt, id } of deliveries)
      this.#settler.settle({ receipt, id, how: { kind: 'release', spend: false } })
  }

  #beginAll(deliveries: readonly Delivery[], leasedMs: number): void {
    // A stop or quiet that came while the claim was under way: these were never begun.
    if (this.#isStopping || this.#isQuiet) {
      this.#giveBack(deliveries)
      return
    }
    this.#allowance -= deliveries.length
    if (deliveries.length > 0) this.#renewer?.wake()
    for (const delivery of deliveries) {
      // It came back, so whoever still runs it here has lost its lease.
      if (delivery.deliveries > 1) this.#interruptAll(delivery.id, 'lost')
      const run = this.#executor.take(delivery, leasedMs)
      this.#slots++
      this.#running.add(run)
      this.#executor.begin(run)
    }
  }

  #released(run: Run): void {
    this.#slots--
    this.#running.delete(run)
    this.#changed()
  }

  #changed(): void {
    if (this.#wake !== undefined && (this.#mayClaim || this.#isStopping)) {
      const wake = this.#wake
      this.#wake = undefined
      wake()
    }
    if (this.#drained !== undefined && this.#slots === 0 && this.#settler.unsettled === 0) this.#drained()
  }

  #cancel(id: MessageId): void {
    for (const run of this.#running) if (run.id === id) run.cancelRecord = true
    this.#interruptAll(id, 'cancelled')
  }

  /** Everything below this place. */
  #stopFlow({ id, path }: FlowPlace): void {
    for (const run of this.#running) {
      const { flow } = run
      if (flow?.id !== id) continue
      const isBelow = path === '' || flow.path === path || flow.path.startsWith(`${path}.`)
      if (isBelow) this.#executor.interrupt(run, 'cancelled')
    }
  }

  #interruptAll(id: MessageId, kind: Interruption): void {
    for (const run of this.#running) if (run.id === id) this.#executor.interrupt(run, kind)
  }

  async #drain(drainMs: number): Promise<void> {
    this.#isStopping = true
    this.#claims.abort()
    this.#changed()
    const impatience = this.#deadlines.after(drainMs, () => {
      for (const run of this.#running) this.#executor.interrupt(run, 'shutdown')
    })
    try {
      await this.stopped
    } finally {
      impatience.cancel()
    }
  }

  /** After the last claim: waits for what runs and for what is on its way to the store. */
  async #finish(): Promise<void> {
    if (this.#slots > 0 || this.#settler.unsettled > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    this.#renewer?.stop()
    for (const unlisten of this.#unlisten) unlisten()
    this.#deadlines.clear()
    this.#isolation.close()
    this.#breakers.stop()
    this.#pauses.stop()
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(pauseMs, resolve, { keepAlive: true })
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}

/**
 * What several claims took. It is hidden from others already, so a queue that refuses must not lose what the rest gave. Throws where
 * none of them answered.
 */
function taken(answers: readonly PromiseSettledResult<Delivery[]>[]): Delivery[] {
  const refusals = answers.filter((answer) => answer.status === 'rejected')
  if (refusals[0] !== undefined && refusals.length === answers.length) throw refusals[0].reason
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
}

/** `closed`: the application let go of the store; `failed`: it will not answer again; undefined: it may. */
function endOfStore(fault: unknown): 'closed' | 'failed' | undefined {
  if (!(fault instanceof SpindleError)) return 'failed'
  switch (fault.code) {
    case 'closed':
      return 'closed'
    case 'poisoned':
    case 'corrupt':
    case 'invalid-argument':
    case 'unsupported':
      return 'failed'
    default:
      return undefined
  }
}
