import { describe, expect, it } from 'vitest'
import { bindingId, FAILED_TOPIC } from '../../src/broker/port.ts'
import { defaultPolicy } from '../../src/model/policy.ts'
import { bind, bodies, startedBroker, text } from './started.ts'

describe('a topic', () => {
  it('appends each message to every bound queue', async () => {
    const { broker } = await startedBroker()
    for (const queue of ['a', 'b', 'c']) await broker.declareQueue(queue, {})
    for (const queue of ['a', 'b']) await bind(broker, 'news', queue)
    const [outcomes] = await broker.publish('news', [text('hello')])
    expect(outcomes?.map(({ kind }) => kind)).toEqual(['stored', 'stored'])
    for (const queue of ['a', 'b']) expect(bodies(await broker.receive({ queue, max: 9 }))).toEqual(['hello'])
    expect(await broker.receive({ queue: 'c', max: 9 })).toEqual([])
  })

  it('stores nothing when nothing is bound', async () => {
    const { broker } = await startedBroker()
    await broker.declareExchange('news', {})
    expect(await broker.publish('news', [text('x'), text('y')])).toEqual([[], []])
  })

  it('loses the binding with the queue, and keeps none after unbind', async () => {
    const { broker } = await startedBroker()
    for (const queue of ['a', 'b']) {
      await broker.declareQueue(queue, {})
      await bind(broker, 'news', queue)
    }
    await broker.deleteQueue('a')
    const [news] = await broker.listExchanges()
    expect(news).toMatchObject({ exchange: 'news', bindings: [{ target: { name: 'b' } }] })
    expect(await broker.removeBinding('news', news?.bindings[0]?.id ?? '')).toBe(true)
    expect(await broker.removeBinding('news', news?.bindings[0]?.id ?? '')).toBe(false)
    expect(await broker.listExchanges()).toMatchObject([{ exchange: 'news', bindings: [] }])
    expect(await broker.deleteExchange('news')).toBe(true)
    expect(await broker.deleteExchange('news')).toBe(false)
  })

  it('refuses a binding to a queue that does not exist', async () => {
    const { broker } = await startedBroker()
    await expect(bind(broker, 'news', 'nowhere')).rejects.toMatchObject({ code: 'no-such-queue' })
  })
})

describe('the failed topic', () => {
  it('hears of each death in the unit in which it happens', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('work', { attemptsMax: 1 })
    await broker.declareQueue('alarms', {})
    await bind(broker, FAILED_TOPIC, 'alarms')
    await broker.declareQueue('later', {})
    for (const queue of ['work', 'later']) {
      await broker.append(queue, [text('m')])
      const [delivery] = await broker.receive({ queue, max: 1 })
      await broker.settle([{ receipt: delivery?.receipt as never, how: { kind: 'bury', reason: 'invalid' } }])
      const [alarm] = await broker.receive({ queue: 'alarms', max: 9 })
      expect(JSON.parse(bodies(alarm === undefined ? [] : [alarm])[0] ?? '')).toMatchObject({
        queue,
        id: delivery?.id,
        reason: 'invalid',
        attempts: 1,
      })
    }
  })

  it('never hears of itself', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('alarms', {})
    await bind(broker, FAILED_TOPIC, 'alarms')
    await broker.append('alarms', [text('m')])
    const [delivery] = await broker.receive({ queue: 'alarms', max: 1 })
    await broker.settle([{ receipt: delivery?.receipt as never, how: { kind: 'bury', reason: 'x' } }])
    expect(await broker.receive({ queue: 'alarms', max: 9 })).toEqual([])
  })

  it('stops hearing of deaths when it is unbound', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('work', {})
    await broker.declareQueue('alarms', {})
    await bind(broker, FAILED_TOPIC, 'alarms')
    await broker.removeBinding(FAILED_TOPIC, bindingId({ target: { kind: 'queue', name: 'alarms' } }))
    expect((await broker.declareQueue('work', {})).failedEventsTo).toEqual([])
  })
})

describe('a declaration', () => {
  it('changes only the fields given, and answers the policy in force', async () => {
    const { broker } = await startedBroker()
    expect(await broker.declareQueue('q', { leaseMs: 5_000 })).toEqual({ ...defaultPolicy, leaseMs: 5_000 })
    expect(await broker.declareQueue('q', { attemptsMax: 9 })).toEqual({
      ...defaultPolicy,
      leaseMs: 5_000,
      attemptsMax: 9,
    })
  })

  it('refuses names and policies outside of their limits', async () => {
    const { broker } = await startedBroker()
    await expect(broker.declareQueue('', {})).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(broker.declareQueue('q', { leaseMs: -1 })).rejects.toThrow(/leaseMs/)
    await expect(broker.declareQueue('x'.repeat(256), {})).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('of many at once are all there', async () => {
    const { broker } = await startedBroker()
    const names = Array.from({ length: 50 }, (_, i) => `q${i}`)
    await Promise.all(names.map((name) => broker.declareQueue(name, {})))
    expect((await broker.measure()).map(({ queue }) => queue).sort()).toEqual([...names].sort())
  })
})

describe('a binding with a filter', () => {
  it('takes what passes it, and is refused when SNS would refuse it', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', {})
    await broker.declareExchange('news', {})
    const target = { kind: 'queue', name: 'q' } as const
    const binding = { exchange: 'news', id: 'b', target, key: '' }
    const filter = { scope: 'body', policy: { price: [{ numeric: ['>', 5] }] } } as const
    await broker.putBinding({ ...binding, filter })
    const outcomes = await broker.publish('news', [text('{"price":5}'), text('{"price":6}'), text('none')])
    expect(outcomes.map((unit) => unit.length)).toEqual([0, 1, 0])
    const wrong = { scope: 'body', policy: { price: [{ regex: '.*' }] } } as const
    await expect(broker.putBinding({ ...binding, filter: wrong })).rejects.toThrow(/Unrecognized match type regex/)
    await broker.declareExchange(FAILED_TOPIC, {})
    await expect(broker.putBinding({ ...binding, exchange: FAILED_TOPIC, filter })).rejects.toThrow(/have no filter/)
  })
})
