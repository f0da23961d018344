/** Input -> stored message. One promise on the common path: a synchronous validator and a queue that is declared. */

import type { Port, SimpleStep } from '../client/port.ts'
import { type ContentMeta, encodeJsonContent, type TaskMeta } from '../model/content.ts'
import { SpindleError } from '../model/errors.ts'
import type { AppendOutcome, MessageId, NewMessage } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import type { StoreTimes } from './store-times.ts'
import { queueOf, type TaskQueues } from './task-queue.ts'
import type { AnyTask, EnqueueOptions } from './types.ts'
import { assertValid, type Checked, check, survivesJson } from './validation.ts'
import type { WebhookQueue } from './webhook-queue.ts'
import { checkWebhookUrl } from './webhook-url.ts'

const NO_OPTIONS: EnqueueOptions = Object.freeze({})

export interface EnqueuerParts {
  readonly port: Pick<Port, 'append'>
  readonly clock: Clock
  readonly queues: TaskQueues
  readonly storeTimes: StoreTimes
  readonly webhookQueue: WebhookQueue
}

export class Enqueuer {
  readonly #parts: EnqueuerParts
  readonly #port: Pick<Port, 'append'>
  readonly #clock: Clock
  readonly #queues: TaskQueues
  readonly #storeTimes: StoreTimes
  readonly #webhookQueue: WebhookQueue

  constructor(parts: EnqueuerParts) {
    this.#parts = parts
    this.#port = parts.port
    this.#clock = parts.clock
    this.#queues = parts.queues
    this.#storeTimes = parts.storeTimes
    this.#webhookQueue = parts.webhookQueue
  }

  /** One that stores by another way: in a transaction of the application's. Queues are declared as ever. */
  over(port: Pick<Port, 'append'>): Enqueuer {
    return new Enqueuer({ ...this.#parts, port })
  }

  /** Hands out the id once the task is durable (a duplicate's: the first one's). */
  enqueue<T>(
    task: AnyTask,
    input: unknown,
    options: EnqueueOptions = NO_OPTIONS,
    handOut: (id: MessageId) => T,
  ): Promise<T> {
    try {
      const sinceMs = this.#clock.monotonicMs()
      const message = this.#message(task, input, options)
      const store = (ready: NewMessage): Promise<T> => this.#storeOne(task, ready, sinceMs, handOut)
      const isReady = this.#prepared(task, options)
      if (isReady && !(message instanceof Promise)) return store(message)
      const prepared = isReady ? undefined : this.#prepare(task, options)
      return Promise.all([message, prepared]).then(([ready]) => store(ready))
    } catch (fault) {
      return Promise.reject(fault)
    }
  }

  /** Validates every input before it stores any; one sync for all. */
  async enqueueMany(
    task: AnyTask,
    items: readonly { readonly input: unknown; readonly options?: EnqueueOptions }[],
  ): Promise<MessageId[]> {
    const sinceMs = this.#clock.monotonicMs()
    const messages = await Promise.all(
      items.map(({ input, options = NO_OPTIONS }) => this.#message(task, input, options)),
    )
    for (const { options = NO_OPTIONS } of items) await this.#prepare(task, options)
    const outcomes = await this.#append(task, messages)
    const storeMs = this.#clock.monotonicMs() - sinceMs
    const stored = outcomes.filter(({ kind }) => kind !== 'refused').length
    const attempted = `enqueue ${items.length} of task '${task.name}' (${stored} of them were stored)`
    return outcomes.map((outcome) => this.#id(outcome, attempted, storeMs))
  }

  /** The step that stores a follow-up in somebody else's unit; `declared` must have resolved before it is committed. */
  step(task: AnyTask, input: unknown, options: EnqueueOptions = NO_OPTIONS): FollowUp {
    const message = this.#message(task, input, options)
    const declared = this.#prepared(task, options) ? undefined : this.#prepare(task, options)
    // Looked at when the unit is committed; until then nobody listens.
    declared?.catch(() => {})
    const step = (ready: NewMessage): SimpleStep => ({ kind: 'append', queue: queueOf(task), message: ready })
    if (!(message instanceof Promise)) return { declared, step: step(message) }
    const pending = message.then(step)
    pending.catch(() => {})
    return { declared, step: pending }
  }

  #storeOne<T>(task: AnyTask, message: NewMessage, sinceMs: number, handOut: (id: MessageId) => T): Promise<T> {
    return this.#port.append(queueOf(task), [message]).then((outcomes) => {
      const outcome = outcomes[0]
      if (outcome?.kind === 'refused' && outcome.reason === 'no-such-queue') {
        return this.#storeAgain(task, message, sinceMs).then(handOut)
      }
      return handOut(this.#id(outcome, `enqueue task '${task.name}'`, this.#clock.monotonicMs() - sinceMs))
    })
  }

  /** Somebody deleted the queue since it was declared from here. */
  async #storeAgain(task: AnyTask, message: NewMessage, sinceMs: number): Promise<MessageId> {
    await this.#queues.declare(task)
    const [outcome] = await this.#port.append(queueOf(task), [message])
    return this.#id(outcome, `enqueue task '${task.name}'`, this.#clock.monotonicMs() - sinceMs)
  }

  async #append(task: AnyTask, messages: readonly NewMessage[]): Promise<AppendOutcome[]> {
    const outcomes = await this.#port.append(queueOf(task), messages)
    if (!outcomes.some((outcome) => outcome.kind === 'refused' && outcome.reason === 'no-such-queue')) return outcomes
    await this.#queues.declare(task)
    return this.#port.append(queueOf(task), messages)
  }

