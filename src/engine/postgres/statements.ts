/** Statements in the store's own schema, prepared by name where the way to the server keeps sessions apart. */
import type { Connection, Result, TypeParsers } from './driver.ts'
import { inSchema } from './schema.ts'

export interface StatementsOptions {
  readonly schema: string
  /** Off behind a pooler that shares sessions between transactions and is older than pgbouncer 1.21. */
  readonly prepare: boolean
  readonly types: TypeParsers
}

export class Statements {
  readonly #inSchema: (sql: string) => string
  readonly #prepare: boolean
  readonly #types: TypeParsers
  readonly #known = new Map<string, { readonly text: string; readonly name: string }>()

  constructor({ schema, prepare, types }: StatementsOptions) {
    this.#inSchema = inSchema(schema)
    this.#prepare = prepare
    this.#types = types
  }

  /** `sql`: written for a schema named `spindle`; a constant, since each text is prepared once and kept. */
  async run<Row>(connection: Connection, sql: string, values: readonly unknown[] = []): Promise<Result<Row>> {
    let known = this.#known.get(sql)
    if (known === undefined) {
      known = { text: this.#inSchema(sql), name: `spindle_${this.#known.size + 1}` }
      this.#known.set(sql, known)
    }
    const named = this.#prepare ? { name: known.name } : {}
    const result = await connection.query({ text: known.text, values, types: this.#types, ...named })
    return result as unknown as Result<Row>
  }

  /** Several statements in one, or one that is not worth preparing. */
  async script(connection: Connection, sql: string): Promise<void> {
    await connection.query({ text: this.#inSchema(sql) })
  }
}
