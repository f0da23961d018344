/** What the options of tasks mean for the queue they go through. */
import type { Port } from '../client/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { DedupPolicy, GroupPolicy, OnDeath, QueuePolicy } from '../model/policy.ts'
import { limitPolicy } from './limits/limit-policy.ts'
import type { TaskLimits } from './limits/types.ts'
import type { AnyTask } from './types.ts'

const RETAIN_MS_DEFAULT = 86_400_000
const ATTEMPTS_DEFAULT = 5
const LEASE_MS_DEFAULT = 30_000

export function queueOf(task: AnyTask): string {
  return task.options.queue ?? task.name
}

export function attemptsOf(task: AnyTask): number {
  return task.options.retry?.attempts ?? ATTEMPTS_DEFAULT
}

/** 0: nothing is kept of a task that ended well. */
export function retainMsOf(task: AnyTask): number {
  const { retainMs = RETAIN_MS_DEFAULT, retainMax } = task.options.result ?? {}
  return retainMax === 0 ? 0 : retainMs
}

/**
 * The policy of a queue that serves `tasks`. Limits are those of the most demanding one (the executor holds each task to
 * its own); what the queue can only do one way must be agreed on: otherwise `invalid-argument`.
 */
export function policyFor(queue: string, tasks: readonly AnyTask[]): Partial<QueuePolicy> {
  const agreed = <T>(field: string, read: (task: AnyTask) => T): T | undefined => {
    const [first, ...others] = tasks
    const value = first && read(first)
    for (const other of others) {
      if (JSON.stringify(read(other)) === JSON.stringify(value)) continue
      const clash = `run '${first?.name}' and '${other.name}' through queue '${queue}' (they differ in ${field})`
      throw new SpindleError('invalid-argument', clash)
    }
    return value
  }
  const retainMaxes = tasks.map(({ options }) => options.result?.retainMax)
  const groups = agreed('groups', ({ options }) => options.groups)
  const dedup = agreed('dedup', ({ options }) => options.dedup)
  const limits = agreed('limits', ({ options }) => options.limits)
  const wished = groups === undefined ? followers(dedup) : groupPolicy(groups)
  const discards = agreed('onExhausted', ({ options }) => options.onExhausted ?? 'keep') === 'discard'
  return {
    leaseMs: Math.max(...tasks.map(({ options }) => options.leaseMs ?? LEASE_MS_DEFAULT)),
    attemptsMax: Math.max(...tasks.map(attemptsOf)),
    onLost: agreed('idempotent', ({ options }) => options.idempotent ?? true) ? 'redeliver' : 'fail',
    onDeath: onDeathOf(tasks),
    // The discarded stay for as long as a result would, so that their status can be asked for.
    deadRetentionMs: discards ? Math.max(...tasks.map(retainMsOf)) : null,
    doneMax: retainMaxes.every((max) => max !== undefined) ? Math.max(...(retainMaxes as number[])) : null,
    ...(wished === undefined ? {} : { groups: wished }),
    ...(limits === undefined
      ? {}
      : limitPolicy(limits, wished ?? { kind: 'none' }, `limit the tasks of queue '${queue}'`)),
    ...(dedup === undefined ? {} : { dedup }),
  }
}

function groupPolicy(kind: 'fair' | 'ordered' | 'sticky'): GroupPolicy {
  return kind === 'fair' ? { kind, concurrency: null } : { kind }
}

/** One more after the running one: the messages of a key run one at a time, so the key is their group. */
function followers(dedup: DedupPolicy | undefined): GroupPolicy | undefined {
  return dedup?.kind === 'afterRunning' ? { kind: 'fair', concurrency: 1 } : undefined
}

function onDeathOf(tasks: readonly AnyTask[]): OnDeath {
  const onExhausted = tasks[0]?.options.onExhausted ?? 'keep'
  if (typeof onExhausted === 'object') return { kind: 'deadLetter', queue: onExhausted.deadLetter }
  return onExhausted === 'discard' && tasks.every((task) => retainMsOf(task) === 0)
    ? { kind: 'discard' }
    : { kind: 'hold' }
}

/** Declares each task's queue once in this process, and again when the store turns out to have lost it. */
export class TaskQueues {
  readonly #port: Port
  readonly #tasks = new Map<string, Map<string, AnyTask>>()
  readonly #policies = new Map<string, QueuePolicy>()
  readonly #declared = new WeakSet<AnyTask>()

  constructor(port: Port) {
    this.#port = port
  }

  /** Lets the caller skip a promise on the common path. */
  isDeclared(task: AnyTask): boolean {
    return this.#declared.has(task)
  }

  /** The policy in force when it was last declared from here. */
  policy(queue: string): QueuePolicy | undefined {
    return this.#policies.get(queue)
  }

  async declare(task: AnyTask): Promise<void> {
    const queue = queueOf(task)
    const known = this.#tasks.get(queue) ?? new Map<string, AnyTask>()
    const together = new Map(known).set(task.name, task)
    const policy = policyFor(queue, [...together.values()])
    this.#tasks.set(queue, together)
    if (policy.onDeath?.kind === 'deadLetter') await this.#port.declareQueue(policy.onDeath.queue, {})
    this.#policies.set(queue, await this.#port.declareQueue(queue, policy))
    this.#declared.add(task)
  }

  /** Changes the limits of a queue that is declared, while it is worked. Rejects `no-such-queue`, `invalid-argument`. */
  async limit(queue: string, limits: TaskLimits): Promise<void> {
    const attempted = `limit queue '${queue}'`
    const [measure] = await this.#port.measure([queue])
    if (measure === undefined) throw new SpindleError('no-such-queue', attempted)
    const policy = limitPolicy(limits, measure.policy.groups, attempted)
    this.#policies.set(queue, await this.#port.declareQueue(queue, policy))
  }

  /** A `dedupId` on a queue that does not look at them would be silently ignored. */
  async enableDedup(task: AnyTask, kind: 'queued' | 'replace'): Promise<void> {
    const queue = queueOf(task)
    if (this.#policies.get(queue)?.dedup.kind !== 'none') return
    this.#policies.set(queue, await this.#port.declareQueue(queue, { dedup: { kind } }))
  }

  /** The tasks of `queue` that this process knows. */
  tasksOf(queue: string): readonly AnyTask[] {
    return [...(this.#tasks.get(queue)?.values() ?? [])]
  }

  /** The definition of this name, if this process has declared one. */
  named(name: string): AnyTask | undefined {
    for (const tasks of this.#tasks.values()) {
      const task = tasks.get(name)
      if (task !== undefined) return task
    }
    return undefined
  }
}
