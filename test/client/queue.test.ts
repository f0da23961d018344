import { describe, expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

async function opened() {
  const clock = new VirtualClock()
  return { clock, spindle: await open('memory:', { clock }) }
}

describe('a typed queue', () => {
  it('carries strings, JSON and bytes as they were', async () => {
    const { spindle } = await opened()
    const queue = await spindle.queue('q')
    const values = ['text', { a: [1, null, 'ü'] }, Uint8Array.of(0, 255), 0, '', null]
    for (const value of values) await queue.send(value)
    expect((await queue.receive({ max: 10 })).map(({ body }) => body)).toEqual(values)
  })

  it('carries headers and type, and treats __proto__ as a header like any other', async () => {
    const { spindle } = await opened()
    const queue = await spindle.queue('q')
    const headers = { trace: 'abc', size: 3, urgent: true, raw: Uint8Array.of(1), ['__proto__']: 'x' }
    await queue.send('m', { type: 'greeting', headers })
    const [message] = await queue.receive()
    expect(message?.type).toBe('greeting')
    expect(Object.entries(message?.headers ?? {})).toEqual(Object.entries(headers))
  })

  it('comes back after its lease, and its old receipt is stale', async () => {
    const { spindle, clock } = await opened()
    const queue = await spindle.queue('q', { leaseMs: 1_000 })
    await queue.send('m')
    const [first] = await queue.receive()
    expect(first?.attempt).toBe(1)
    expect(await queue.receive()).toEqual([])
    await clock.advance(1_000)
    const [second] = await queue.receive()
    expect(second?.attempt).toBe(2)
    expect(await first?.ack()).toEqual({ kind: 'stale' })
    expect(await second?.ack()).toEqual({ kind: 'settled' })
  })

  it('stays hidden while its lease is extended', async () => {
    const { spindle, clock } = await opened()
    const queue = await spindle.queue('q', { leaseMs: 1_000 })
    await queue.send('m')
    const [message] = await queue.receive()
    for (let i = 0; i < 5; i++) {
      await clock.advance(900)
      expect((await message?.extend(1_000))?.kind).toBe('extended')
    }
    expect(await queue.receive()).toEqual([])
  })

  it('answers a duplicate with the first id', async () => {
    const { spindle } = await opened()
    const queue = await spindle.queue('q', { dedup: { kind: 'window', windowMs: 60_000 } })
    const id = await queue.send('m', { dedupId: 'x' })
    expect(await queue.send('m', { dedupId: 'x' })).toBe(id)
    expect(await queue.purge()).toBe(1)
  })

  it('moves what was buried to its dead-letter queue, with reason and error', async () => {
    const { spindle } = await opened()
    const dead = await spindle.queue('dead')
    const queue = await spindle.queue('q', { onDeath: { kind: 'deadLetter', queue: 'dead' } })
    const id = await queue.send('m')
    const [message] = await queue.receive()
    await message?.bury('broken', new Error('no such order'))
    const [letter] = await dead.receive()
    expect(letter).toMatchObject({ id, attempt: 1, history: [{ queue: 'q', reason: 'broken', attempts: 1 }] })
    const [page] = (await dead.browse({ states: ['leased'] })).messages
    expect(new TextDecoder().decode(page?.note)).toMatch(/no such order/)
  })

  it('delivers at most once when it settles on delivery', async () => {
    const { spindle, clock } = await opened()
    const queue = await spindle.queue('q')
    await queue.send('m')
    expect((await queue.receive({ settleOnDelivery: true })).length).toBe(1)
    await clock.advance(3_600_000)
    expect(await queue.receive()).toEqual([])
  })

  it('is an async iterable that gives back what was not read', async () => {
    const { spindle } = await opened()
    const queue = await spindle.queue<number>('q', { attemptsMax: 1 })
    await queue.sendMany([1, 2, 3].map((body) => ({ body })))
    for await (const message of queue.messages({ max: 3 })) {
      await message.ack()
      break
    }
    const rest = await queue.receive({ max: 3 })
    expect(rest.map(({ body, attempt }) => [body, attempt])).toEqual([
      [2, 1],
      [3, 1],
    ])
  })

  it('warns when its lease is shorter than what its consumers take', async () => {
    const { spindle, clock } = await opened()
    const queue = await spindle.queue('q', { leaseMs: 1_000 })
    expect((await queue.measure()).warnings).toEqual([])
    await queue.send('m')
    const [message] = await queue.receive({ leaseMs: 60_000 })
    await clock.advance(5_000)
    await message?.ack()
    expect((await queue.measure()).warnings).toEqual([expect.stringMatching(/leaseMs is 1000 .* 5000 ms/)])
  })

  it('refuses a body over the limit with what to do', async () => {
    const { spindle } = await opened()
    const queue = await spindle.queue('q')
    await expect(queue.send(new Uint8Array(1_048_577))).rejects.toMatchObject({
      code: 'too-large',
      message: expect.stringMatching(/reference/),
    })
  })
})

describe('a transaction', () => {
  it('is one commit of ack, send and store', async () => {
    const { spindle } = await opened()
    const orders = await spindle.queue<string>('orders')
    const invoices = await spindle.queue<string>('invoices')
    await orders.send('o-1')
    const [order] = await orders.receive()
    if (order === undefined) throw new Error('nothing came')
    await spindle.transaction((t) => {
      t.ack(order)
      t.send(invoices, 'i-1')
      t.store('order/o-1', { state: 'invoiced' }, { expect: 0 })
    })
    expect(await spindle.load('order/o-1')).toEqual({ value: { state: 'invoiced' }, version: 1 })
    expect((await invoices.receive())[0]?.body).toBe('i-1')
    expect(await spindle.find(order.id)).toBeUndefined()
  })

  it('does nothing when its callback throws', async () => {
    const { spindle } = await opened()
    const queue = await spindle.queue('q')
    const failing = spindle.transaction((t) => {
      t.send(queue, 'm')
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect(await queue.receive()).toEqual([])
  })
})

describe('open', () => {
  it.each(['redis://localhost', 'data', 'memory', 'file:'])('refuses %s and says what to use', async (url) => {
    await expect(open(url)).rejects.toMatchObject({ code: 'unknown-url', message: expect.stringMatching(/file:/) })
  })

  it('does not repeat a password', async () => {
    await expect(open('redis://me:hunter2@localhost')).rejects.toThrow(/\*\*\*@/)
    await expect(open('redis://me:hunter2@localhost')).rejects.not.toThrow(/hunter2/)
  })
})
