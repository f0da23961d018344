import { describe, expect, it } from 'vitest'
import type { Broker } from '../../src/broker/broker.ts'
import type { RedriveView } from '../../src/broker/port.ts'
import { bodies, storedBroker, text, until } from './started.ts'

const toDlq = { attemptsMax: 1, onDeath: { kind: 'deadLetter', queue: 'dlq' } } as const

/** `count` messages of each queue die there, in order. */
async function killed(
  broker: Broker,
  queue: string,
  count: number,
  fields: Parameters<typeof text>[1] = {},
): Promise<void> {
  for (let i = 0; i < count; i++) await broker.append(queue, [text(`${queue}${i}`, fields)])
  const deliveries = await broker.receive({ queue, max: count })
  await broker.settle(deliveries.map(({ receipt }) => ({ receipt, how: { kind: 'bury', reason: 'invalid' } })))
}

async function ended(broker: Broker, { id }: RedriveView): Promise<RedriveView> {
  let view: RedriveView | undefined
  await until(async () => {
    view = (await broker.listRedrives()).find((one) => one.id === id)
    return view !== undefined && view.state !== 'running'
  })
  if (view === undefined) throw new Error('no such redrive')
  return view
}

describe('a redrive', () => {
  it('sends each message of a dead-letter queue back to where it died, as if new there', async () => {
    const { broker } = await storedBroker()
    await broker.declareQueue('dlq', {})
    for (const queue of ['a', 'b']) await broker.declareQueue(queue, toDlq)
    await killed(broker, 'a', 3, { priority: 2 })
    await killed(broker, 'b', 1)
    const [before] = (await broker.browse({ queue: 'dlq', states: ['ready'], limit: 1 })).messages
    const view = await broker.startRedrive({ source: 'dlq' })
    expect(view).toMatchObject({ source: 'dlq', from: 'ready', target: null, state: 'running', about: 4, moved: 0 })
    expect(await ended(broker, view)).toMatchObject({ state: 'completed', moved: 4, failed: 0, reason: null })
    const back = await broker.receive({ queue: 'a', max: 9 })
    expect(bodies(back)).toEqual(['a0', 'a1', 'a2'])
    expect(back[0]).toMatchObject({
      id: before?.id,
      attempts: 1,
      priority: 2,
      history: [{ queue: 'a', reason: 'invalid' }],
    })
    expect(bodies(await broker.receive({ queue: 'b', max: 9 }))).toEqual(['b0'])
    expect(await broker.measure(['dlq'])).toMatchObject([{ ready: 0, leased: 0, dead: 0 }])
  })

  it('sends what a queue holds as dead back to itself', async () => {
    const { broker } = await storedBroker()
    await broker.declareQueue('a', { attemptsMax: 1 })
    await killed(broker, 'a', 2)
    const view = await broker.startRedrive({ source: 'a' })
    expect(view).toMatchObject({ from: 'dead', about: 2 })
    expect(await ended(broker, view)).toMatchObject({ state: 'completed', moved: 2 })
    expect(bodies(await broker.receive({ queue: 'a', max: 9 }))).toEqual(['a0', 'a1'])
  })

  it('sends all to one queue when told so, groups in order', async () => {
    const { broker } = await storedBroker()
    await broker.declareQueue('dlq', { groups: { kind: 'ordered' } })
    await broker.declareQueue('a', { ...toDlq, groups: { kind: 'ordered' } })
    await broker.declareQueue('elsewhere', { groups: { kind: 'ordered' } })
    await killed(broker, 'a', 5, { groupId: 'g' })
    const view = await broker.startRedrive({ source: 'dlq', target: 'elsewhere' })
    expect(await ended(broker, view)).toMatchObject({ state: 'completed', moved: 5 })
    expect(bodies(await broker.receive({ queue: 'elsewhere', max: 9 }))).toEqual(['a0', 'a1', 'a2', 'a3', 'a4'])
  })

  it('keeps to its rate, and shows its progress', async () => {
    const { broker, clock } = await storedBroker()
    await broker.declareQueue('dlq', {})
    await broker.declareQueue('a', toDlq)
    await killed(broker, 'a', 50)
    const view = await broker.startRedrive({ source: 'dlq', ratePerSecond: 10 })
    const moved = async (): Promise<number> => (await broker.listRedrives('dlq'))[0]?.moved ?? -1
    for (const second of [1, 2, 3]) {
      await clock.advance(1_000)
      expect(Math.abs((await moved()) - second * 10)).toBeLessThanOrEqual(2)
      // What waits for its turn waits in the queue, for everybody.
      expect((await broker.measure(['dlq']))[0]?.leased).toBeLessThanOrEqual(1)
    }
    for (let second = 0; second < 3; second++) await clock.advance(1_000)
    expect(await ended(broker, view)).toMatchObject({ state: 'completed', moved: 50, endedAtMs: expect.any(Number) })
  })

  it('stops when cancelled, and leaves the rest as it was', async () => {
    const { broker, clock } = await storedBroker()
    await broker.declareQueue('dlq', {})
    await broker.declareQueue('a', toDlq)
    await killed(broker, 'a', 30)
    const view = await broker.startRedrive({ source: 'dlq', ratePerSecond: 10 })
    await clock.advance(1_000)
    const cancelled = await broker.cancelRedrive(view.id)
    expect(cancelled).toMatchObject({ state: 'cancelled' })
    const moved = cancelled?.moved ?? 0
    expect(moved).toBeGreaterThan(5)
    await clock.advance(5_000)
    expect((await broker.measure(['dlq']))[0]).toMatchObject({ ready: 30 - moved, leased: 0 })
    const rest = await broker.receive({ queue: 'dlq', max: 99 })
    expect(rest.every(({ attempts }) => attempts === 1)).toBe(true)
    expect(await broker.cancelRedrive(view.id)).toEqual(cancelled)
    expect(await broker.cancelRedrive('unknown')).toBeUndefined()
  })

  it.each(['a stop', 'a crash'])('goes on after %s of the process, once', async (how) => {
    const stored = await storedBroker()
    const { broker, clock } = stored
    await broker.declareQueue('dlq', {})
    await broker.declareQueue('a', toDlq)
    await killed(broker, 'a', 30)
    const view = await broker.startRedrive({ source: 'dlq', ratePerSecond: 10 })
    await clock.advance(1_500)
    const again = await (how === 'a stop' ? stored.reopen() : stored.crash())
    expect(await again.listRedrives()).toMatchObject([{ id: view.id, state: 'running' }])
    await expect(again.startRedrive({ source: 'dlq' })).rejects.toMatchObject({ code: 'redrive-running' })
    for (let second = 0; second < 12; second++) await clock.advance(1_000)
    expect(await ended(again, view)).toMatchObject({ state: 'completed' })
    const back = await again.receive({ queue: 'a', max: 99 })
    expect(new Set(bodies(back)).size).toBe(30)
    expect(back).toHaveLength(30)
  })

  it('fails when its target vanishes, and gives the rest back', async () => {
    const { broker, clock } = await storedBroker()
    await broker.declareQueue('dlq', {})
    await broker.declareQueue('b', {})
    await broker.declareQueue('a', toDlq)
    await killed(broker, 'a', 20)
    const view = await broker.startRedrive({ source: 'dlq', target: 'b', ratePerSecond: 10 })
    await clock.advance(500)
    await broker.deleteQueue('b')
    await clock.advance(1_000)
    expect(await ended(broker, view)).toMatchObject({ state: 'failed', reason: "the queue 'b' does not exist" })
    expect((await broker.measure(['dlq']))[0]).toMatchObject({ leased: 0 })
  })

  it('fails when the queue of origin is gone, and counts those whose origin nobody knows', async () => {
    const { broker } = await storedBroker()
    await broker.declareQueue('dlq', {})
    await broker.declareQueue('a', toDlq)
    await broker.declareQueue('b', toDlq)
    await killed(broker, 'a', 2)
    await broker.deleteQueue('a')
    const failed = await ended(broker, await broker.startRedrive({ source: 'dlq' }))
    expect(failed).toMatchObject({ state: 'failed', reason: "the queue 'a' does not exist", moved: 0, failed: 2 })
    await broker.append('dlq', [text('sent here')])
    await killed(broker, 'b', 1)
    expect(await ended(broker, await broker.startRedrive({ source: 'dlq' }))).toMatchObject({
      state: 'completed',
      moved: 1,
      failed: 3,
    })
    expect((await broker.measure(['dlq']))[0]).toMatchObject({ ready: 3, leased: 0 })
    expect((await broker.receive({ queue: 'dlq', max: 9 })).every(({ attempts }) => attempts === 1)).toBe(true)
  })

  it('waits while the target is full', async () => {
    const { broker, clock } = await storedBroker()
    await broker.declareQueue('dlq', {})
    await broker.declareQueue('b', { lengthMax: 1 })
    await broker.declareQueue('a', toDlq)
    await killed(broker, 'a', 2)
    const view = await broker.startRedrive({ source: 'dlq', target: 'b' })
    await clock.advance(2_500)
    expect(await broker.listRedrives()).toMatchObject([{ state: 'running', moved: 1, failed: 0 }])
    const [first] = await broker.receive({ queue: 'b', max: 1 })
    await broker.settle([{ receipt: first?.receipt as never, how: { kind: 'ack' } }])
    await clock.advance(2_000)
    expect(await ended(broker, view)).toMatchObject({ state: 'completed', moved: 2, failed: 0 })
  })

  it('moves what its target takes for a duplicate all the same', async () => {
    const { broker } = await storedBroker()
    await broker.declareQueue('dlq', {})
    await broker.declareQueue('a', { ...toDlq, dedup: { kind: 'window', windowMs: 300_000 } })
    await killed(broker, 'a', 1, { dedupId: 'd' })
    const view = await ended(broker, await broker.startRedrive({ source: 'dlq' }))
    expect(view).toMatchObject({ state: 'completed', moved: 1, failed: 0 })
    expect(bodies(await broker.receive({ queue: 'a', max: 9 }))).toEqual(['a0'])
  })

  it('refuses what makes no sense', async () => {
    const { broker } = await storedBroker()
    await broker.declareQueue('dlq', {})
    await expect(broker.startRedrive({ source: 'none' })).rejects.toMatchObject({ code: 'no-such-queue' })
    await expect(broker.startRedrive({ source: 'dlq', target: 'none' })).rejects.toMatchObject({
      code: 'no-such-queue',
    })
    await expect(broker.startRedrive({ source: 'dlq', ratePerSecond: 0 })).rejects.toThrow(/ratePerSecond/)
    await expect(broker.startRedrive({ source: 'dlq', from: 'ready', target: 'dlq' })).rejects.toThrow(/itself/)
  })

  it('remembers the last few that ended', async () => {
    const { broker } = await storedBroker()
    await broker.declareQueue('dlq', {})
    for (let i = 0; i < 14; i++) await ended(broker, await broker.startRedrive({ source: 'dlq' }))
    await until(async () => (await broker.listRedrives('dlq')).length === 10)
    expect(await broker.listRedrives('other')).toEqual([])
  })
})
