/** Knex, with its client `pg`. */
import knex from 'knex'
import { ofKnex } from 'spindle-mq/orm'
import { type Booking, CardRefused, type OpenBookings, voucher } from './hotel.ts'

export const openKnex: OpenBookings = (url, spindle) => {
  const db = knex({ client: 'pg', connection: url })
  return {
    book: ({ id, guest }, { fails = false } = {}) =>
      db.transaction(async (transaction) => {
        await transaction('booking').insert({ id, guest })
        const within = spindle.within(ofKnex(transaction))
        await within.send('mail', { to: guest, bookingId: id })
        const job = await within.enqueue(voucher, { bookingId: id })
        if (fails) throw new CardRefused()
        return job.id
      }),
    mailed: (message, { fails = false } = {}) =>
      db.transaction(async (transaction) => {
        await transaction('booking').where({ id: message.body.bookingId }).update({ mailed: true })
        await spindle.within(ofKnex(transaction)).ack(message)
        if (fails) throw new CardRefused()
      }),
    async guests() {
      const rows = await db<Booking & { mailed: boolean }>('booking').orderBy('id')
      return rows.map(({ guest, mailed }) => (mailed ? `${guest}*` : guest))
    },
    close: () => db.destroy(),
  }
}
