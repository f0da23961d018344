/** What one statement of the short way carries: many calls, as columns. */
import type { Now } from '../../model/lifecycle.ts'
import type { Content } from '../../model/message.ts'
import { lifeUnder } from '../../model/policy.ts'
import type { AppendOp } from '../engine.ts'
import type { Catalog } from './catalog.ts'
import { rankOf } from './entry.ts'
import type { Queue } from './queue.ts'

/** An array of numbers or booleans as PostgreSQL reads it. The driver would quote and escape each. */
export function arrayOf<T>(items: readonly T[], of: (item: T) => number | boolean | null): string {
  let text = '{'
  for (const item of items) text += `${text.length > 1 ? ',' : ''}${of(item) ?? 'NULL'}`
  return `${text}}`
}

const itself = <T>(value: T): T => value

/** The queues that a statement locks, and as what it knows them. */
export class NamedQueues {
  readonly #queues = new Map<number, Queue>()

  /** false: there is none. */
  add(queue: Queue | undefined): boolean {
    if (queue === undefined) return false
    this.#queues.set(queue.qid, queue)
    return true
  }

  get names(): string[] {
    return [...this.#queues.values()].map(({ name }) => name)
  }

  /** Numbers and versions, in the order of locks. */
  get columns(): [string, string] {
    const queues = [...this.#queues.values()].sort((a, b) => a.qid - b.qid)
    return [arrayOf(queues, ({ qid }) => qid), arrayOf(queues, ({ version }) => version)]
  }
}

/** A column that is null throughout is not sent. */
class Sparse<T> {
  readonly values: (T | null)[] = []
  #used = false

  push(value: T | null): void {
    this.values.push(value)
    if (value !== null) this.#used = true
  }

  get used(): boolean {
    return this.#used
  }
}

export class Appends {
  readonly #catalog: Catalog
  readonly #now: Now
  readonly queues = new NamedQueues()
  /** Messages of each queue. */
  readonly counts = new Map<number, number>()
  /** When time first does something to one of them. */
  earliestMs = Number.POSITIVE_INFINITY
  readonly #bytes: Uint8Array[] = []
  #size = 0
  /** Of each content: the entry that it comes with first, where it begins (counted from 1), and how long its parts are. */
  readonly #firsts: number[] = []
  readonly #starts: number[] = []
  readonly #heads: number[] = []
  readonly #bodies: number[] = []
  readonly #qids: number[] = []
  readonly #contents: number[] = []
  readonly #ranks: number[] = []
  readonly #gids = new Sparse<string>()
  readonly #dedups = new Sparse<string>()
  readonly #expires = new Sparse<number>()
  readonly #dues = new Sparse<number>()

  constructor(catalog: Catalog, now: Now) {
    this.#catalog = catalog
    this.#now = now
  }

  /** The appends of a unit. false: one of its queues is gone. */
  add(unit: readonly AppendOp[]): boolean {
    const places = unit.length === 1 ? undefined : new Map<Content, number>()
    for (const op of unit) {
      const queue = this.#catalog.byName(op.queue)
      if (queue === undefined) return false
      this.queues.add(queue)
      this.#entry(queue, op, this.#place(op.message.content, places))
    }
    return true
  }

  /** Where the content stands among those of the statement; those that a unit gives several times stand there once. */
  #place(content: Content, places: Map<Content, number> | undefined): number {
    const there = places?.get(content)
    if (there !== undefined) return there
    const { head, body } = content
    this.#firsts.push(this.#qids.length + 1)
    this.#bytes.push(head, body)
    this.#starts.push(this.#size + 1)
    this.#size += head.length + body.length
    this.#heads.push(head.length)
    const place = this.#bodies.push(body.length)
    places?.set(content, place)
    return place
  }

  #entry({ qid, policy }: Queue, { message }: AppendOp, place: number): void {
    const { priority = 0, groupId, dedupId, delayMs = policy.delayMs, ttlMs } = message
    const life = lifeUnder(policy, ttlMs)
    const { monotonicMs } = this.#now
    const expires = life === null ? null : monotonicMs + life
    const due = delayMs > 0 ? monotonicMs + delayMs : null
    this.#qids.push(qid)
    this.#contents.push(place)
    this.#ranks.push(rankOf(Math.min(priority, policy.priorityMax ?? priority)))
    this.#gids.push(groupId ?? null)
    this.#dedups.push(dedupId ?? null)
    this.#expires.push(expires)
    this.#dues.push(due)
    this.counts.set(qid, (this.counts.get(qid) ?? 0) + 1)
    this.earliestMs = Math.min(this.earliestMs, expires ?? Number.POSITIVE_INFINITY, due ?? Number.POSITIVE_INFINITY)
  }

  /** In the order of the statement's parameters. */
  columns(): unknown[] {
    return [
      Buffer.concat(this.#bytes),
      ...[this.#firsts, this.#starts, this.#heads, this.#bodies, this.#qids, this.#ranks, this.#contents].map(
        (column) => arrayOf(column, itself),
      ),
      this.#gids.used ? this.#gids.values : null,
      this.#dedups.used ? this.#dedups.values : null,
      this.#expires.used ? arrayOf(this.#expires.values, itself) : null,
      this.#dues.used ? arrayOf(this.#dues.values, itself) : null,
    ]
  }
}
