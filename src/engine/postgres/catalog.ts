/**
 * What this broker knows of the queues. The server's word counts: each transaction reads the catalog's version behind its lock, and
 * whoever finds another one than here reads the catalog anew.
 */
import type { Queue } from './queue.ts'
import { QUEUE_COLUMNS, type QueueRow, queueOf } from './queue.ts'
import type { Transaction } from './transaction.ts'

export class Catalog {
  #version = 0
  #byName = new Map<string, Queue>()
  #byId = new Map<number, Queue>()
  /** Told the names of queues that came, changed or went since the last reading. */
  onChange: (names: readonly string[]) => void = () => {}

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

  /** `version`: that of the rows, read in the same snapshot. */
  async read(transaction: Transaction): Promise<void> {
    const rows = await transaction.rows<QueueRow & { catalog_version: number }>(
      `select c.version as catalog_version, ${QUEUE_COLUMNS} from spindle.catalog c left join spindle.queue q on true`,
    )
    const before = this.#byName
    this.#byName = new Map()
    this.#byId = new Map()
    const changed: string[] = []
    for (const row of rows) {
      this.#version = row.catalog_version
      if (row.qid === null) continue
      const old = before.get(row.name)
      const queue = old?.qid === row.qid && old.version === row.version ? old : queueOf(row)
      if (queue !== old) changed.push(row.name)
      this.#byName.set(queue.name, queue)
      this.#byId.set(queue.qid, queue)
    }
    for (const name of before.keys()) if (!this.#byName.has(name)) changed.push(name)
    if (changed.length > 0) this.onChange(changed)
  }

  async refresh(transaction: Transaction): Promise<void> {
    const [row] = await transaction.rows<{ version: number }>('select version from spindle.catalog')
    if (row?.version !== this.#version) await this.read(transaction)
  }
}
