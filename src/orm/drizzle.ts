import { SpindleError } from '../model/errors.ts'
import type { TransactionClient } from './statement.ts'

/** What is used of a transaction of `drizzle-orm/node-postgres`. */
export interface DrizzleTransaction {
  readonly _: { readonly session: unknown }
  rollback(): never
}

/**
 * For `spindle.within`: the transaction that Drizzle has open, over `node-postgres`. Its session keeps `pg`'s client. Throws
 * `invalid-argument` for one over another driver.
 */
export function ofDrizzle(transaction: DrizzleTransaction): TransactionClient {
  const { client } = transaction._.session as { readonly client?: Partial<TransactionClient> }
  if (typeof client?.query !== 'function') {
    throw new SpindleError(
      'invalid-argument',
      'join a transaction of Drizzle: it is not one of drizzle-orm/node-postgres',
    )
  }
  return client as TransactionClient
}
