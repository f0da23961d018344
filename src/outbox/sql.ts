/** The one thing that a database driver must do here, and how the databases differ. */

/**
 * Runs one statement. A `pg` client and a PGlite are one as they stand; others take a line: better-sqlite3
 * `{ query: async (sql, values) => ({ rows: db.prepare(sql).all(...values) }) }` (with `.run` for what returns nothing), mysql2
 * `{ query: async (sql, values) => ({ rows: (await connection.query(sql, values))[0] }) }`.
 */
export interface SqlClient {
  query(sql: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>
}

export type SqlDialect = 'postgres' | 'sqlite' | 'mysql'

/** `$1`, or `?` for MySQL. A statement names its values in their order. */
export function placeholders(dialect: SqlDialect, count: number, from = 1): string {
  return Array.from({ length: count }, (_, at) => (dialect === 'mysql' ? '?' : `$${at + from}`)).join(', ')
}

/** Throws RangeError for what is no plain name: it stands in statements as it is. */
export function tableName(name: string): string {
  if (/^[a-z_][a-z0-9_]{0,60}(?:\.[a-z_][a-z0-9_]{0,60})?$/i.test(name)) return name
  throw new RangeError(`a table name must be letters, digits and underscores, not '${name}'`)
}
