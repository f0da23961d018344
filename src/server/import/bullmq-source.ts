/**
 * A BullMQ queue (versions 2 to 5) as it lies in Redis, under `PREFIX:QUEUE:`. Read only.
 *
 *   meta          hash: there is such a queue
 *   wait, paused  lists of ids, the oldest at the right end; ids `0:…` are markers, not jobs
 *   prioritized   sorted set of ids, by priority * 2^32 + counter; 1 goes before 2
 *   delayed       sorted set of ids, by due instant (ms) * 2^12 + counter
 *   active, waiting-children
 *   ID            hash: name, data (JSON), opts (JSON), priority, atm (attempts made), rjk (of a scheduler), parentKey (of a flow)
 */
import { SpindleError } from '../../model/errors.ts'
import type { RedisClient } from './redis-client.ts'
import type { RespReply } from './resp.ts'

export interface BullmqJob {
  readonly id: string
  readonly name: string
  readonly data: unknown
  /** 0: none, which goes before 1, which goes before 2. */
  readonly priority: number
  /** In all, the first included. */
  readonly attempts: number
  readonly attemptsMade: number
  /** Of a delayed job. */
  readonly dueAtMs: number | undefined
}

/** Why a job is not handed out. */
export type BullmqLeft = 'scheduled' | 'part of a flow' | 'unreadable'
export type BullmqEntry = BullmqJob | { readonly id: string; readonly left: BullmqLeft }

interface Listed {
  readonly id: string
  readonly dueAtMs: number | undefined
}

const PAGE = 500
const FIELDS = ['name', 'data', 'opts', 'priority', 'atm', 'attemptsMade', 'rjk', 'parentKey'] as const
const DELAYED_SCALE = 0x1000

export class BullmqSource {
  readonly #redis: RedisClient
  readonly #base: string

  constructor(parts: { readonly redis: RedisClient; readonly prefix: string; readonly queue: string }) {
    this.#redis = parts.redis
    this.#base = `${parts.prefix}:${parts.queue}:`
  }

  /** Rejects `import-failed` when there is no such queue. */
  async check(): Promise<void> {
    if ((await this.#redis.call('EXISTS', `${this.#base}meta`)) === 1) return
    throw new SpindleError('import-failed', `import from BullMQ (no queue has its keys under '${this.#base}')`)
  }

  /** How many it works on, or holds until their children are done: neither is handed out. */
  async held(): Promise<{ readonly active: number; readonly parents: number }> {
    const [active, parents] = await Promise.all([
      this.#redis.call('LLEN', `${this.#base}active`),
      this.#redis.call('ZCARD', `${this.#base}waiting-children`),
    ])
    return { active: Number(active), parents: Number(parents) }
  }

  /** Whether any job that waits has a priority. */
  async hasPriorities(): Promise<boolean> {
    if (Number(await this.#redis.call('ZCARD', `${this.#base}prioritized`)) > 0) return true
    for await (const page of this.#delayed()) {
      const found = await Promise.all(page.map(({ id }) => this.#redis.call('HGET', this.#base + id, 'priority')))
      if (found.some((priority) => number(priority) > 0)) return true
    }
    return false
  }

  /** Pages in the order in which BullMQ would run them: what waits, by priority, then what is delayed. A job that moves meanwhile comes once. */
  async *jobs(): AsyncGenerator<BullmqEntry[]> {
    const seen = new Set<string>()
    const isNew = ({ id }: Listed): boolean => {
      if (seen.has(id) || id.startsWith('0:')) return false
      seen.add(id)
      return true
    }
    for await (const page of this.#pages()) {
      const entries = await Promise.all(page.filter(isNew).map((listed) => this.#job(listed)))
      yield entries.filter((entry) => entry !== undefined)
    }
  }

  async *#pages(): AsyncGenerator<Listed[]> {
    yield* this.#list('paused')
    yield* this.#list('wait')
    yield* this.#sorted('prioritized', () => undefined)
    yield* this.#delayed()
  }

  #delayed(): AsyncGenerator<Listed[]> {
    return this.#sorted('delayed', (score) => Math.floor(score / DELAYED_SCALE))
  }

  /** From the right, where new ones do not shift it. */
  async *#list(name: string): AsyncGenerator<Listed[]> {
    for (let at = 0; ; at += PAGE) {
      const ids = texts(await this.#redis.call('LRANGE', this.#base + name, String(-at - PAGE), String(-at - 1)))
      if (ids.length === 0) return
      yield ids.reverse().map((id) => ({ id, dueAtMs: undefined }))
    }
  }

  async *#sorted(name: string, dueAtMs: (score: number) => number | undefined): AsyncGenerator<Listed[]> {
    for (let at = 0; ; at += PAGE) {
      const range = [String(at), String(at + PAGE - 1)]
      const flat = texts(await this.#redis.call('ZRANGE', this.#base + name, ...range, 'WITHSCORES'))
      if (flat.length === 0) return
      yield Array.from({ length: flat.length / 2 }, (_, i) => ({
        id: flat[2 * i] ?? '',
        dueAtMs: dueAtMs(Number(flat[2 * i + 1])),
      }))
    }
  }

  /** undefined: it has gone meanwhile. */
  async #job({ id, dueAtMs }: Listed): Promise<BullmqEntry | undefined> {
    const values = (await this.#redis.call('HMGET', this.#base + id, ...FIELDS)) as readonly RespReply[]
    const [name, data, opts, priority, atm, attemptsMade, rjk, parentKey] = values.map((value) => text(value))
    if (name === undefined || data === undefined) return undefined
    if (rjk !== undefined || id.startsWith('repeat:')) return { id, left: 'scheduled' }
    if (parentKey !== undefined) return { id, left: 'part of a flow' }
    const [body, options] = [parsed(data), parsed(opts ?? '{}')]
    if (body === undefined || options === undefined) return { id, left: 'unreadable' }
    const { attempts } = (options.value ?? {}) as { readonly attempts?: unknown }
    return {
      id,
      name,
      data: body.value,
      priority: number(priority),
      attempts: typeof attempts === 'number' && attempts >= 1 ? Math.floor(attempts) : 1,
      attemptsMade: number(atm ?? attemptsMade),
      dueAtMs,
    }
  }
}

function parsed(json: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(json) }
  } catch {
    return undefined
  }
}

function text(reply: RespReply | undefined): string | undefined {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : undefined
}

function texts(reply: RespReply): string[] {
  return Array.isArray(reply) ? reply.map((one: RespReply) => text(one) ?? '') : []
}

function number(value: RespReply | undefined): number {
  const found = Number(Buffer.isBuffer(value) ? value.toString('utf8') : (value ?? 0))
  return Number.isFinite(found) && found >= 0 ? Math.floor(found) : 0
}
