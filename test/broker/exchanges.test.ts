import { describe, expect, it } from 'vitest'
import { type Binding, bindingId, type ExchangeKind, type Port } from '../../src/broker/port.ts'
import { bind, bodies, startedBroker, storedBroker, text, until } from './started.ts'

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

function binding(exchange: string, to: Binding['target'], fields: Partial<Binding> = {}): Binding {
  const { key = '' } = fields
  return { exchange, id: bindingId({ target: to, key }), target: to, key, ...fields }
}

const queue = (name: string): Binding['target'] => ({ kind: 'queue', name })
const exchange = (name: string): Binding['target'] => ({ kind: 'exchange', name })

async function declared(port: Port, kinds: Record<string, ExchangeKind>, queues: readonly string[]): Promise<void> {
  for (const [name, kind] of Object.entries(kinds)) await port.declareExchange(name, { kind })
  for (const name of queues) await port.declareQueue(name, {})
}

describe('records that go with a change', () => {
  it('are written with it, or neither happens', async () => {
    const { broker } = await startedBroker()
    const record = { key: 'spindle/sqs/q', value: bytes('1'), expect: 0 }
    await broker.declareQueue('q', {}, { records: [record] })
    expect(await broker.read(record.key)).toMatchObject({ version: 1 })
    await expect(broker.declareQueue('r', {}, { records: [record] })).rejects.toMatchObject({ code: 'aborted' })
    expect(await broker.measure(['r'])).toEqual([])
    expect(await broker.append('r', [text('m')])).toEqual([{ kind: 'refused', reason: 'no-such-queue' }])
    await expect(broker.declareExchange('e', {}, { records: [record] })).rejects.toMatchObject({ code: 'aborted' })
    expect(await broker.listExchanges()).toEqual([])
    await broker.declareExchange('e', {})
    const put = broker.putBinding(binding('e', queue('q')), { records: [record] })
    await expect(put).rejects.toMatchObject({ code: 'aborted', message: expect.stringContaining(record.key) })
    expect(await broker.publish('e', [text('m')])).toEqual([[]])
    await expect(broker.deleteQueue('q', { records: [record] })).rejects.toMatchObject({ code: 'aborted' })
    expect(await broker.deleteQueue('q', { records: [{ key: record.key, value: null, expect: 1 }] })).toBe(true)
    expect(await broker.read(record.key)).toBeUndefined()
  })

  it('are not written when there was nothing to delete', async () => {
    const { broker } = await startedBroker()
    const records = [{ key: 'k', value: bytes('1') }]
    expect(await broker.deleteQueue('q', { records })).toBe(false)
    expect(await broker.deleteExchange('e', { records })).toBe(false)
    expect(await broker.removeBinding('e', 'b', { records })).toBe(false)
    expect(await broker.read('k')).toBeUndefined()
  })
})

describe('a declaration that must be the first', () => {
  it('is refused when somebody was before it', async () => {
    const { broker } = await startedBroker()
    const attempts = await Promise.allSettled(
      Array.from({ length: 5 }, () => broker.declareQueue('q', {}, { expect: 'absent' })),
    )
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await expect(broker.declareQueue('q', {}, { expect: 'absent' })).rejects.toMatchObject({ code: 'queue-exists' })
    await broker.declareExchange('e', {}, { expect: 'absent' })
    await expect(broker.declareExchange('e', {}, { expect: 'absent' })).rejects.toMatchObject({
      code: 'exchange-exists',
    })
    await expect(broker.declareExchange('e', { kind: 'direct' })).rejects.toMatchObject({ code: 'exchange-exists' })
  })
})

describe('a queue', () => {
  it('is not deleted with messages in it when that was the condition', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', {})
    await bind(broker, 'e', 'q')
    await broker.append('q', [text('m')])
    await expect(broker.deleteQueue('q', { ifEmpty: true })).rejects.toMatchObject({ code: 'queue-not-empty' })
    expect(await broker.publish('e', [text('n')])).toMatchObject([[{ kind: 'stored' }]])
    await broker.purge('q')
    expect(await broker.deleteQueue('q', { ifEmpty: true })).toBe(true)
    expect(await broker.listExchanges()).toMatchObject([{ bindings: [] }])
  })

  it('that goes with its holder takes its bindings with it, and a new one of its name has none', async () => {
    const { broker } = await startedBroker()
    const lifetime = { kind: 'holder', holder: 'h' } as const
    await broker.renewHolder('h', 60_000)
    await broker.declareQueue('q', {}, { lifetime })
    await bind(broker, 'e', 'q')
    await broker.declareQueue('q', { leaseMs: 5 })
    expect(await broker.measure(['q'])).toMatchObject([{ lifetime, policy: { leaseMs: 5 } }])
    await broker.releaseHolder('h')
    expect(await broker.publish('e', [text('m')])).toEqual([[]])
    await broker.declareQueue('q', {})
    expect(await broker.listExchanges()).toMatchObject([{ exchange: 'e', bindings: [] }])
    expect(await broker.measure(['q'])).toMatchObject([{ lifetime: { kind: 'durable' }, policy: { leaseMs: 30_000 } }])
  })

  it('that goes by itself is forgotten without being asked for', async () => {
    const { broker, clock } = await storedBroker()
    await broker.declareQueue('q', {}, { lifetime: { kind: 'idle', idleMs: 500 } })
    await broker.declareExchange('e', { autoDelete: true })
    await broker.putBinding(binding('e', queue('q')))
    await clock.advance(2_000)
    await until(async () => (await broker.listExchanges()).length === 0)
    expect(await broker.measure()).toEqual([])
  })
})

