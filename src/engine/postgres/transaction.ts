/** One transaction under way: statements on its connection. Who begins and ends it is somebody else's concern. */
import type { Connection } from './driver.ts'
import type { Statements } from './statements.ts'

export class Transaction {
  readonly #connection: Connection
  readonly #statements: Statements

  constructor(connection: Connection, statements: Statements) {
    this.#connection = connection
    this.#statements = statements
  }

  /** `sql`: a constant, written for a schema named `spindle`. */
  async rows<Row>(sql: string, ...values: readonly unknown[]): Promise<Row[]> {
    return (await this.#statements.run<Row>(this.#connection, sql, values)).rows
  }

  async run(sql: string, ...values: readonly unknown[]): Promise<number> {
    return (await this.#statements.run(this.#connection, sql, values)).rowCount ?? 0
  }

  script(sql: string): Promise<void> {
    return this.#statements.script(this.#connection, sql)
  }
}
