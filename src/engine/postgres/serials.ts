/** Numbers of a sequence, drawn several at a time, so that a transaction does not pay a round trip for each. */
import type { Transaction } from './transaction.ts'

const AT_ONCE = 8

export class Serials {
  readonly #transaction: Transaction
  readonly #draw: string
  #drawn: number[] = []

  constructor(transaction: Transaction, sequence: 'spindle.seq' | 'spindle.change_seq') {
    this.#transaction = transaction
    this.#draw = `select nextval('${sequence}') as n from generate_series(1, $1::int)`
  }

  /** So many can be taken from then on without asking the server. */
  async reserve(count: number): Promise<void> {
    const missing = count - this.#drawn.length
    if (missing <= 0) return
    const rows = await this.#transaction.rows<{ n: number }>(this.#draw, Math.max(missing, AT_ONCE))
    this.#drawn.push(...rows.map(({ n }) => n))
  }

  async next(): Promise<number> {
    if (this.#drawn.length === 0) await this.reserve(1)
    return this.#drawn.shift() as number
  }
}