describe('exchanges', () => {
  it('that delete themselves go with their last binding, one after the other', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', {})
    for (const name of ['a', 'b']) await broker.declareExchange(name, { autoDelete: true })
    await broker.declareExchange('stays', {})
    await broker.putBinding(binding('stays', exchange('a')))
    await broker.putBinding(binding('a', exchange('b')))
    await broker.putBinding(binding('b', queue('q')))
    await broker.putBinding(binding('b', queue('q'), { key: 'more' }))
    await broker.removeBinding('b', bindingId({ target: queue('q') }))
    expect((await broker.listExchanges()).map((view) => view.exchange)).toEqual(['a', 'b', 'stays'])
    await broker.deleteQueue('q')
    expect(await broker.listExchanges()).toMatchObject([{ exchange: 'stays', bindings: [] }])
  })

  it('take the bindings from and to them with them', async () => {
    const { broker } = await startedBroker()
    await declared(broker, { a: 'fanout', b: 'fanout' }, ['q'])
    await broker.putBinding(binding('a', exchange('b')))
    await broker.putBinding(binding('b', queue('q')))
    await expect(broker.deleteExchange('b', { ifUnused: true })).rejects.toMatchObject({ code: 'exchange-in-use' })
    await broker.deleteExchange('b')
    expect(await broker.listExchanges()).toMatchObject([{ exchange: 'a', bindings: [] }])
    expect(await broker.scan('spindle/binding/', { limit: 9 })).toEqual([])
    await expect(broker.publish('b', [text('m')])).rejects.toMatchObject({ code: 'no-such-exchange' })
    const step = { kind: 'publish', exchange: 'b', message: text('m') } as const
    await expect(broker.transact([step])).rejects.toMatchObject({ code: 'no-such-exchange' })
  })

  it('refuse bindings that lead nowhere or say nothing that can be meant', async () => {
    const { broker } = await startedBroker()
    await declared(broker, { e: 'headers' }, ['q'])
    const put = (it: Binding): Promise<void> => broker.putBinding(it)
    await expect(put(binding('none', queue('q')))).rejects.toMatchObject({ code: 'no-such-exchange' })
    await expect(put(binding('e', exchange('none')))).rejects.toMatchObject({ code: 'no-such-exchange' })
    await expect(put(binding('e', queue('none')))).rejects.toMatchObject({ code: 'no-such-queue' })
    for (const wrong of [
      { key: 'k'.repeat(256) },
      { id: '' },
      { headers: { mode: 'some' as never, values: {} } },
      { headers: { mode: 'all' as const, values: { a: {} as never } } },
      { filter: { scope: 'body' as const, policy: { a: [] } } },
      { filter: { scope: 'other' as never, policy: {} } },
    ]) {
      await expect(put(binding('e', queue('q'), wrong)), JSON.stringify(wrong)).rejects.toMatchObject({
        code: 'invalid-argument',
      })
    }
    await expect(broker.declareExchange('x', { kind: 'random' as never })).rejects.toThrow(/kind must be one of/)
    await expect(broker.declareExchange('x', { colour: 'red' } as never)).rejects.toThrow(/colour/)
  })

  it('say which bindings would take a message, and deliver what each is to get, in one unit', async () => {
    const { broker } = await startedBroker()
    await declared(broker, { e: 'topic', inner: 'fanout' }, ['a', 'b', 'c'])
    const toA = binding('e', queue('a'), { key: '#', attributes: { raw: true } })
    const toB = binding('inner', queue('b'))
    for (const one of [toA, binding('e', exchange('inner'), { key: 'x.*' }), toB]) await broker.putBinding(one)
    const match = await broker.match('e', [
      { ...text('1'), routing: { key: 'x.y' } },
      { ...text('2'), routing: { key: 'z' } },
    ])
    expect(match).toEqual([[toA, toB], [toA]])
    expect(await broker.measure(['a'])).toMatchObject([{ ready: 0 }])
    const outcomes = await broker.deliver([
      [
        { queue: 'a', message: text('for a') },
        { queue: 'none', message: text('lost') },
        { queue: 'b', message: text('for b') },
      ],
      [],
    ])
    expect(outcomes).toMatchObject([
      [{ kind: 'stored' }, { kind: 'refused', reason: 'no-such-queue' }, { kind: 'stored' }],
      [],
    ])
    expect(bodies(await broker.receive({ queue: 'b', max: 9 }))).toEqual(['for b'])
  })

  it('deliver what fits, and refuse only what is too large', async () => {
    const { broker } = await startedBroker({ messageBytesMax: 5 })
    await broker.declareQueue('q', {})
    const large = { queue: 'q', message: text('123456') }
    const fits = { queue: 'q', message: text('1') }
    const tooLarge = { kind: 'refused', reason: 'too-large' }
    expect(await broker.deliver([[large, fits], [large], [fits]])).toMatchObject([
      [tooLarge, { kind: 'stored' }],
      [tooLarge],
      [{ kind: 'stored' }],
    ])
    expect(await broker.deliver([[large]])).toEqual([[tooLarge]])
  })
})

