/** Messages that commit with the application's own rows. */
import pg from 'pg'
import { open } from 'spindle-mq'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import type { Spindle } from '../../src/spindle.ts'
import { task } from '../../src/tasks/index.ts'
import { freshDatabase } from './database.ts'
import { whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()

interface Scene {
  readonly spindle: Spindle
  /** Of the application, with a table of its own. */
  readonly client: pg.Client
}

async function scene(): Promise<Scene> {
  const url = await freshDatabase()
  const spindle = await open(url)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('create table booking (id int primary key)')
  onTestFinished(async () => {
    await client.end()
    await spindle.close()
  })
  return { spindle, client }
}

describe.skipIf(missing !== undefined)(`within${missing === undefined ? '' : ` (${missing})`}`, () => {
  it('sends with the COMMIT of the application, and wakes who waits', async () => {
    const { spindle, client } = await scene()
    const mail = await spindle.queue<string>('mail')
    await client.query('begin')
    await client.query('insert into booking values (1)')
    await spindle.within(client).send(mail, 'welcome')
    expect(await mail.receive()).toEqual([])
    const waiting = mail.receive({ waitMs: 20_000 })
    await client.query('commit')
    expect((await waiting).map(({ body }) => body)).toEqual(['welcome'])
  })

  it('sends nothing after their ROLLBACK', async () => {
    const { spindle, client } = await scene()
    for (const [name, policy] of [
      ['plain', {}],
      ['fifo', { groups: { kind: 'ordered' } }],
    ] as const) {
      const queue = await spindle.queue<string>(name, policy)
      await client.query('begin')
      await spindle.within(client).send(queue, 'never', { group: 'g' })
      await client.query('rollback')
      expect(await queue.measure()).toMatchObject({ ready: 0 })
      await queue.send('later', { group: 'g' })
      expect((await queue.receive({ max: 10 })).map(({ body }) => body)).toEqual(['later'])
    }
  })

  it('finds one that committed after later ones were taken', async () => {
    const { spindle, client } = await scene()
    const queue = await spindle.queue<string>('q')
    await client.query('begin')
    await spindle.within(client).send(queue, 'early')
    await queue.send('late')
    expect((await queue.receive({ max: 10 })).map(({ body }) => body)).toEqual(['late'])
    await client.query('commit')
    expect((await queue.receive({ max: 10 })).map(({ body }) => body)).toEqual(['early'])
  })

  it('acks and answers in one transaction, once', async () => {
    const { spindle, client } = await scene()
    const inbox = await spindle.queue<number>('in')
    const outbox = await spindle.queue<number>('out')
    await inbox.send(7)
    const [message] = await inbox.receive()
    if (message === undefined) throw new Error('nothing came')
    await client.query('begin')
    const within = spindle.within(client)
    await client.query('insert into booking values ($1)', [message.body])
    await within.ack(message)
    await within.send(outbox, message.body + 1)
    await client.query('commit')
    expect(await inbox.measure()).toMatchObject({ ready: 0, leased: 0 })
    expect((await outbox.receive()).map(({ body }) => body)).toEqual([8])
    await client.query('begin')
    await expect(spindle.within(client).ack(message)).rejects.toMatchObject({ code: 'stale' })
    await client.query('insert into booking values (8)')
    await client.query('commit')
  })

  it('enqueues a task', async () => {
    const { spindle, client } = await scene()
    const double = task('double', { input: z.number(), run: async (n: number) => n * 2 })
    const worker = await spindle.work([double])
    await client.query('begin')
    const job = await spindle.within(client).enqueue(double, 4)
    await client.query('commit')
    expect(await job.result({ timeoutMs: 20_000 })).toBe(8)
    await worker.stop()
  })

  it('wants a transaction that is open, on one client', async () => {
    const { spindle, client } = await scene()
    const queue = await spindle.queue<string>('q')
    await expect(spindle.within(client).send(queue, 'x')).rejects.toThrow(/BEGIN first/)
    const pool = new pg.Pool()
    await expect(spindle.within(pool).send(queue, 'x')).rejects.toThrow(/pool.connect/)
    await client.query('begin isolation level serializable')
    await expect(spindle.within(client).send(queue, 'x')).rejects.toThrow(/serializable/)
    await client.query('rollback')
  })
})
