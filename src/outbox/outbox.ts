/**
 * Messages that commit with the rows of an application whose database is not the store: they are written into a table, in the
 * application's own transaction, and a relay sends what was committed.
 */
import { placeholders, type SqlClient, type SqlDialect, tableName } from './sql.ts'

export interface OutboxTable {
  /** Default `postgres`. */
  readonly dialect?: SqlDialect
  /** Default `spindle_outbox`. */
  readonly table?: string
}

export interface OutboxMessage {
  readonly queue: string
  /** JSON. */
  readonly body: unknown
  readonly group?: string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string | number | boolean>>
  readonly delayMs?: number
  readonly priority?: number
}

/** Everything but queue and body, as JSON in one column: it is read by the relay alone. */
export type OutboxOptions = Omit<OutboxMessage, 'queue' | 'body'>

/** The statement that makes the table; put it among your migrations. */
export function createOutbox({ dialect = 'postgres', table = 'spindle_outbox' }: OutboxTable = {}): string {
  const columns = {
    postgres:
      'id bigint generated always as identity primary key, queue text not null, body text not null, options text not null',
    sqlite: 'id integer primary key autoincrement, queue text not null, body text not null, options text not null',
    mysql: 'id bigint auto_increment primary key, queue text not null, body longtext not null, options text not null',
  }
  return `create table if not exists ${tableName(table)} (${columns[dialect]})`
}

/** Within your transaction: `client` is the one that it runs on. Rolled back means never sent. */
export async function intoOutbox(
  client: SqlClient,
  messages: OutboxMessage | readonly OutboxMessage[],
  { dialect = 'postgres', table = 'spindle_outbox' }: OutboxTable = {},
): Promise<void> {
  for (const { queue, body, ...options } of Array.isArray(messages)
    ? (messages as OutboxMessage[])
    : [messages as OutboxMessage]) {
    const sql = `insert into ${tableName(table)} (queue, body, options) values (${placeholders(dialect, 3)})`
    await client.query(sql, [queue, JSON.stringify(body), JSON.stringify(options)])
  }
}
