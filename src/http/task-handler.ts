/**
 * 202 Accepted for any server that speaks Request and Response.
 *
 *   POST   BASE/NAME      input as JSON      -> 202, Location, { id, status }
 *   GET    BASE/NAME/ID                      -> 200 status; as text/event-stream: every status until the end
 *   DELETE BASE/NAME/ID                      -> 200 cancelled; 202 it is running and was told to stop; 409 it had ended
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type Log, silentLog } from '../runtime/log.ts'
import type { AnyTask, EnqueueOptions, Job, TaskDefinition } from '../tasks/types.ts'
import { Refusal, readJson } from './json-body.ts'
import { problemOf, problemResponse } from './problem.ts'
import { LAST_EVENT_ID, statusEvents } from './status-events.ts'

/** What the handler needs of a Spindle. */
export interface TaskFace {
  enqueue<N extends string, S extends StandardSchemaV1, O>(
    task: TaskDefinition<N, S, O>,
    input: StandardSchemaV1.InferInput<S>,
    options?: EnqueueOptions,
  ): Promise<Job<O>>
  job(id: string, task?: AnyTask): Job<unknown>
}

export interface TaskHandlerOptions {
  readonly spindle: TaskFace
  /** The tasks that may be reached; no other one exists here. */
  readonly tasks: readonly AnyTask[]
  /** Path before the task's name. Default '/tasks'. */
  readonly basePath?: string
  /** Looks at each request first: true lets it pass, false answers 403, a Response is the answer. Default: all pass. */
  readonly authorize?: (request: Request, task: string) => boolean | Response | Promise<boolean | Response>
  /** Further options of an accepted task, say a `dedupId` from an Idempotency-Key header. */
  readonly enqueueOptions?: (request: Request, task: string) => EnqueueOptions
  /** Longest body, bytes. Default 1 MiB. */
  readonly bodyBytesMax?: number
  /** A comment goes out on an idle event stream this often, ms. Default 15,000. */
  readonly heartbeatMs?: number
  /** Hears what went wrong here and is not told to clients. Default: nobody. */
  readonly log?: Log
  readonly clock?: Clock
}

export type FetchHandler = (request: Request) => Promise<Response>

const ID = /^[\w-]{1,64}$/
const NOT_FOUND = { status: 404, title: 'There is no such task.' } as const

/** A handler whose every answer is a Response; it never rejects. */
export function taskHandler(options: TaskHandlerOptions): FetchHandler {
  const handler = new TaskHandler(options)
  return (request) => handler.answer(request)
}

class TaskHandler {
  readonly #spindle: TaskFace
  readonly #tasks: ReadonlyMap<string, AnyTask>
  readonly #basePath: string
  readonly #options: TaskHandlerOptions
  readonly #log: Log

  constructor(options: TaskHandlerOptions) {
    const { spindle, tasks, basePath = '/tasks', log = silentLog } = options
    this.#spindle = spindle
    this.#tasks = new Map(tasks.map((task) => [task.name, task]))
    this.#basePath = `/${basePath.replace(/^\/+|\/+$/g, '')}`.replace(/^\/$/, '')
    this.#options = options
    this.#log = log
  }

  async answer(request: Request): Promise<Response> {
    try {
      return await this.#route(request)
    } catch (thrown) {
      if (thrown instanceof Refusal) return thrown.response
      return problemResponse(problemOf(thrown, this.#log))
    }
  }

  async #route(request: Request): Promise<Response> {
    const found = this.#find(new URL(request.url).pathname)
    if (found === undefined) return problemResponse(NOT_FOUND)
    const { task, id } = found
    const admitted = (await this.#options.authorize?.(request, task.name)) ?? true
    if (admitted instanceof Response) return admitted
    if (!admitted) return problemResponse({ status: 403, title: 'This request is not allowed.' })
    if (id === undefined) {
      return request.method === 'POST' ? this.#accept(request, task) : wrongMethod(request.method, 'POST')
    }
    switch (request.method) {
      case 'GET':
        return this.#show(request, task, id)
      case 'DELETE':
        return this.#cancel(task, id)
      default:
        return wrongMethod(request.method, 'GET, DELETE')
    }
  }

  #find(path: string): { readonly task: AnyTask; readonly id: string | undefined } | undefined {
    if (!path.startsWith(`${this.#basePath}/`)) return undefined
    const [name = '', id, ...rest] = path.slice(this.#basePath.length + 1).split('/')
    const task = this.#tasks.get(decoded(name))
    if (task === undefined || rest.length > 0 || (id !== undefined && !ID.test(id))) return undefined
    return { task, id }
  }

  async #accept(request: Request, task: AnyTask): Promise<Response> {
    const { bodyBytesMax = 1_048_576, enqueueOptions } = this.#options
    const input = await readJson(request, bodyBytesMax)
    const job = await this.#spindle.enqueue(task, input, enqueueOptions?.(request, task.name))
    const location = `${this.#basePath}/${encodeURIComponent(task.name)}/${job.id}`
    return json(202, { id: job.id, status: location }, { location })
  }

  async #show(request: Request, task: AnyTask, id: string): Promise<Response> {
    const events = (request.headers.get('accept') ?? '').includes('text/event-stream')
    // The browser has seen the end and comes back out of habit: 204 is how it is told to stay away.
    if (events && request.headers.get('last-event-id') === LAST_EVENT_ID) return new Response(null, { status: 204 })
    const { job, status } = await this.#look(task, id)
    if (!events) return json(200, status)
    const { clock = systemClock, heartbeatMs = 15_000 } = this.#options
    const failed = (fault: unknown): void =>
      this.#log.warn('an event stream ended early', { task: task.name, id, fault })
    return new Response(statusEvents(job, { clock, heartbeatMs, failed }), {
      headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    })
  }

  async #cancel(task: AnyTask, id: string): Promise<Response> {
    const { job } = await this.#look(task, id)
    const cancelled = await job.cancel()
    const { status } = await this.#look(task, id)
    if (cancelled) return json(status.state === 'cancelled' ? 200 : 202, status)
    return problemResponse({ status: 409, title: 'The task had ended already.', more: { state: status.state } })
  }

  /** An id of another task is as unknown here as any: who may see one task need not see all. */
  async #look(task: AnyTask, id: string) {
    const job = this.#spindle.job(id, task)
    const status = await job.status()
    if (status.task !== task.name) throw new Refusal(NOT_FOUND)
    return { job, status }
  }
}

function wrongMethod(method: string, allow: string): Response {
  return problemResponse({ status: 405, title: `${method} is not possible here.`, headers: { allow } })
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  })
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return ''
  }
}
