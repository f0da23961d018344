/** Kysely, over its PostgresDialect. */
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { ofKysely } from 'spindle-mq/orm'
import { CardRefused, type OpenBookings, voucher } from './hotel.ts'

interface Tables {
  readonly booking: { readonly id: number; readonly guest: string; readonly mailed?: boolean }
}

export const openKysely: OpenBookings = (url, spindle) => {
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }),
    plugins: [new CamelCasePlugin()],
  })
  return {
    book: ({ id, guest }, { fails = false } = {}) =>
      db.transaction().execute(async (transaction) => {
        await transaction.insertInto('booking').values({ id, guest }).execute()
        const within = spindle.within(ofKysely(transaction))
        await within.send('mail', { to: guest, bookingId: id })
        const job = await within.enqueue(voucher, { bookingId: id })
        if (fails) throw new CardRefused()
        return job.id
      }),
    mailed: (message, { fails = false } = {}) =>
      db.transaction().execute(async (transaction) => {
        const { bookingId } = message.body
        await transaction.updateTable('booking').set({ mailed: true }).where('id', '=', bookingId).execute()
        await spindle.within(ofKysely(transaction)).ack(message)
        if (fails) throw new CardRefused()
      }),
    async guests() {
      const rows = await db.selectFrom('booking').selectAll().orderBy('id').execute()
      return rows.map(({ guest, mailed }) => (mailed === true ? `${guest}*` : guest))
    },
    close: () => db.destroy(),
  }
}
