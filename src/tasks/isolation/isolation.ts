/**
 * Handlers that must not share the worker's event loop: each run has a thread or process to itself, which is used again
 * for the next run and replaced when it ends. The worker renews the lease meanwhile; a handler that blocks its own loop
 * blocks nothing else, and one that takes its thread down with it has failed an attempt.
 *
 *   idle --run()--> busy --answer--> idle
 *                    '--ended, or abandoned--> gone
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { type Isolate, type IsolateEnd, type IsolateKind, startIsolate } from '../../runtime/isolate.ts'
import type { Run } from '../run.ts'
import { describeError, IsolateEnded, rebuildError, TaskInterrupted } from '../task-error.ts'
import type { AnyTask } from '../types.ts'
import type { FromIsolate, IsolatedFollowUp } from './protocol.ts'

/** An isolate without work ends after this, ms. */
const IDLE_MS = 30_000

export interface IsolationParts {
  readonly clock: Clock
  /** Modules that export the isolated tasks. */
  readonly files: readonly string[]
  /** The definition of this name, where the worker has it. */
  readonly find: (name: string) => AnyTask | undefined
}

export class Isolation {
  readonly #parts: IsolationParts
  readonly #idle = new Map<string, Member[]>()
  readonly #members = new Set<Member>()
  readonly #busy = new Map<Run, Member>()

  constructor(parts: IsolationParts) {
    this.#parts = parts
  }

  /** Resolves to what the handler returned, through JSON; rejects with what it threw, or with how its isolate ended. */
  run(run: Run, task: AnyTask, input: unknown): Promise<unknown> {
    const member = this.#take(task)
    this.#busy.set(run, member)
    const { context, delivery, head } = run
    const { signal } = context ?? { signal: undefined }
    const abort = (): void => {
      const reason: unknown = signal?.reason
      if (reason instanceof TaskInterrupted) member.post({ kind: 'abort', why: reason.kind })
    }
    signal?.addEventListener('abort', abort, { once: true })
    return new Promise<unknown>((resolve, reject) => {
      const done = (): void => {
        signal?.removeEventListener('abort', abort)
        this.#busy.delete(run)
      }
      member.begin(
        { kind: 'run', task: task.name, id: run.id, attempt: delivery.attempts, headers: { ...head.headers }, input },
        {
          told: (message) => this.#told(run, message),
          returned: (result) => {
            done()
            this.#giveBack(member)
            resolve(result)
          },
          thrown: (error) => {
            done()
            if (!member.gone) this.#giveBack(member)
            reject(error)
          },
        },
      )
    })
  }

  /** The run is over without its answer: whatever its isolate still does is ended with it. */
  abandon(run: Run): void {
    this.#busy.get(run)?.terminate()
  }

  close(): void {
    for (const member of this.#members) member.terminate()
  }

  #take(task: AnyTask): Member {
    const { isolate = 'thread', memoryMbMax } = task.options
    const key = `${isolate} ${memoryMbMax}`
    const idle = this.#idle.get(key)?.pop()
    if (idle !== undefined) return idle
    const member = new Member({ key, kind: isolate, memoryMbMax, files: this.#parts.files }, () => this.#gone(member))
    this.#members.add(member)
    return member
  }

  #giveBack(member: Member): void {
    const idle = this.#idle.get(member.key) ?? []
    this.#idle.set(member.key, idle)
    idle.push(member)
    member.rest(this.#parts.clock.setTimer(IDLE_MS, () => member.terminate()))
  }

  #gone(member: Member): void {
    this.#members.delete(member)
    const idle = this.#idle.get(member.key) ?? []
    const at = idle.indexOf(member)
    if (at >= 0) idle.splice(at, 1)
  }

  #told(run: Run, message: FromIsolate): void {
    const { context } = run
    if (context === undefined || run.ended) return
    switch (message.kind) {
      case 'progress':
        // It never fails the task, nor rejects.
        void context.progress(
          message.fraction,
          message.dataJson === undefined ? undefined : JSON.parse(message.dataJson),
        )
        break
      case 'log':
        context.log(message.message)
        break
      case 'enqueue':
        context.enqueue(this.#taskOf(message.followUp), message.followUp.input, message.followUp.enqueue)
        break
      default:
    }
  }

  /** Its input was validated where its schema is. */
  #taskOf({ task, options }: IsolatedFollowUp): AnyTask {
    return this.#parts.find(task) ?? { name: task, options: { ...options, input: ANYTHING, run: () => undefined } }
  }
}