  #id(outcome: AppendOutcome | undefined, attempted: string, storeMs: number): MessageId {
    switch (outcome?.kind) {
      case 'stored':
        this.#storeTimes.note(outcome.id, storeMs)
        return outcome.id
      case 'duplicate':
        return outcome.of
      case 'refused':
        throw new SpindleError(outcome.reason, attempted)
      default:
        throw new Error(`${attempted}: the store gave no answer`)
    }
  }

  #prepared(task: AnyTask, { dedupId, group, debounceMs, webhook }: EnqueueOptions): boolean {
    if (!this.#queues.isDeclared(task)) return false
    if (webhook !== undefined && !this.#webhookQueue.isReady) return false
    if (dedupId === undefined && group === undefined) return true
    const policy = this.#queues.policy(queueOf(task))
    if (group !== undefined && policy?.groups.kind === 'none') return false
    if (debounceMs !== undefined) return policy?.dedup.kind === 'replace'
    return dedupId === undefined || policy?.dedup.kind !== 'none'
  }

  async #prepare(task: AnyTask, options: EnqueueOptions): Promise<void> {
    if (!this.#queues.isDeclared(task)) await this.#queues.declare(task)
    const queue = queueOf(task)
    if (options.group !== undefined && this.#queues.policy(queue)?.groups.kind === 'none') {
      const why = `its queue '${queue}' has no groups; define the task with groups: 'ordered'`
      throw new SpindleError('invalid-argument', `enqueue task '${task.name}' with group '${options.group}' (${why})`)
    }
    const { dedupId, debounceMs, webhook } = options
    if (webhook !== undefined && !this.#webhookQueue.isReady) await this.#webhookQueue.prepare()
    if (dedupId !== undefined) await this.#queues.enableDedup(task, debounceMs === undefined ? 'queued' : 'replace')
    const dedup = this.#queues.policy(queue)?.dedup.kind
    if (debounceMs !== undefined && dedup !== 'replace') {
      const why = `its queue '${queue}' has dedup '${dedup}'; define the task with dedup: { kind: 'replace' }`
      throw new SpindleError('invalid-argument', `enqueue task '${task.name}' with debounceMs (${why})`)
    }
  }

  #message(task: AnyTask, input: unknown, options: EnqueueOptions): NewMessage | Promise<NewMessage> {
    const attempted = `enqueue task '${task.name}'`
    const checked = check(task.options.input, input)
    if (checked instanceof Promise)
      return checked.then((ready) => this.#checked(task, input, ready, options, attempted))
    return this.#checked(task, input, checked, options, attempted)
  }

  #checked(
    task: AnyTask,
    input: unknown,
    checked: Checked,
    options: EnqueueOptions,
    attempted: string,
  ): NewMessage | Promise<NewMessage> {
    assertValid(checked, attempted)
    const delayMs = options === NO_OPTIONS ? undefined : this.#delayMs(options, attempted)
    const content = encodeJsonContent(input, metaOf(task, options, delayMs))
    const ttlMs = options === NO_OPTIONS ? undefined : this.#ttlMs(options, attempted)
    const message = messageOf(task, content, options, { delayMs, ttlMs })
    if (survivesJson(input)) return message
    // A Date, say, arrives as a string: better refused here than failed there.
    const sent: unknown = content.body.length === 0 ? undefined : JSON.parse(Buffer.from(content.body).toString('utf8'))
    const again = check(task.options.input, sent)
    const asSent = `${attempted} as the worker will get it, through JSON`
    if (again instanceof Promise) {
      return again.then((ready) => {
        assertValid(ready, asSent)
        return message
      })
    }
    assertValid(again, asSent)
    return message
  }

  #ttlMs({ ttlMs, expiresAt }: EnqueueOptions, attempted: string): number | undefined {
    if (expiresAt === undefined) return ttlMs
    if (ttlMs !== undefined) throw new SpindleError('invalid-argument', `${attempted} with both ttlMs and expiresAt`)
    const leftMs = expiresAt.getTime() - this.#clock.wallMs()
    if (leftMs > 0) return leftMs
    throw new SpindleError('invalid-argument', `${attempted} with an expiresAt that has passed or is no date`)
  }

  #delayMs({ delayMs, runAt, debounceMs, dedupId }: EnqueueOptions, attempted: string): number | undefined {
    if (debounceMs !== undefined) {
      if (dedupId === undefined || delayMs !== undefined || runAt !== undefined) {
        throw new SpindleError(
          'invalid-argument',
          `${attempted} with debounceMs, which wants a dedupId and no other delay`,
        )
      }
      return debounceMs
    }
    if (runAt === undefined) return delayMs
    if (delayMs !== undefined) throw new SpindleError('invalid-argument', `${attempted} with both delayMs and runAt`)
    const atMs = runAt.getTime()
    if (Number.isNaN(atMs)) throw new SpindleError('invalid-argument', `${attempted} with a runAt that is no date`)
    return Math.max(0, atMs - this.#clock.wallMs())
  }
}

