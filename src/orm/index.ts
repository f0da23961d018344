/**
 * Transactions of ORMs for `spindle.within`, as `spindle-mq/orm`. Each is a few lines over the ORM's own connection and needs nothing of
 * the ORM at run time.
 */
export { type DrizzleTransaction, ofDrizzle } from './drizzle.ts'
export { type KnexTransaction, ofKnex } from './knex.ts'
export { type KyselyTransaction, ofKysely } from './kysely.ts'
export { ofPrisma, type PrismaTransaction } from './prisma.ts'
export type { Statement, StatementResult, TransactionClient } from './statement.ts'
