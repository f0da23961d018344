import type { Statement, StatementResult, TransactionClient } from './statement.ts'

/** What is used of the client of an interactive transaction, `prisma.$transaction(async (tx) => …)`. */
export interface PrismaTransaction {
  $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown>
  $executeRawUnsafe(text: string, ...values: unknown[]): PromiseLike<number>
}

/**
 * For `spindle.within`: the interactive transaction that Prisma has open, over the driver adapter `@prisma/adapter-pg`. It must be
 * `ReadCommitted`, as is PostgreSQL's default.
 */
export function ofPrisma(transaction: PrismaTransaction): TransactionClient {
  return {
    async query({ text, values = [] }: Statement): Promise<StatementResult> {
      if (!isRead(text)) return { rows: [], rowCount: await transaction.$executeRawUnsafe(text, ...values) }
      const rows = (await transaction.$queryRawUnsafe(text, ...values)) as Record<string, unknown>[]
      return { rows: rows.map(withNumbers), rowCount: rows.length }
    },
  }
}

/** What is read is read by a name. Prisma cannot read the void that a bare call gives, so it must not try. */
function isRead(text: string): boolean {
  return /\b(?:as|from|returning)\b/i.test(text)
}

/** Sequences and instants stay far below 2^53. */
function withNumbers(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  )
}