export interface FollowUp {
  readonly declared: Promise<void> | undefined
  readonly step: SimpleStep | Promise<SimpleStep>
}

function metaOf(task: AnyTask, { headers, webhook }: EnqueueOptions, delayMs: number | undefined): ContentMeta {
  if (headers === undefined && webhook === undefined && delayMs === undefined) return { type: task.name }
  if (webhook !== undefined) checkWebhookUrl(webhook)
  const meta: TaskMeta = {
    ...(webhook === undefined ? {} : { webhook }),
    ...(delayMs === undefined ? {} : { delayMs }),
  }
  return {
    type: task.name,
    ...(headers === undefined ? {} : { headers }),
    ...(webhook === undefined && delayMs === undefined ? {} : { task: meta }),
  }
}

function messageOf(
  task: AnyTask,
  content: NewMessage['content'],
  options: EnqueueOptions,
  { delayMs, ttlMs }: { readonly delayMs: number | undefined; readonly ttlMs: number | undefined },
): NewMessage {
  const priority = options.priority ?? task.options.priority
  if (options === NO_OPTIONS && priority === undefined) return { content }
  const { dedupId } = options
  const { group = task.options.dedup?.kind === 'afterRunning' ? dedupId : undefined } = options
  return {
    content,
    ...(priority === undefined ? {} : { priority }),
    ...(group === undefined ? {} : { groupId: group }),
    ...(dedupId === undefined ? {} : { dedupId }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  }
}