const ANYTHING: StandardSchemaV1 = {
  '~standard': { version: 1, vendor: 'spindle', validate: (value) => ({ value }) },
}

interface Listener {
  readonly told: (message: FromIsolate) => void
  readonly returned: (result: unknown) => void
  readonly thrown: (error: unknown) => void
}

/** One thread or process. */
class Member {
  readonly key: string
  readonly #memoryMbMax: number | undefined
  readonly #isolate: Isolate
  readonly #kind: IsolateKind
  #ready = false
  #waiting: unknown[] = []
  #listener: Listener | undefined
  #idleTimer: Timer | undefined
  gone = false

  constructor(
    spec: {
      readonly key: string
      readonly kind: IsolateKind
      readonly memoryMbMax: number | undefined
      readonly files: readonly string[]
    },
    gone: () => void,
  ) {
    const { key, kind, memoryMbMax, files } = spec
    this.key = key
    this.#kind = kind
    this.#memoryMbMax = memoryMbMax
    this.#isolate = startIsolate({
      kind,
      entry: ENTRY,
      data: { files },
      memoryMbMax,
      message: (value) => this.#heard(value as FromIsolate),
      ended: (end) => {
        this.gone = true
        this.#idleTimer?.cancel()
        gone()
        this.#answer((listener) => listener.thrown(new IsolateEnded(this.#inWords(end))))
      },
    })
  }

  begin(message: unknown, listener: Listener): void {
    this.#idleTimer?.cancel()
    this.#listener = listener
    this.#isolate.hold(true)
    this.post(message)
  }

  rest(timer: Timer): void {
    this.#idleTimer = timer
    this.#isolate.hold(false)
  }

  post(value: unknown): void {
    if (this.#ready) this.#isolate.post(value)
    else this.#waiting.push(value)
  }

  terminate(): void {
    this.#isolate.terminate()
  }

  #heard(message: FromIsolate): void {
    switch (message.kind) {
      case 'ready': {
        this.#ready = true
        const waiting = this.#waiting
        this.#waiting = []
        for (const value of waiting) this.#isolate.post(value)
        break
      }
      case 'returned':
        this.#answer((listener) => listener.returned(message.json === undefined ? undefined : JSON.parse(message.json)))
        break
      case 'thrown': {
        const { control } = message
        const error = rebuildError(message.error)
        if (control?.kind === 'snooze') Object.assign(error, { delayMs: control.delayMs })
        this.#answer((listener) => listener.thrown(error))
        break
      }
      default:
        this.#listener?.told(message)
    }
  }

  #answer(tell: (listener: Listener) => void): void {
    const listener = this.#listener
    this.#listener = undefined
    if (listener !== undefined) tell(listener)
  }

  #inWords(end: IsolateEnd): string {
    const what = `the ${this.#kind} of the handler`
    switch (end.kind) {
      case 'exited':
        return `${what} ended with exit code ${end.code} (process.exit?)`
      case 'killed':
        return `${what} was killed by ${end.signal}`
      case 'outOfMemory':
        return `${what} ran out of memory${this.#memoryMbMax === undefined ? '' : ` (memoryMbMax is ${this.#memoryMbMax})`}`
      case 'crashed': {
        const { name, message } = describeError(end.error)
        return `${what} crashed: ${name}: ${message}`
      }
      default:
        return end satisfies never
    }
  }
}

const ENTRY = new URL(import.meta.url.endsWith('.ts') ? 'entry.ts' : 'entry.js', import.meta.url)
