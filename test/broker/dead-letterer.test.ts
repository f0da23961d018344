import { describe, expect, it } from 'vitest'
import type { Broker } from '../../src/broker/broker.ts'
import type { Binding } from '../../src/broker/port.ts'
import { encodeContent } from '../../src/model/content.ts'
import type { Delivery } from '../../src/model/message.ts'
import { bodies, storedBroker, text, until } from './started.ts'

const toDlx = (key: string | null = null) => ({ onDeath: { kind: 'exchange', exchange: 'dlx', key } as const })
const to = (queue: string, key = ''): Binding => ({
  exchange: 'dlx',
  id: `${queue} ${key}`,
  target: { kind: 'queue', name: queue },
  key,
})

async function bury(broker: Broker, queue: string): Promise<Delivery> {
  const [delivery] = await broker.receive({ queue, max: 1 })
  if (delivery === undefined) throw new Error(`nothing to bury in ${queue}`)
  await broker.settle([{ receipt: delivery.receipt, how: { kind: 'bury', reason: 'rejected' } }])
  return delivery
}

async function next(broker: Broker, queue: string): Promise<Delivery> {
  await until(async () => (await broker.measure([queue]))[0]?.ready === 1)
  const [delivery] = await broker.receive({ queue, max: 1 })
  if (delivery === undefined) throw new Error(`nothing came to ${queue}`)
  return delivery
}

function untilNoneDead(broker: Broker, queue: string): Promise<void> {
  return until(async () => {
    const [measure] = await broker.measure([queue])
    return measure?.dead === 0 && measure.leased === 0
  })
}

