import { describe, expect, it } from 'vitest'
import { until } from '../broker/started.ts'
import { connected, overridden, servedAmqp } from './serving.ts'
import { WireClient } from './wire-client.ts'

const NO_ARGUMENTS = new Map()

describe('a full disk', () => {
  it('holds publishers back, tells them, and loses nothing of what they sent', async () => {
    let full = false
    const { port, clock, broker } = await servedAmqp({
      port: (store) =>
        overridden(store, {
          append: (queue, messages) =>
            full
              ? Promise.resolve(messages.map(() => ({ kind: 'refused', reason: 'disk-full' }) as const))
              : store.append(queue, messages),
        }),
    })
    await broker.declareQueue('q', {})
    const client = await new WireClient(port).open()
    client.send(1, 'confirm.select', { noWait: false })
    await client.hear('confirm.select-ok')
    full = true
    for (const body of ['a', 'b', 'c']) client.publish(1, 'q', body)
    await client.hear('connection.blocked')
    // Nothing more is read, so this is not answered yet.
    client.publish(1, 'q', 'd')
    await clock.advance(2_000)
    expect((await broker.measure(['q']))[0]?.ready).toBe(0)
    full = false
    await clock.advance(500)
    await client.hear('connection.unblocked')
    await until(async () => (await broker.measure(['q']))[0]?.ready === 4)
    const deliveries = await broker.receive({ queue: 'q', max: 10 })
    expect(deliveries.map(({ content }) => Buffer.from(content.body).toString())).toEqual(['a', 'b', 'c', 'd'])
  })
})

describe('a store that renews no leases', () => {
  it('has its consumers cut off before another one gets what they hold', async () => {
    let deaf = false
    const { url, clock, broker } = await servedAmqp({
      port: (store) =>
        overridden(store, {
          renewHolder: (holder, ttlMs) =>
            deaf ? Promise.reject(new Error('no room')) : store.renewHolder(holder, ttlMs),
        }),
    })
    await broker.declareQueue('q', {})
    const { connection } = await connected(url)
    const channel = await connection.createChannel()
    let got = 0
    await channel.consume('q', () => void got++)
    await broker.append('q', [{ content: { head: new Uint8Array(0), body: new Uint8Array(0) } }])
    await until(() => got === 1)
    // amqplib takes this code for an operator's wish, which is no error.
    let why: unknown
    const cut = new Promise<void>((resolve) => {
      connection.once('close', (fault: unknown) => {
        why = fault
        resolve()
      })
    })
    deaf = true
    await clock.advance(16_000)
    expect(why).toBeUndefined()
    await clock.advance(8_000)
    await cut
    expect(String(why)).toMatch(/320.*could not be renewed/)
    expect((await broker.measure(['q']))[0]).toMatchObject({ ready: 1, leased: 0 })
  })

  it('cuts nobody off for one renewal that failed', async () => {
    let failures = 1
    const { url, clock, broker } = await servedAmqp({
      port: (store) =>
        overridden(store, {
          renewHolder: (holder, ttlMs) =>
            failures-- > 0 ? Promise.reject(new Error('busy')) : store.renewHolder(holder, ttlMs),
        }),
    })
    await broker.declareQueue('q', {})
    const { connection, faults } = await connected(url)
    await clock.advance(60_000)
    await (await connection.createChannel()).checkQueue('q')
    expect(faults).toEqual([])
  })
})

describe('a connection whose exclusive queues cannot be kept', () => {
  it('is told before they go, and costs nobody else theirs', async () => {
    const refused = new Set<string>()
    const owners: string[] = []
    const { url, clock, broker, listener } = await servedAmqp({
      port: (store) =>
        overridden(store, {
          renewHolder: (holder, ttlMs) => {
            if (!owners.includes(holder)) owners.push(holder)
            return refused.has(holder) ? Promise.reject(new Error('lapsed')) : store.renewHolder(holder, ttlMs)
          },
        }),
    })
    const first = await connected(url)
    const second = await connected(url)
    await (await first.connection.createChannel()).assertQueue('first', { exclusive: true })
    await (await second.connection.createChannel()).assertQueue('second', { exclusive: true })
    // The listener's own comes before them.
    const [, ofFirst] = owners
    refused.add(ofFirst as string)
    const cut = new Promise<unknown>((resolve) => first.connection.once('close', resolve))
    await clock.advance(16_000)
    expect(listener.registry.size).toBe(2)
    await clock.advance(8_000)
    expect(String(await cut)).toMatch(/320.*exclusive queues could not be kept/)
    await clock.advance(60_000)
    expect((await broker.measure()).map(({ queue }) => queue)).toEqual(['second'])
    expect(second.faults).toEqual([])
  })
})

describe('a publisher that is faster than the store', () => {
  it('is read no further than the limit, and goes on when the store has caught up', async () => {
    const held: (() => void)[] = []
    let appended = 0
    const { port, broker } = await servedAmqp({
      amqpLimits: { unstoredMax: 100 },
      port: (store) =>
        overridden(store, {
          append: async (queue, messages) => {
            appended += messages.length
            await new Promise<void>((go) => held.push(go))
            return store.append(queue, messages)
          },
        }),
    })
    await broker.declareQueue('q', {})
    const client = await new WireClient(port).open()
    const body = 'x'.repeat(4_000)
    for (let i = 0; i < 2_000; i++) client.publish(1, 'q', body)
    await until(() => appended >= 100)
    await new Promise((turn) => setImmediate(turn))
    expect(appended).toBeLessThan(400)
    const release = setInterval(() => {
      for (const go of held.splice(0)) go()
    }, 0)
    await until(async () => (await broker.measure(['q']))[0]?.ready === 2_000)
    clearInterval(release)
  })
})

describe('a consumer that does not read', () => {
  it('gets no more than its socket takes, and others are served meanwhile', async () => {
    const { port, url, broker } = await servedAmqp({ amqpLimits: { unsentBytesMax: 100_000 } })
    await broker.declareQueue('slow', {})
    await broker.declareQueue('fast', {})
    const body = Buffer.alloc(50_000, 7)
    const head = new Uint8Array(0)
    const fill = Array.from({ length: 1_000 }, () => ({ content: { body, head } }))
    await broker.append('slow', fill)
    const slow = await new WireClient(port).open()
    slow.deaf()
    slow.send(1, 'basic.consume', {
      ticket: 0,
      queue: 'slow',
      consumerTag: 't',
      noLocal: false,
      noAck: false,
      exclusive: false,
      noWait: true,
      arguments: NO_ARGUMENTS,
    })
    const { connection } = await connected(url)
    const channel = await connection.createConfirmChannel()
    let got = 0
    await channel.consume(
      'fast',
      () => {
        got++
      },
      { noAck: true },
    )
    for (let i = 0; i < 500; i++) channel.sendToQueue('fast', Buffer.from('x'))
    await channel.waitForConfirms()
    await until(() => got === 500)
    const [measured] = await broker.measure(['slow'])
    expect(measured?.leased).toBeLessThan(500)
    expect(measured?.ready).toBeGreaterThan(500)
    slow.destroy()
    await until(async () => (await broker.measure(['slow']))[0]?.ready === 1_000)
  })
})

describe('many channels', () => {
  it('of one connection take little memory and are all closed with it', async () => {
    const { url, listener } = await servedAmqp()
    const { connection } = await connected(url)
    for (let i = 0; i < 200; i++) await connection.createChannel()
    expect(listener.registry.connections()[0]?.channels).toHaveLength(200)
    await connection.close()
    await until(() => listener.registry.size === 0)
  })
})
