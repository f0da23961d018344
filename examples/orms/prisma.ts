/** Prisma, over its driver adapter for `pg`. The client is made from prisma/schema.prisma. */
import { PrismaPg } from '@prisma/adapter-pg'
import { ofPrisma } from 'spindle-mq/orm'
import { CardRefused, type OpenBookings, voucher } from './hotel.ts'
import { PrismaClient } from './prisma/generated/client.ts'

export const openPrisma: OpenBookings = (url, spindle) => {
  const db = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
  return {
    book: ({ id, guest }, { fails = false } = {}) =>
      db.$transaction(async (transaction) => {
        await transaction.booking.create({ data: { id, guest } })
        const within = spindle.within(ofPrisma(transaction))
        await within.send('mail', { to: guest, bookingId: id })
        const job = await within.enqueue(voucher, { bookingId: id })
        if (fails) throw new CardRefused()
        return job.id
      }),
    mailed: (message, { fails = false } = {}) =>
      db.$transaction(async (transaction) => {
        await transaction.booking.update({ where: { id: message.body.bookingId }, data: { mailed: true } })
        await spindle.within(ofPrisma(transaction)).ack(message)
        if (fails) throw new CardRefused()
      }),
    async guests() {
      const rows = await db.booking.findMany({ orderBy: { id: 'asc' } })
      return rows.map(({ guest, mailed }) => (mailed ? `${guest}*` : guest))
    },
    close: () => db.$disconnect(),
  }
}
