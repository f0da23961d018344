import { describe, expect, it } from 'vitest'
import { open, type Spindle } from '../../src/index.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

async function opened(): Promise<{ spindle: Spindle; clock: VirtualClock }> {
  const clock = new VirtualClock()
  return { spindle: await open('memory:', { clock }), clock }
}

describe('an exchange', () => {
  it('routes by key, and tells the consumer which', async () => {
    const { spindle } = await opened()
    const bookings = await spindle.exchange<string>('bookings', { kind: 'topic' })
    const [paid, all] = [await spindle.queue<string>('paid'), await spindle.queue<string>('all')]
    await bookings.bind(paid, { key: '*.paid' })
    await bookings.bind('all', { key: '#' })
    expect(await bookings.publish('b-1', { key: 'suite.paid', headers: { vip: true } })).toHaveLength(2)
    expect(await bookings.publish('b-2', { key: 'suite.paid.late' })).toHaveLength(1)
    const [message] = await paid.receive({ max: 9 })
    expect(message).toMatchObject({ body: 'b-1', key: 'suite.paid', headers: { vip: true } })
    expect((await all.receive({ max: 9 })).map(({ body }) => body)).toEqual(['b-1', 'b-2'])
  })

  it('leads to other exchanges, and to its alternate what nobody takes', async () => {
    const { spindle } = await opened()
    const rest = await spindle.exchange<string>('rest')
    const inner = await spindle.exchange<string>('inner', { kind: 'direct' })
    const outer = await spindle.exchange<string>('outer', { kind: 'headers', alternate: 'rest' })
    const [hit, missed] = [await spindle.queue<string>('hit'), await spindle.queue<string>('missed')]
    await inner.bind(hit, { key: 'k' })
    await rest.bind(missed)
    await outer.bind(inner, { headers: { mode: 'all', values: { colour: 'red', size: null } } })
    await outer.publish('red', { key: 'k', headers: { colour: 'red', size: 1 } })
    await outer.publish('blue', { key: 'k', headers: { colour: 'blue', size: 1 } })
    expect((await hit.receive({ max: 9 })).map(({ body }) => body)).toEqual(['red'])
    expect((await missed.receive({ max: 9 })).map(({ body }) => body)).toEqual(['blue'])
  })

  it('gives a queue one copy, however many keys and bindings lead there', async () => {
    const { spindle } = await opened()
    const direct = await spindle.exchange<string>('direct', { kind: 'direct' })
    const queue = await spindle.queue<string>('q')
    for (const key of ['a', 'b']) await direct.bind(queue, { key })
    expect(await direct.publish('m', { key: 'a', keys: ['b', 'c'] })).toHaveLength(1)
    expect(await queue.receive({ max: 9 })).toHaveLength(1)
  })

  it('forgets a binding, and keeps its kind', async () => {
    const { spindle } = await opened()
    const direct = await spindle.exchange<string>('direct', { kind: 'direct' })
    const queue = await spindle.queue<string>('q')
    await direct.bind(queue, { key: 'a' })
    expect(await direct.unbind(queue)).toBe(false)
    await expect(direct.delete({ ifUnused: true })).rejects.toMatchObject({ code: 'exchange-in-use' })
    expect(await direct.unbind(queue, { key: 'a' })).toBe(true)
    expect(await direct.publish('m', { key: 'a' })).toEqual([])
    await expect(spindle.exchange('direct', { kind: 'topic' })).rejects.toMatchObject({ code: 'exchange-exists' })
    await expect(spindle.topic('direct')).rejects.toMatchObject({ code: 'exchange-exists' })
    expect(await direct.delete({ ifUnused: true })).toBe(true)
    await expect(direct.publish('m')).rejects.toMatchObject({ code: 'no-such-exchange' })
  })

  it('takes part in a transaction', async () => {
    const { spindle } = await opened()
    const direct = await spindle.exchange<string>('direct', { kind: 'direct' })
    const queue = await spindle.queue<string>('q')
    await direct.bind(queue, { key: 'a' })
    const orders = await spindle.queue<string>('orders')
    await orders.send('o')
    const [order] = await orders.receive()
    await spindle.transaction((t) => {
      if (order !== undefined) t.ack(order)
      t.publish(direct, 'm', { key: 'a' })
    })
    expect((await queue.receive())[0]).toMatchObject({ body: 'm', key: 'a' })
    expect(await spindle.find(order?.id as never)).toBeUndefined()
  })
})

describe('a topic', () => {
  it('hands a queue only what passes its filter', async () => {
    const { spindle } = await opened()
    const sold = await spindle.topic<{ amount: number }>('sold')
    const [large, all] = [
      await spindle.queue<{ amount: number }>('large'),
      await spindle.queue<{ amount: number }>('all'),
    ]
    await sold.bind(large, { filter: { scope: 'body', policy: { amount: [{ numeric: ['>=', 100] }] } } })
    await sold.bind(all)
    for (const amount of [99, 100]) await sold.publish({ amount })
    expect((await large.receive({ max: 9 })).map(({ body }) => body.amount)).toEqual([100])
    expect((await all.receive({ max: 9 })).map(({ body }) => body.amount)).toEqual([99, 100])
    await sold.bind(large)
    expect(await sold.publish({ amount: 1 })).toHaveLength(2)
    expect(await sold.unbind(large)).toBe(true)
    await expect(sold.bind(all, { filter: { scope: 'headers', policy: { a: { b: ['x'] } } } })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/nested filter policy/),
    })
  })
})

describe('redriving', () => {
  it('moves dead letters back, tells how far it is, and can be stopped', async () => {
    const { spindle, clock } = await opened()
    const dead = await spindle.queue('dead')
    const work = await spindle.queue('work', { onDeath: { kind: 'deadLetter', queue: 'dead' } })
    for (let i = 0; i < 20; i++) await work.send(i)
    for (const message of await work.receive({ max: 20 })) await message.bury('broken')
    const slow = await dead.redrive({ ratePerSecond: 5 })
    await expect(dead.redrive()).rejects.toMatchObject({ code: 'redrive-running' })
    await clock.advance(2_000)
    const { moved, about } = await slow.view()
    expect(about).toBe(20)
    expect(moved).toBeGreaterThanOrEqual(9)
    expect(moved).toBeLessThanOrEqual(12)
    expect((await slow.cancel()).state).toBe('cancelled')
    const ended = await (await dead.redrive({ to: 'work' })).done()
    expect(ended).toMatchObject({ state: 'completed', moved: 20 - (await slow.view()).moved })
    const back = await work.receive({ max: 99 })
    expect(back.map(({ body }) => body)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(back[0]).toMatchObject({ attempt: 1, history: [{ queue: 'work', reason: 'broken' }] })
  })
})