describe('a queue whose dead go to an exchange', () => {
  it('sends each to the queues that take it, in one unit, with its history', async () => {
    const { broker } = await storedBroker()
    await broker.declareExchange('dlx', { kind: 'direct' })
    for (const queue of ['a', 'b', 'other']) await broker.declareQueue(queue, {})
    await broker.declareQueue('work', toDlx('failed'))
    for (const binding of [to('a', 'failed'), to('b', 'failed'), to('other', 'x')]) await broker.putBinding(binding)
    await broker.append('work', [text('m', { priority: 3 })])
    const { id } = await bury(broker, 'work')
    const copies = [await next(broker, 'a'), await next(broker, 'b')]
    expect(bodies(copies)).toEqual(['m', 'm'])
    expect(copies.map((copy) => copy.id === id)).toEqual([true, false])
    for (const copy of copies) {
      expect(copy).toMatchObject({
        attempts: 1,
        priority: 3,
        history: [{ queue: 'work', reason: 'rejected', count: 1 }],
      })
    }
    expect(await broker.measure(['work', 'other'])).toMatchObject([{ dead: 0, leased: 0 }, { ready: 0 }])
  })

  it('routes by the key in the head when the policy names none', async () => {
    const { broker } = await storedBroker()
    await broker.declareExchange('dlx', { kind: 'topic' })
    await broker.declareQueue('a', {})
    await broker.declareQueue('work', toDlx())
    await broker.putBinding(to('a', 'order.*'))
    for (const key of ['order.paid', 'bill.paid']) {
      await broker.append('work', [{ content: encodeContent(key, { key }) }])
      await bury(broker, 'work')
    }
    await untilNoneDead(broker, 'work')
    expect(bodies(await broker.receive({ queue: 'a', max: 9 }))).toEqual(['order.paid'])
  })

  it('says how an AMQP message had been published, and what leads it now', async () => {
    const { broker } = await storedBroker()
    await broker.declareExchange('dlx', {})
    await broker.declareQueue('a', {})
    await broker.declareQueue('work', toDlx('new'))
    await broker.putBinding(to('a'))
    const short = (value: string): number[] => [value.length, ...Buffer.from(value)]
    const head = Uint8Array.of(3, ...short('first'), ...short('old'), 0, 0)
    await broker.append('work', [{ content: { head, body: new Uint8Array(0) } }])
    await bury(broker, 'work')
    const copy = await next(broker, 'a')
    expect(copy.history).toMatchObject([{ queue: 'work', exchange: 'first', keys: ['old'] }])
    expect([...copy.content.head]).toEqual([3, ...short('dlx'), ...short('new'), 0, 0])
  })

  it('drops what no queue takes, and what has no exchange', async () => {
    const { broker, warnings } = await storedBroker()
    await broker.declareExchange('dlx', {})
    await broker.declareQueue('unrouted', toDlx())
    await broker.declareQueue('astray', { onDeath: { kind: 'exchange', exchange: 'nowhere', key: null } })
    for (const queue of ['unrouted', 'astray', 'astray']) {
      await broker.append(queue, [text('m')])
      await bury(broker, queue)
      await untilNoneDead(broker, queue)
      expect(await broker.measure([queue])).toMatchObject([{ ready: 0, dead: 0, leased: 0 }])
    }
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/does not exist/)
  })

  it('ends a cycle of expiries, and lets one go on in which somebody said no', async () => {
    const { broker, clock } = await storedBroker()
    await broker.declareExchange('dlx', { kind: 'direct' })
    const dlx = (key: string) => ({ onDeath: { kind: 'exchange', exchange: 'dlx', key } as const })
    await broker.declareQueue('wait', { ttlMs: 100, onExpired: 'die', ...dlx('work') })
    await broker.declareQueue('work', { ttlMs: 100, onExpired: 'die', ...dlx('wait') })
    for (const queue of ['wait', 'work']) await broker.putBinding(to(queue, queue))
    await broker.append('wait', [text('m')])
    await clock.advance(150)
    expect((await broker.measure(['work']))[0]).toMatchObject({ ready: 1 })
    await bury(broker, 'work')
    await clock.advance(150)
    const back = await next(broker, 'work')
    expect(back.history.map(({ queue, reason }) => [queue, reason])).toEqual([
      ['work', 'rejected'],
      ['wait', 'expired'],
    ])
    await broker.settle([{ receipt: back.receipt, how: { kind: 'ack' } }])
    await broker.append('wait', [text('nobody')])
    for (let round = 0; round < 5; round++) await clock.advance(150)
    await untilNoneDead(broker, 'wait')
    await untilNoneDead(broker, 'work')
    for (const { ready, dead } of await broker.measure(['wait', 'work'])) expect([ready, dead]).toEqual([0, 0])
  })

  it('never sends a message back to where it just expired', async () => {
    const { broker, clock } = await storedBroker()
    await broker.declareExchange('dlx', {})
    await broker.declareQueue('round', { ttlMs: 100, onExpired: 'die', ...toDlx() })
    await broker.declareQueue('other', {})
    for (const queue of ['round', 'other']) await broker.putBinding(to(queue))
    await broker.append('round', [text('m')])
    await clock.advance(101)
    expect((await next(broker, 'other')).history).toMatchObject([{ queue: 'round', reason: 'expired', count: 1 }])
    expect((await broker.measure(['round']))[0]).toMatchObject({ ready: 0, dead: 0, leased: 0 })
  })

  it('keeps what a full queue refuses, and sends it on when there is room', async () => {
    const { broker, clock } = await storedBroker()
    await broker.declareExchange('dlx', {})
    await broker.declareQueue('a', { lengthMax: 1 })
    await broker.declareQueue('work', toDlx())
    await broker.putBinding(to('a'))
    for (const body of ['1', '2']) {
      await broker.append('work', [text(body)])
      await bury(broker, 'work')
    }
    const first = await next(broker, 'a')
    await clock.advance(100)
    expect(await broker.measure(['work'])).toMatchObject([{ dead: 1, leased: 0 }])
    await broker.settle([{ receipt: first.receipt, how: { kind: 'ack' } }])
    await clock.advance(2_000)
    expect(bodies([first, await next(broker, 'a')])).toEqual(['1', '2'])
  })

  it('finds at start what could not go before', async () => {
    const { broker, reopen } = await storedBroker()
    await broker.declareExchange('dlx', {})
    await broker.declareQueue('a', { lengthMax: 1 })
    await broker.declareQueue('work', toDlx())
    await broker.putBinding(to('a'))
    await broker.append('a', [text('in the way')])
    await broker.append('work', [text('m')])
    await bury(broker, 'work')
    await until(async () => (await broker.measure(['work']))[0]?.dead === 1)
    const inTheWay = await next(broker, 'a')
    await broker.settle([{ receipt: inTheWay.receipt, how: { kind: 'ack' } }])
    expect(bodies([await next(await reopen(), 'a')])).toEqual(['m'])
  })

  it('finds what was held as dead before the policy said where to', async () => {
    const { broker } = await storedBroker()
    await broker.declareExchange('dlx', {})
    await broker.declareQueue('a', {})
    await broker.declareQueue('work', {})
    await broker.putBinding(to('a'))
    await broker.append('work', [text('m')])
    await bury(broker, 'work')
    expect(await broker.measure(['work'])).toMatchObject([{ dead: 1 }])
    await broker.declareQueue('work', toDlx())
    expect(bodies([await next(broker, 'a')])).toEqual(['m'])
  })
})
