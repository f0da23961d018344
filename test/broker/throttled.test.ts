import { describe, expect, it } from 'vitest'
import { bodies, startedBroker, storedBroker, text } from './started.ts'

describe('a receive that waits on a throttled queue', () => {
  it('is answered at the instant of the next token, before the clock moves on', async () => {
    const { broker, clock } = await startedBroker()
    await broker.declareQueue('q', { rate: { tokens: 4, perMs: 1_000, burst: 1 } })
    await broker.append('q', [text('a'), text('b')])
    await broker.receive({ queue: 'q', max: 10 })
    const waiting = broker.receive({ queue: 'q', max: 10, waitMs: 10_000 })
    let answeredAtMs = 0
    const answered = waiting.then((deliveries) => {
      answeredAtMs = clock.monotonicMs()
      return bodies(deliveries)
    })
    const startMs = clock.monotonicMs()
    for (let ms = 0; ms < 300; ms += 10) await clock.advance(10)
    expect(await answered).toEqual(['b'])
    expect(answeredAtMs - startMs).toBe(250)
  })

  it('is answered when a lease under its cap ends, and when the queue goes on', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', { concurrency: 1 })
    await broker.append('q', [text('a'), text('b')])
    const [a] = await broker.receive({ queue: 'q', max: 10 })
    const second = broker.receive({ queue: 'q', max: 10, waitMs: 10_000 })
    await broker.settle([{ receipt: a?.receipt as never, how: { kind: 'ack' } }])
    expect(bodies(await second)).toEqual(['b'])
    await broker.declareQueue('q', { concurrency: null, paused: true })
    await broker.append('q', [text('c')])
    const third = broker.receive({ queue: 'q', max: 10, waitMs: 10_000 })
    await broker.declareQueue('q', { paused: false })
    expect(bodies(await third)).toEqual(['c'])
  })

  it('shares a fair queue among all who wait', async () => {
    const { broker } = await storedBroker()
    await broker.declareQueue('q', { groups: { kind: 'fair', concurrency: 1 } })
    const waits = ['x', 'y', 'z'].map(() => broker.receive({ queue: 'q', max: 1, waitMs: 10_000 }))
    await broker.append('q', [text('a1', { groupId: 'a' }), text('a2', { groupId: 'a' }), text('b1', { groupId: 'b' })])
    const first = await Promise.race(waits)
    const two = (await Promise.all(waits.slice(0, 2))).flat()
    expect(bodies(two).sort()).toEqual(['a1', 'b1'])
    await broker.settle([{ receipt: first[0]?.receipt as never, how: { kind: 'ack' } }])
    const rest = bodies(await (waits[2] as (typeof waits)[number]))
    expect(rest).toEqual(['a2'])
  })
})
