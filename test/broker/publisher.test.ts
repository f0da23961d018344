import { describe, expect, it } from 'vitest'
import { bind, bodies, startedBroker, text } from './started.ts'

describe('an append', () => {
  it('refuses what is over the size limit, and only that', async () => {
    const { broker } = await startedBroker({ messageBytesMax: 5 })
    await broker.declareQueue('q', {})
    const outcomes = await broker.append('q', [text('12345'), text('123456'), text('1')])
    expect(outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.reason : outcome.kind))).toEqual([
      'stored',
      'too-large',
      'stored',
    ])
    expect(bodies(await broker.receive({ queue: 'q', max: 9 }))).toEqual(['12345', '1'])
  })

  it('refuses a queue that was never declared', async () => {
    const { broker } = await startedBroker()
    expect(await broker.append('nowhere', [text('m')])).toEqual([{ kind: 'refused', reason: 'no-such-queue' }])
  })

  it.each([
    ['priority', { priority: 256 }],
    ['priority', { priority: 1.5 }],
    ['delayMs', { delayMs: -1 }],
    ['delayMs', { delayMs: Number.POSITIVE_INFINITY }],
    ['ttlMs', { ttlMs: 0 }],
    ['group', { groupId: '' }],
    ['dedupId', { dedupId: 'é'.repeat(128) }],
  ])('rejects a wrong %s', async (field, fields) => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', {})
    await expect(broker.append('q', [text('m', fields)])).rejects.toThrow(new RegExp(field))
  })

  it('rejects a batch over the limit', async () => {
    const { broker } = await startedBroker({ batchMax: 2 })
    await broker.declareQueue('q', {})
    await expect(broker.append('q', [text('1'), text('2'), text('3')])).rejects.toMatchObject({
      code: 'invalid-argument',
    })
  })
})

describe('a transaction', () => {
  it('acks, sends, publishes and stores in one unit', async () => {
    const { broker } = await startedBroker()
    for (const queue of ['in', 'out', 'copy']) await broker.declareQueue(queue, {})
    await bind(broker, 'news', 'copy')
    await broker.append('in', [text('order')])
    const [delivery] = await broker.receive({ queue: 'in', max: 1 })
    const outcomes = await broker.transact([
      { kind: 'settle', receipt: delivery?.receipt as never, how: { kind: 'ack' } },
      { kind: 'append', queue: 'out', message: text('invoice') },
      { kind: 'publish', exchange: 'news', message: text('sold') },
      { kind: 'record', key: 'order/1', value: Uint8Array.of(1), expect: 0 },
    ])
    expect(outcomes.map(({ kind }) => kind)).toEqual(['settled', 'stored', 'stored', 'written'])
    expect(bodies(await broker.receive({ queue: 'out', max: 9 }))).toEqual(['invoice'])
    expect(bodies(await broker.receive({ queue: 'copy', max: 9 }))).toEqual(['sold'])
    expect((await broker.read('order/1'))?.version).toBe(1)
  })

  it('does nothing at all when a receipt is stale', async () => {
    const { broker, clock } = await startedBroker()
    for (const queue of ['in', 'out']) await broker.declareQueue(queue, { leaseMs: 1_000 })
    await broker.append('in', [text('order')])
    const [delivery] = await broker.receive({ queue: 'in', max: 1 })
    await clock.advance(1_000)
    await broker.receive({ queue: 'in', max: 1 })
    const late = broker.transact([
      { kind: 'append', queue: 'out', message: text('invoice') },
      { kind: 'settle', receipt: delivery?.receipt as never, how: { kind: 'ack' } },
    ])
    await expect(late).rejects.toMatchObject({ code: 'aborted', message: expect.stringMatching(/step 2.*stale/) })
    expect(await broker.receive({ queue: 'out', max: 9 })).toEqual([])
  })

  it('does nothing at all when a version differs', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('out', {})
    const write = { kind: 'record', key: 'k', value: Uint8Array.of(1), expect: 0 } as const
    await broker.transact([write])
    await expect(broker.transact([{ kind: 'append', queue: 'out', message: text('m') }, write])).rejects.toMatchObject({
      code: 'aborted',
    })
    expect(await broker.receive({ queue: 'out', max: 9 })).toEqual([])
  })

  it('takes the steps of a join when the last one arrives', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('done', {})
    const arrive = {
      kind: 'count',
      key: 'join/1',
      by: 1,
      at: 3,
      whenReached: [{ kind: 'append', queue: 'done', message: text('all') }],
    } as const
    for (let i = 0; i < 2; i++) await broker.transact([arrive])
    expect(await broker.receive({ queue: 'done', max: 9 })).toEqual([])
    await broker.transact([arrive])
    expect(bodies(await broker.receive({ queue: 'done', max: 9 }))).toEqual(['all'])
  })
})

describe('announcements', () => {
  it('tell of a delivery and a settlement to those who listen on that message', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', {})
    const [stored] = await broker.append('q', [text('m')])
    const id = stored?.kind === 'stored' ? stored.id : (undefined as never)
    let heard = 0
    const end = broker.listen(`message/${id}`, () => heard++)
    const [delivery] = await broker.receive({ queue: 'q', max: 1 })
    expect(heard).toBe(1)
    await broker.settle([{ receipt: delivery?.receipt as never, how: { kind: 'ack' }, id }])
    expect(heard).toBe(2)
    end()
    broker.announce(`message/${id}`, new Uint8Array(0))
    expect(heard).toBe(2)
  })
})

it('measures how long consumers take', async () => {
  const { broker, clock } = await startedBroker()
  await broker.declareQueue('q', { leaseMs: 60_000 })
  await broker.append('q', [text('m')])
  const [delivery] = await broker.receive({ queue: 'q', max: 1 })
  await clock.advance(1_500)
  await broker.settle([{ receipt: delivery?.receipt as never, how: { kind: 'ack' } }])
  const [measure] = await broker.measure(['q'])
  expect(measure?.runP99Ms).toBe(1_500)
})
