/**
 * Messages that a consumer has handled, remembered in the transaction in which it did: at-least-once deliveries become exactly-once
 * effects. Ack after your commit; a message that comes again is not first, and is acked without doing it again.
 */
import { systemClock } from '../runtime/clock.ts'
import { placeholders, type SqlClient, type SqlDialect, tableName } from './sql.ts'

export interface InboxTable {
  /** Default `postgres`. */
  readonly dialect?: SqlDialect
  /** Default `spindle_inbox`. */
  readonly table?: string
  /** Tells consumers of the same message apart. Default ''. */
  readonly consumer?: string
}

/** The statement that makes the table; put it among your migrations. */
export function createInbox({ table = 'spindle_inbox' }: InboxTable = {}): string {
  const key = 'message_id varchar(64) not null, consumer varchar(64) not null'
  return `create table if not exists ${tableName(table)} (${key}, seen_at_ms bigint not null, primary key (message_id, consumer))`
}

/** Within your transaction. true: this is the first time, go on; false: it was done before. Of two at once one waits for the other's commit. */
export async function isFirstInInbox(
  client: SqlClient,
  messageId: string,
  { dialect = 'postgres', table = 'spindle_inbox', consumer = '' }: InboxTable = {},
): Promise<boolean> {
  const into = `${tableName(table)} (message_id, consumer, seen_at_ms) values (${placeholders(dialect, 3)})`
  const values = [messageId, consumer, systemClock.wallMs()]
  if (dialect === 'mysql') {
    await client.query(`insert ignore into ${into}`, values)
    const { rows } = await client.query('select row_count() as n', [])
    return Number((rows[0] as { n?: unknown } | undefined)?.n) === 1
  }
  const { rows } = await client.query(`insert into ${into} on conflict do nothing returning message_id`, values)
  return rows.length === 1
}

/** Forgets what was seen before an instant; longer ago than any delivery may still come. */
export async function tidyInbox(
  client: SqlClient,
  beforeMs: number,
  { dialect = 'postgres', table = 'spindle_inbox' }: InboxTable = {},
): Promise<void> {
  await client.query(`delete from ${tableName(table)} where seen_at_ms < ${placeholders(dialect, 1)}`, [beforeMs])
}
