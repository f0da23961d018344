import { SpindleError } from '../model/errors.ts'
import type { StatementResult, TransactionClient } from './statement.ts'

/** What is used of a `Knex.Transaction`, of the client `pg`. */
export interface KnexTransaction {
  readonly isTransaction?: boolean
  readonly client: { acquireConnection(): Promise<unknown> }
}

/**
 * For `spindle.within`: the transaction that Knex has open. Its connection is `pg`'s own, and only lent. Throws `invalid-argument` for a
 * Knex that is no transaction.
 */
export function ofKnex(transaction: KnexTransaction): TransactionClient {
  if (transaction.isTransaction !== true) {
    throw new SpindleError('invalid-argument', 'join a transaction of Knex: that is none (knex.transaction)')
  }
  return {
    async query(statement): Promise<StatementResult> {
      const connection = (await transaction.client.acquireConnection()) as TransactionClient
      return connection.query(statement)
    },
  }
}
