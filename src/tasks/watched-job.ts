/** A job as one looks at it: where it stands, how it goes on, how it ended. Runs in browsers, too. */
import type { Port } from '../client/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { MessageId } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import { Changes } from './changes.ts'
import { decodeProgress, progressKey, taskChannel } from './progress.ts'
import { hasEnded, statusOf } from './status.ts'
import { rebuildError } from './task-error.ts'
import type { JobView, TaskError, TaskStatus } from './types.ts'

/** Backstops for announcements that were lost, ms. */
const RESULT_BEAT_MS = 5_000
const WATCH_BEAT_MS = 2_000

export interface WatchParts {
  readonly port: Pick<Port, 'find' | 'read' | 'listen'>
  readonly clock: Clock
  /** How long its enqueue took to become durable, ms, where this process knows. */
  readonly storeMsOf: (id: MessageId) => number | undefined
  /** Waits under way; whoever closes the client ends them. */
  readonly waits: Set<Changes>
}

export class WatchedJob<Output> implements JobView<Output> {
  readonly id: MessageId
  readonly task: string | undefined
  readonly #parts: WatchParts

  constructor(parts: WatchParts, id: MessageId, task: string | undefined) {
    this.id = id
    this.task = task
    this.#parts = parts
  }

  async status(): Promise<TaskStatus<Output>> {
    const status = await this.#look()
    if (status === undefined) throw new SpindleError('not-found', `look at task ${this.#label}`)
    return status
  }

  async result(options: { readonly timeoutMs?: number } = {}): Promise<Output> {
    const { clock } = this.#parts
    const { timeoutMs = Number.POSITIVE_INFINITY } = options
    const deadlineMs = clock.monotonicMs() + timeoutMs
    const changes = this.#changes([`message/${this.id}`], RESULT_BEAT_MS)
    try {
      for (;;) {
        const status = await this.status()
        if (hasEnded(status)) return this.#resultOf(status)
        const leftMs = deadlineMs - clock.monotonicMs()
        if (leftMs <= 0) {
          throw new SpindleError('timeout', `wait ${timeoutMs} ms for task ${this.#label}, which is ${status.state}`)
        }
        await changes.next(leftMs)
      }
    } finally {
      this.#endWait(changes)
    }
  }

  async *watch(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<TaskStatus<Output>> {
    const { signal } = options
    const changes = this.#changes([`message/${this.id}`, taskChannel(this.id)], WATCH_BEAT_MS)
    const stop = (): void => changes.end()
    signal?.addEventListener('abort', stop, { once: true })
    let shown = ''
    try {
      while (!isAborted(signal)) {
        const status = await this.#look()
        if (status === undefined) {
          if (shown === '') throw new SpindleError('not-found', `watch task ${this.#label}`)
          return
        }
        const seen = JSON.stringify(status)
        if (seen !== shown) {
          shown = seen
          yield status
        }
        if (hasEnded(status)) return
        if (!isAborted(signal)) await changes.next()
      }
    } finally {
      signal?.removeEventListener('abort', stop)
      this.#endWait(changes)
    }
  }

  get #label(): string {
    return this.task === undefined ? this.id : `'${this.task}' ${this.id}`
  }

  /** The caller said which task this id is of, and so what its result is: results are not validated when they are read. */
  async #look(): Promise<TaskStatus<Output> | undefined> {
    const { port, clock, storeMsOf } = this.#parts
    const view = await port.find(this.id)
    if (view === undefined) return undefined
    const record = view.state === 'leased' ? await port.read(progressKey(this.id)) : undefined
    const progress = record === undefined ? undefined : decodeProgress(record.value)
    const facts = { progress, storeMs: storeMsOf(this.id), nowMs: clock.wallMs() }
    return statusOf(view, facts) as TaskStatus<Output>
  }

  #resultOf(status: TaskStatus<Output>): Output {
    switch (status.state) {
      case 'succeeded':
        return status.result
      case 'cancelled':
        throw new SpindleError('task-cancelled', `wait for task ${this.#label}`)
      case 'failed':
        throw taskFailed(this.#label, status.reason, status.error)
      case 'discarded':
        throw taskFailed(this.#label, `${status.reason}, discarded`, undefined)
      default:
        throw new Error(`task ${this.#label} is ${status.state}, which is no end`)
    }
  }

  #changes(channels: readonly string[], beatMs: number): Changes {
    const { port, clock, waits } = this.#parts
    const changes = new Changes({ port, clock, channels, beatMs })
    waits.add(changes)
    return changes
  }

  #endWait(changes: Changes): void {
    changes.end()
    this.#parts.waits.delete(changes)
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

/** `cause` is the error of the last attempt, as far as it was stored. */
function taskFailed(label: string, reason: string, error: TaskError | undefined): SpindleError {
  const attempted = `wait for task ${label} (${reason}${error === undefined ? '' : `; ${error.name}: ${error.message}`})`
  if (error === undefined) return new SpindleError('task-failed', attempted)
  return new SpindleError('task-failed', attempted, { cause: rebuildError(error) })
}
