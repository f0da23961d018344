/** Making and upgrading the schema of a PostgreSQL store, apart from opening it: with another role, before brokers start. */
import { PostgresEngine } from '../engine/postgres/engine.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'

/** Resolves to the version that the schema had, and has. 0: there was none. Rejects as opening does. */
export function migrateStore(
  url: string,
  parts: { readonly clock: Clock; readonly random: Random; readonly schema?: string },
): Promise<{ readonly from: number; readonly to: number }> {
  const { schema, ...rest } = parts
  return new PostgresEngine({ url, ...rest, ...(schema === undefined ? {} : { options: { schema } }) }).migrate()
}
