/** What `spindle.within` asks of a connection: the query method of a `pg` client, and of it this much. */
export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
  /** Prepared under this name, where the driver can. */
  readonly name?: string
  /** How `pg` is to read what comes back; with it 64-bit integers are numbers. */
  readonly types?: unknown
}

export interface StatementResult {
  readonly rows: Record<string, unknown>[]
  readonly rowCount: number | null
}

export interface TransactionClient {
  query(statement: Statement): Promise<StatementResult>
}
