/** `spindle.send` for triggers, psql and other languages. */
import { open } from 'spindle-mq'
import { describe, expect, it, onTestFinished } from 'vitest'
import { freshDatabase, run } from './database.ts'
import { whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()

describe.skipIf(missing !== undefined)(`spindle.send${missing === undefined ? '' : ` (${missing})`}`, () => {
  it('sends from a trigger, with the row that fired it', async () => {
    const url = await freshDatabase()
    const spindle = await open(url)
    onTestFinished(() => spindle.close())
    const orders = await spindle.queue<{ id: number }>('orders')
    await run(
      url,
      `create table orders (id int primary key);
       create function tell() returns trigger language plpgsql as $$
       begin perform spindle.send('orders', jsonb_build_object('id', new.id)); return new; end $$;
       create trigger tell after insert on orders for each row execute function tell();`,
    )
    const waiting = orders.receive({ waitMs: 20_000 })
    await run(url, 'insert into orders values (7)')
    const [message] = await waiting
    expect(message?.body).toEqual({ id: 7 })
    await message?.ack()
    await run(url, 'begin; insert into orders values (8); rollback')
    expect(await orders.measure()).toMatchObject({ ready: 0, leased: 0 })
  })

  it('takes delay, priority and life, and says what it cannot do', async () => {
    const url = await freshDatabase()
    const spindle = await open(url)
    onTestFinished(() => spindle.close())
    const queue = await spindle.queue<string>('q')
    await spindle.queue('fifo', { groups: { kind: 'ordered' } })
    await run(url, `select spindle.send('q', '"low"'), spindle.send('q', '"high"', priority => 9)`)
    await run(url, `select spindle.send('q', '"later"', delay_ms => 60000, ttl_ms => 90000)`)
    expect((await queue.receive({ max: 10 })).map(({ body }) => body)).toEqual(['high', 'low'])
    expect(await queue.measure()).toMatchObject({ delayed: 1 })
    await expect(run(url, `select spindle.send('nowhere', '1')`)).rejects.toThrow(/has not been declared/)
    await expect(run(url, `select spindle.send('fifo', '1')`)).rejects.toThrow(/groups/)
  })
})
