/** Drizzle, over node-postgres. */
import { asc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { boolean, integer, pgTable, text } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { ofDrizzle } from 'spindle-mq/orm'
import { CardRefused, type OpenBookings, voucher } from './hotel.ts'

const booking = pgTable('booking', {
  id: integer().primaryKey(),
  guest: text().notNull(),
  mailed: boolean().notNull().default(false),
})

export const openDrizzle: OpenBookings = (url, spindle) => {
  const pool = new pg.Pool({ connectionString: url })
  const db = drizzle(pool)
  return {
    book: ({ id, guest }, { fails = false } = {}) =>
      db.transaction(async (transaction) => {
        await transaction.insert(booking).values({ id, guest })
        const within = spindle.within(ofDrizzle(transaction))
        await within.send('mail', { to: guest, bookingId: id })
        const job = await within.enqueue(voucher, { bookingId: id })
        if (fails) throw new CardRefused()
        return job.id
      }),
    mailed: (message, { fails = false } = {}) =>
      db.transaction(async (transaction) => {
        await transaction.update(booking).set({ mailed: true }).where(eq(booking.id, message.body.bookingId))
        await spindle.within(ofDrizzle(transaction)).ack(message)
        if (fails) throw new CardRefused()
      }),
    async guests() {
      const rows = await db.select().from(booking).orderBy(asc(booking.id))
      return rows.map(({ guest, mailed }) => (mailed ? `${guest}*` : guest))
    },
    close: () => pool.end(),
  }
}