describe('after a restart', () => {
  it('exchanges and bindings are as they were, in their order', async () => {
    const { broker, reopen } = await storedBroker()
    await declared(broker, { 'vhost:a/x': 'headers', y: 'topic' }, ['b', 'a'])
    await broker.declareExchange('y', { alternate: 'vhost:a/x', autoDelete: true, attributes: { durable: true } })
    const values = { colour: 'red', raw: Uint8Array.of(1, 2), there: null, ['__proto__']: 5 }
    const bindings = [
      binding('vhost:a/x', queue('b'), { headers: { mode: 'any-with-x', values }, attributes: { args: [1] } }),
      binding('vhost:a/x', queue('a'), { id: 'b/c', filter: { scope: 'body', policy: { n: [1] } } }),
      binding('y', exchange('vhost:a/x'), { key: 'a.#' }),
    ]
    for (const one of bindings) await broker.putBinding(one)
    const before = await broker.listExchanges()
    const again = await reopen()
    expect(await again.listExchanges()).toEqual(before)
    expect((await again.listExchanges(['vhost:a/x', 'none']))[0]?.bindings).toEqual(bindings.slice(0, 2))
    const message = { ...text('{"n":1}'), routing: { key: 'a.b', headers: { there: true } } }
    expect(await again.match('y', [message])).toEqual([bindings.slice(0, 2)])
  })

  it('topics of version 0.1 are exchanges', async () => {
    const { broker, reopen } = await storedBroker()
    for (const name of ['b', 'a']) await broker.declareQueue(name, {})
    const value = bytes(JSON.stringify({ queues: ['b', 'a'] }))
    await broker.transact([{ kind: 'record', key: 'spindle/topic/old/news', value }])
    const again = await reopen()
    const [view] = await again.listExchanges()
    expect(view).toMatchObject({ exchange: 'old/news', settings: { kind: 'fanout' } })
    expect(view?.bindings.map(({ target }) => target.name)).toEqual(['b', 'a'])
    expect(await again.scan('spindle/topic/', { limit: 9 })).toEqual([])
    await bind(again, 'old/news', 'a')
    const [same] = await (await reopen()).listExchanges()
    expect(same?.bindings).toEqual(view?.bindings)
  })

  it('ten thousand bindings made at once are all there', async () => {
    const { broker, reopen } = await storedBroker()
    await declared(broker, { e: 'direct' }, ['q0', 'q1'])
    const numbers = Array.from({ length: 10_000 }, (_, i) => i)
    await Promise.all(numbers.map((i) => broker.putBinding(binding('e', queue(`q${i % 2}`), { key: `k${i}` }))))
    const again = await reopen()
    expect((await again.listExchanges())[0]?.bindings).toHaveLength(10_000)
    expect(await again.publish('e', [{ ...text('m'), routing: { key: 'k9999' } }])).toMatchObject([
      [{ kind: 'stored' }],
    ])
    expect(bodies(await again.receive({ queue: 'q1', max: 9 }))).toEqual(['m'])
    await again.deleteQueue('q0')
    expect((await again.listExchanges())[0]?.bindings).toHaveLength(5_000)
  })
})
