/** Each example of examples/orms over a real PostgreSQL: what an ORM's transaction does, the store does, or neither. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Message, open, type SpindleError } from 'spindle-mq'
import { ofDrizzle, ofKnex, ofKysely } from 'spindle-mq/orm'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openDrizzle } from '../../examples/orms/drizzle.ts'
import { type Bookings, type Mail, mailQueue, type OpenBookings, TABLE, voucher } from '../../examples/orms/hotel.ts'
import { openKnex } from '../../examples/orms/knex.ts'
import { openKysely } from '../../examples/orms/kysely.ts'
import { openPrisma } from '../../examples/orms/prisma.ts'
import type { Queue, Spindle } from '../../src/index.ts'
import { freshDatabase, run } from '../postgres/database.ts'
import { whyNoPostgres } from '../postgres/server.ts'

const missing = whyNoPostgres()
const orms: readonly (readonly [string, OpenBookings])[] = [
  ['drizzle', openDrizzle],
  ['kysely', openKysely],
  ['knex', openKnex],
  ['prisma', openPrisma],
]
/** A plain queue goes the short way of the engine, one with a memory of what came the long way, with queries of every kind. */
const ways = [
  ['plain', {}],
  ['deduplicated', { dedup: { kind: 'window', windowMs: 60_000 }, groups: { kind: 'fair', concurrency: 5 } }],
] as const

interface Scene {
  readonly spindle: Spindle
  readonly mail: Queue<Mail>
  readonly bookings: Bookings
}

let url: string

beforeAll(async () => {
  if (missing !== undefined) return
  url = await freshDatabase()
  await run(url, TABLE)
})

async function scene(openBookings: OpenBookings, policy: Parameters<Spindle['queue']>[1]): Promise<Scene> {
  await run(url, 'delete from booking')
  const spindle = await open(url)
  await spindle.queue('mail', policy)
  const mail = await mailQueue(spindle)
  const worker = await spindle.work([voucher])
  const bookings = openBookings(url, spindle)
  onTestFinished(async () => {
    await bookings.close()
    await worker.stop()
    await spindle.port.deleteQueue('mail')
    await spindle.close()
  })
  return { spindle, mail, bookings }
}

async function only(mail: Queue<Mail>): Promise<Message<Mail>> {
  const [message, ...others] = await mail.receive({ max: 10, waitMs: 10_000 })
  expect(others).toEqual([])
  if (message === undefined) throw new Error('no mail came')
  return message
}

describe.skipIf(missing !== undefined)(`a transaction of an ORM${missing === undefined ? '' : ` (${missing})`}`, () => {
  describe.each(orms)('%s', (orm, openBookings) => {
    it.each(ways)('sends, enqueues and acks with its rows, or not at all (%s)', async (_, policy) => {
      const { spindle, mail, bookings } = await scene(openBookings, policy)
      const refused = await bookings.book({ id: 1, guest: 'bob' }, { fails: true }).catch((error: Error) => error)
      expect(refused).toMatchObject({ message: 'the card was refused' })
      expect(await bookings.guests()).toEqual([])
      expect(await mail.measure()).toMatchObject({ ready: 0 })

      const id = await bookings.book({ id: 2, guest: 'ada' })
      expect(await spindle.job(id, voucher).result({ timeoutMs: 20_000 })).toBe('voucher of booking 2')
      const message = await only(mail)
      expect(message.body).toEqual({ to: 'ada', bookingId: 2 })
      expect(await mail.receive()).toEqual([])

      await bookings.mailed(message, { fails: true }).catch(() => undefined)
      expect(await bookings.guests()).toEqual(['ada'])
      expect(await mail.measure()).toMatchObject({ leased: 1 })
      await bookings.mailed(message)
      expect(await bookings.guests()).toEqual(['ada*'])
      expect(await mail.measure()).toMatchObject({ leased: 0, ready: 0 })
    })

    it('takes its rows back when a message is somebody else’s by now', async () => {
      const { spindle, mail, bookings } = await scene(openBookings, ways[0][1])
      await bookings.book({ id: 3, guest: 'ada' })
      const message = await only(mail)
      await message.ack()
      const fault = await bookings.mailed(message).catch((error: SpindleError) => error)
      expect(fault).toMatchObject({ code: 'stale' })
      expect(await bookings.guests()).toEqual(['ada'])
      expect(await spindle.measure()).toContainEqual(expect.objectContaining({ queue: 'mail', leased: 0 }))
    })

    it('is what the program of the example shows', { timeout: 60_000 }, async () => {
      await run(url, 'drop schema if exists spindle cascade')
      const { stdout } = await promisify(execFile)(process.execPath, [
        '--import',
        'tsx',
        'examples/orms/start.ts',
        orm,
        url,
      ])
      expect(stdout).toMatch(/^no booking: the card was refused\nvoucher of booking \d+\nmail to ada\n$/)
    })
  })

  it('is asked for, where something else is given', () => {
    const invalid = expect.objectContaining({ code: 'invalid-argument' })
    const codeOf = (make: () => unknown): unknown => {
      try {
        return make()
      } catch (fault) {
        return fault
      }
    }
    const executeQuery = (): Promise<{ rows: unknown[] }> => Promise.resolve({ rows: [] })
    expect(codeOf(() => ofKnex({ client: { acquireConnection: () => Promise.resolve() } }))).toEqual(invalid)
    expect(codeOf(() => ofKysely({ isTransaction: false, withoutPlugins: () => ({ executeQuery }) }))).toEqual(invalid)
    const rollback = (): never => {
      throw new Error('rolled back')
    }
    expect(codeOf(() => ofDrizzle({ _: { session: {} }, rollback }))).toEqual(invalid)
  })
})
