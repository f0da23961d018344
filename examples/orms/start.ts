/** `npx tsx examples/orms/start.ts drizzle postgres://…`: one booking that commits, and one that does not. */
import process from 'node:process'
import pg from 'pg'
import { open } from 'spindle-mq'
import { openDrizzle } from './drizzle.ts'
import { mailQueue, type OpenBookings, TABLE, voucher } from './hotel.ts'
import { openKnex } from './knex.ts'
import { openKysely } from './kysely.ts'
import { openPrisma } from './prisma.ts'

const orms: Readonly<Record<string, OpenBookings>> = {
  drizzle: openDrizzle,
  knex: openKnex,
  kysely: openKysely,
  prisma: openPrisma,
}

const [orm = '', url = process.env['DATABASE_URL']] = process.argv.slice(2)
const openBookings = orms[orm]
if (openBookings === undefined || url === undefined) {
  throw new Error(`say which of ${Object.keys(orms).join(', ')}, and a postgres:// URL (or DATABASE_URL)`)
}

const client = new pg.Client({ connectionString: url })
await client.connect()
await client.query(TABLE)
await client.end()

const spindle = await open(url)
const mail = await mailQueue(spindle)
const worker = await spindle.work([voucher])
const bookings = openBookings(url, spindle)

const id = await bookings.book({ id: Date.now() % 1_000_000_000, guest: 'ada' })
await bookings.book({ id: Date.now() % 1_000_000_000, guest: 'bob' }, { fails: true }).catch((error: Error) => {
  console.log(`no booking: ${error.message}`)
})
console.log(await spindle.job(id, voucher).result())
for (const message of await mail.receive({ max: 10, waitMs: 5_000 })) {
  await bookings.mailed(message)
  console.log(`mail to ${message.body.to}`)
}
await bookings.close()
await worker.stop()
await spindle.close()
