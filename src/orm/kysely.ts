import { SpindleError } from '../model/errors.ts'
import type { Statement, StatementResult, TransactionClient } from './statement.ts'

/** What is used of a `Transaction` of Kysely over `PostgresDialect`. */
export interface KyselyTransaction {
  readonly isTransaction: boolean
  withoutPlugins(): { executeQuery(query: never): Promise<{ readonly rows: unknown[] }> }
}

/**
 * For `spindle.within`: the transaction that Kysely has open, over its `PostgresDialect`. Plugins of the application see nothing of it.
 * Throws `invalid-argument` for a Kysely that is no transaction.
 */
export function ofKysely(transaction: KyselyTransaction): TransactionClient {
  if (!transaction.isTransaction) {
    throw new SpindleError('invalid-argument', 'join a transaction of Kysely: that is none (db.transaction)')
  }
  const bare = transaction.withoutPlugins()
  return {
    async query(statement): Promise<StatementResult> {
      const { rows } = await bare.executeQuery(compiled(statement) as never)
      return { rows: rows as Record<string, unknown>[], rowCount: null }
    },
  }
}

/**
 * A query as Kysely compiles it. Its dialect hands `sql` and `parameters` to `pg`'s `query`, which takes a text or, with the values beside
 * it, a query config: that way `pg` reads 64-bit integers as the store wants them. To a log it looks like the text.
 */
function compiled({ text, values = [], types }: Statement): object {
  const sql = { text, types, toString: () => text }
  return {
    sql,
    parameters: values,
    query: { kind: 'RawNode', sqlFragments: [text], parameters: [] },
    queryId: { queryId: 'spindle' },
  }
}
