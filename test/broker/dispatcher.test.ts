import { describe, expect, it } from 'vitest'
import { bodies, startedBroker, text } from './started.ts'

describe('a receive that waits', () => {
  it('is answered when a message comes', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', {})
    const waiting = broker.receive({ queue: 'q', max: 1, waitMs: 10_000 })
    await broker.append('q', [text('hello')])
    expect(bodies(await waiting)).toEqual(['hello'])
  })

  it('is answered with nothing when its wait is over', async () => {
    const { broker, clock } = await startedBroker()
    await broker.declareQueue('q', {})
    const waiting = broker.receive({ queue: 'q', max: 1, waitMs: 500 })
    await clock.advance(499)
    const late = Symbol('still waiting')
    expect(await Promise.race([waiting, Promise.resolve(late)])).toBe(late)
    await clock.advance(1)
    expect(await waiting).toEqual([])
  })

  it('is answered when a delay ends, a lease runs out, or a release brings a message back', async () => {
    const { broker, clock } = await startedBroker()
    await broker.declareQueue('q', { leaseMs: 1_000 })
    const first = broker.receive({ queue: 'q', max: 1, waitMs: 10_000 })
    await broker.append('q', [text('m', { delayMs: 250 })])
    await clock.advance(250)
    expect(bodies(await first)).toEqual(['m'])

    const second = broker.receive({ queue: 'q', max: 1, waitMs: 10_000 })
    await clock.advance(1_000)
    const [delivery] = await second
    expect(delivery?.attempts).toBe(2)

    const third = broker.receive({ queue: 'q', max: 1, waitMs: 10_000 })
    await broker.settle([{ receipt: delivery?.receipt as never, how: { kind: 'release', spend: false } }])
    expect((await third)[0]?.attempts).toBe(2)
  })

  it('is served in the order of arrival', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', {})
    const waits = ['a', 'b', 'c'].map(async (name) => ({
      name,
      got: bodies(await broker.receive({ queue: 'q', max: 1, waitMs: 10_000 })),
    }))
    for (const body of ['1', '2', '3']) await broker.append('q', [text(body)])
    expect(await Promise.all(waits)).toEqual([
      { name: 'a', got: ['1'] },
      { name: 'b', got: ['2'] },
      { name: 'c', got: ['3'] },
    ])
  })

  it('shares a burst evenly with the others that wait', async () => {
    const { broker, clock } = await startedBroker()
    await broker.declareQueue('q', {})
    const waits = [1, 2, 3, 4].map(() => broker.receive({ queue: 'q', max: 10, waitMs: 10_000 }))
    await clock.advance(0)
    await broker.append(
      'q',
      Array.from({ length: 8 }, (_, i) => text(`${i}`)),
    )
    const shares = await Promise.all(waits)
    expect(shares.map((share) => share.length)).toEqual([2, 2, 2, 2])
    expect(new Set(shares.flatMap(bodies)).size).toBe(8)
  })

  it('gets all that it asked for, before the next one gets any, when it wants to be filled', async () => {
    const { broker, clock } = await startedBroker()
    await broker.declareQueue('q', {})
    const waits = [1, 2, 3].map(() => broker.receive({ queue: 'q', max: 10, waitMs: 10_000, fill: true }))
    await clock.advance(0)
    const messages = Array.from({ length: 12 }, (_, i) => text(`${i}`))
    await broker.deliver([messages.map((message) => ({ queue: 'q', message }))])
    await clock.advance(10_000)
    const shares = await Promise.all(waits)
    expect(shares.map((share) => share.length)).toEqual([10, 2, 0])
    expect(shares.flatMap(bodies)).toEqual(Array.from({ length: 12 }, (_, i) => `${i}`))
  })

  it('takes nothing once it was aborted', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', {})
    const abort = new AbortController()
    const waiting = broker.receive({ queue: 'q', max: 1, waitMs: 10_000 }, abort.signal)
    abort.abort()
    expect(await waiting).toEqual([])
    await broker.append('q', [text('m')])
    const [delivery] = await broker.receive({ queue: 'q', max: 1 })
    expect(delivery?.attempts).toBe(1)
  })

  it('gives back, unspent, what was leased for it while it was aborted', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', { attemptsMax: 1 })
    await broker.append('q', [text('m')])
    const abort = new AbortController()
    const receiving = broker.receive({ queue: 'q', max: 1 }, abort.signal)
    abort.abort()
    expect(await receiving).toEqual([])
    const [delivery] = await broker.receive({ queue: 'q', max: 1, waitMs: 1 })
    expect(delivery?.attempts).toBe(1)
  })

  it('is answered with nothing when the broker closes', async () => {
    const { broker, clock } = await startedBroker()
    await broker.declareQueue('q', {})
    const waiting = broker.receive({ queue: 'q', max: 1, waitMs: 10_000 })
    await clock.advance(0)
    await broker.close()
    expect(await waiting).toEqual([])
    expect(clock.armedTimers).toBe(0)
  })

  it('is refused when too many wait already', async () => {
    const { broker, clock } = await startedBroker({ waitersMax: 2 })
    await broker.declareQueue('q', {})
    const waits = [1, 2].map(() => broker.receive({ queue: 'q', max: 1, waitMs: 100 }))
    await clock.advance(0)
    await expect(broker.receive({ queue: 'q', max: 1, waitMs: 100 })).rejects.toMatchObject({ code: 'overloaded' })
    await clock.advance(100)
    expect(await Promise.all(waits)).toEqual([[], []])
  })

  it('does not split the messages of one ordered group between waiters', async () => {
    const { broker } = await startedBroker()
    await broker.declareQueue('q', { groups: { kind: 'ordered' } })
    const waits = [1, 2].map(() => broker.receive({ queue: 'q', max: 10, waitMs: 10_000 }))
    await broker.append('q', [text('a1', { groupId: 'a' }), text('a2', { groupId: 'a' }), text('b1', { groupId: 'b' })])
    const first = bodies(await (waits[0] ?? Promise.reject()))
    await broker.close()
    const second = bodies(await (waits[1] ?? Promise.reject()))
    for (const share of [first, second]) {
      const groupA = share.filter((body) => body.startsWith('a'))
      expect(groupA).toEqual(['a1', 'a2'].slice(0, groupA.length))
    }
    expect([...first, ...second].filter((body) => body.startsWith('a')).length).toBeGreaterThan(0)
  })
})

it('refuses a receive outside of its limits', async () => {
  const { broker } = await startedBroker()
  await expect(broker.receive({ queue: 'q', max: 0 })).rejects.toMatchObject({ code: 'invalid-argument' })
  await expect(broker.receive({ queue: 'q', max: 1, waitMs: Number.NaN })).rejects.toMatchObject({
    code: 'invalid-argument',
  })
})
