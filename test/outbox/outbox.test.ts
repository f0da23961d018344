import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openShop, pack, placeOrder } from '../../examples/outbox/shop.ts'
import { open } from '../../src/index.ts'
import { createInbox, createOutbox, intoOutbox, OutboxRelay, type SqlClient } from '../../src/outbox/index.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

const WINDOW = { dedup: { kind: 'window', windowMs: 3_600_000 } } as const

/** One for all tests: it takes seconds to start. */
let db: Awaited<ReturnType<typeof openShop>>
beforeAll(async () => {
  db = await openShop()
}, 120_000)
afterAll(() => db.close())

async function shop() {
  await db.exec('delete from spindle_outbox; delete from spindle_inbox; delete from orders; delete from parcels')
  const clock = new VirtualClock()
  const spindle = await open('memory:', { clock })
  onTestFinished(() => spindle.close())
  const queue = await spindle.queue<{ id: number; item: string }>('orders', WINDOW)
  const left = async (): Promise<number> =>
    Number((await db.query<{ n: number }>('select count(*)::int as n from spindle_outbox')).rows[0]?.n)
  return { clock, spindle, queue, left }
}

describe('an outbox', () => {
  it('sends what was committed, in order, and nothing that was rolled back', async () => {
    const { spindle, queue, left } = await shop()
    await placeOrder(db, 'tea')
    await expect(placeOrder(db, 'teapot', { fails: true })).rejects.toThrow('refused')
    await placeOrder(db, 'cups')
    expect(await left()).toBe(2)
    expect(await new OutboxRelay({ client: db, spindle }).drain()).toBe(2)
    expect(await left()).toBe(0)
    const messages = await queue.receive({ max: 10 })
    expect(messages.map(({ body, headers, group }) => [body.item, headers['source'], group])).toEqual([
      ['tea', 'shop', 'tea'],
      ['cups', 'shop', 'cups'],
    ])
  })

  it('sends once though the relay is killed between sending and removing, and though two run', async () => {
    const { spindle, queue, left } = await shop()
    await db.transaction((transaction) =>
      intoOutbox(
        transaction,
        Array.from({ length: 1_200 }, (_, n) => ({ queue: 'orders', body: { id: n, item: `item ${n}` } })),
      ),
    )
    let removals = 0
    const dying: SqlClient = {
      query: (sql, values) => {
        if (sql.startsWith('delete') && ++removals === 2) throw new Error('killed')
        return db.query(sql, values)
      },
    }
    await expect(new OutboxRelay({ client: dying, spindle }).drain()).rejects.toThrow('killed')
    expect(await left()).toBe(700)
    const relay = (): Promise<number> => new OutboxRelay({ client: db, spindle }).drain()
    await Promise.all([relay(), relay()])
    expect(await left()).toBe(0)
    const items = (await queue.receive({ max: 5_000 })).map(({ body }) => body.item)
    expect(items).toHaveLength(1_200)
    expect(new Set(items).size).toBe(1_200)
  })

  it('refuses a queue that would let doubles in, or is not there', async () => {
    const { spindle } = await shop()
    await spindle.queue('careless')
    const relay = new OutboxRelay({ client: db, spindle })
    await intoOutbox(db, { queue: 'careless', body: 1 })
    await expect(relay.drain()).rejects.toMatchObject({ code: 'invalid-argument' })
    await db.query('delete from spindle_outbox')
    await intoOutbox(db, { queue: 'nowhere', body: 1 })
    await expect(relay.drain()).rejects.toMatchObject({ code: 'no-such-queue' })
  })

  it('is looked at again and again until it is stopped, less often while something fails', async () => {
    const { clock, spindle, queue } = await shop()
    let looks = 0
    let fails = false
    let looked = (): void => {}
    const client: SqlClient = {
      query: async (sql, values) => {
        if (sql.startsWith('select')) looks++
        queueMicrotask(() => looked())
        if (fails) throw new Error('the database is away')
        return db.query(sql, values)
      },
    }
    const until = (count: number): Promise<void> =>
      new Promise((resolve) => {
        const check = (): void => (looks >= count ? resolve() : undefined)
        looked = check
        check()
      })
    const relay = new OutboxRelay({ client, spindle, clock })
    relay.start()
    await until(1)
    await placeOrder(db, 'tea')
    // PGlite answers in real time: the relay arms its timer when it has.
    while ((await queue.receive()).length === 0) await clock.advance(1_000)
    fails = true
    const before = looks
    while (looks === before) await clock.advance(1_000)
    await relay.stop()
    const after = looks
    await clock.advance(600_000)
    expect(looks).toBe(after)
  })
})

describe('an inbox', () => {
  it('lets each message through once, and again when its transaction was rolled back', async () => {
    await shop()
    const order = await placeOrder(db, 'tea')
    await expect(
      db.transaction(async (transaction) => {
        await transaction.query('insert into spindle_inbox values ($1, $2, $3)', ['m-1', '', 0])
        throw new Error('no paper')
      }),
    ).rejects.toThrow('no paper')
    expect(await pack(db, 'm-1', order)).toBe(true)
    expect(await pack(db, 'm-1', order)).toBe(false)
    expect(await pack(db, 'm-2', order)).toBe(true)
  })
})

describe('the statements', () => {
  it('fit each database, and take no name that is more than one', () => {
    expect(createOutbox({ dialect: 'sqlite' })).toContain('autoincrement')
    expect(createOutbox({ dialect: 'mysql', table: 'app.outbox' })).toContain('app.outbox (id bigint auto_increment')
    expect(createInbox({ table: 'seen' })).toContain('create table if not exists seen')
    expect(() => createOutbox({ table: 'x; drop table orders' })).toThrow(RangeError)
  })
})
