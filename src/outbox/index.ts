/** Outbox and inbox: messages that commit with the rows of an application, in whatever SQL database it has. */
export { createInbox, type InboxTable, isFirstInInbox, tidyInbox } from './inbox.ts'
export { createOutbox, intoOutbox, type OutboxMessage, type OutboxTable } from './outbox.ts'
export { OutboxRelay, type RelayOptions } from './relay.ts'
export type { SqlClient, SqlDialect } from './sql.ts'
