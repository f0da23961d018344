/**
 * Statements in the store's own schema, prepared by name where the way to the server keeps sessions apart. The name is a digest of the
 * text: a pooler may hand on a session that another process prepared on, and whoever meets a name there meets the same statement.
 */
import { createHash } from 'node:crypto'
import type { Connection, Result, TypeParsers } from './driver.ts'
import { isNameLost } from './faults.ts'
import { inSchema } from './schema.ts'

export interface StatementsOptions {
  readonly schema: string
  /** Until the server says that names do not last: a pooler older than pgbouncer 1.21 shares its sessions between transactions. */
  readonly prepare: boolean
  readonly types: TypeParsers
}

export class Statements {
  readonly #inSchema: (sql: string) => string
  #prepare: boolean
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
      const text = this.#inSchema(sql)
      known = { text, name: `spindle_${createHash('sha256').update(text).digest('base64url')}` }
      this.#known.set(sql, known)
    }
    const named = this.#prepare ? { name: known.name } : {}
    try {
      const result = await connection.query({ text: known.text, values, types: this.#types, ...named })
      return result as unknown as Result<Row>
    } catch (fault) {
      // Its transaction is rolled back and run again, without names from now on.
      if (isNameLost(fault)) this.#prepare = false
      throw fault
    }
  }

  /** Several statements in one, or one that is not worth preparing. */
  async script(connection: Connection, sql: string): Promise<void> {
    await connection.query({ text: this.#inSchema(sql) })
  }
}
