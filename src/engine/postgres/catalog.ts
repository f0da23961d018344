/**
 * What this broker knows of the queues. The server's word counts: each transaction reads the catalog's version behind its lock, and
 * whoever finds another one than here reads the catalog anew.
 */
import type { Queue } from './queue.ts'
import { QUEUE_COLUMNS, type QueueRow, queueOf } from './queue.ts'
import type { Transaction } from './transaction.ts'

export class Catalog {
  #version = 0
  readonly #byName = new Map<string, Queue>()
  readonly #byId = new Map<number, Queue>()
  readonly #listeners = new Set<() => void>()

  get version(): number {
    return this.#version
  }

  byName(name: string): Queue | undefined {
    return this.#byName.get(name)
  }

  byId(qid: number): Queue | undefined {
    return this.#byId.get(qid)
  }

  all(): IterableIterator<Queue> {
    return this.#byName.values()
  }

  /** What is new since the version that is known. */
  async read(transaction: Transaction): Promise<void> {
    const rows = await transaction.rows<QueueRow & { at: number; id: number | null }>(
      `select c.version as at, x.qid as id, ${QUEUE_COLUMNS} from spindle.catalog c
       left join spindle.queue x on true left join spindle.queue q on q.qid = x.qid and q.version > $1`,
      this.#version,
    )
    const there = new Set(rows.map(({ id }) => id))
    for (const { qid } of [...this.#byId.values()]) if (!there.has(qid)) this.#forget(qid)
    const known = this.#version
    for (const row of rows) {
      this.#version = row.at
      if (row.qid !== null) this.#keep(queueOf(row))
    }
    if (this.#version !== known) for (const listener of this.#listeners) listener()
  }

  async refresh(transaction: Transaction): Promise<void> {
    const [row] = await transaction.rows<{ version: number }>('select version from spindle.catalog')
    if (row?.version !== this.#version) await this.read(transaction)
  }

  /** What a transaction of this broker changed, which had the catalog for itself: nobody else changed it meanwhile. */
  changed(version: number, queues: Iterable<readonly [number, Queue | undefined]>): void {
    for (const [qid, queue] of queues) {
      this.#forget(qid)
      if (queue !== undefined) this.#keep(queue)
    }
    this.#version = version
  }

  #keep(queue: Queue): void {
    this.#byName.set(queue.name, queue)
    this.#byId.set(queue.qid, queue)
  }

  #forget(qid: number): void {
    const queue = this.#byId.get(qid)
    if (queue === undefined) return
    this.#byId.delete(qid)
    if (this.#byName.get(queue.name) === queue) this.#byName.delete(queue.name)
  }

  /** Called after others changed it. Returns the end. */
  watch(listener: () => void): () => void {
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }
}
