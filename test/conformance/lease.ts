import { describe, expect, it } from 'vitest'
import type { MessageId } from '../../src/model/message.ts'
import { type MakeEngine, Subject, text } from './subject.ts'

export function leaseSuite(make: MakeEngine): void {
  describe('lease', () => {
    it('answers nothing from a queue that is empty or missing', async () => {
      const s = await Subject.with(make)
      expect(await s.take(5)).toEqual([])
      expect(await s.take(5, {}, 'nowhere')).toEqual([])
    })

    it('rejects a max outside of its limits', async () => {
      const s = await Subject.with(make, {}, { limits: { receiveMax: 3 } })
      for (const max of [0, -1, 1.5, 4]) {
        await expect(s.take(max)).rejects.toMatchObject({ code: 'invalid-argument' })
      }
    })

    it('hides what it delivers, and spends an attempt', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const delivery = await s.takeOne()
      expect(delivery).toMatchObject({
        state: 'leased',
        attempts: 1,
        deliveries: 1,
        dueAtMs: s.clock.wallMs() + 30_000,
        firstLeasedAtMs: s.clock.wallMs(),
      })
      expect(await s.take()).toEqual([])
      expect(await s.counts()).toEqual({ leased: 1 })
    })

    it('takes the term of the request before that of the queue', async () => {
      const s = await Subject.with(make, { leaseMs: 1_000 })
      await s.send('a')
      await s.takeOne({ lease: { kind: 'clock', leaseMs: 5_000 } })
      await s.clock.advance(4_999)
      expect(await s.take()).toEqual([])
      await s.clock.advance(1)
      expect(await s.takeOne()).toMatchObject({ attempts: 2, deliveries: 2 })
      await s.clock.advance(1_000)
      expect(await s.takeOne()).toMatchObject({ attempts: 3 })
    })

    it('gives each delivery a receipt of its own, and only the latest one counts', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const first = await s.takeOne()
      await s.clock.advance(30_000)
      const second = await s.takeOne()
      expect(second.receipt).not.toBe(first.receipt)
      expect(await s.ack(first)).toBe('stale')
      expect(await s.release(first)).toBe('stale')
      expect(await s.bury(first)).toBe('stale')
      expect(await s.engine.extend([first.receipt], 60_000)).toEqual([{ kind: 'stale' }])
      expect(await s.ack(second)).toBe('settled')
    })

    it('is moved by extend, from the instant of the extend', async () => {
      const s = await Subject.with(make, { leaseMs: 1_000 })
      await s.send('a')
      const { receipt } = await s.takeOne()
      await s.clock.advance(900)
      expect(await s.engine.extend([receipt], 1_000)).toEqual([{ kind: 'extended', untilMs: s.clock.wallMs() + 1_000 }])
      await s.clock.advance(999)
      expect(await s.take()).toEqual([])
      expect(await s.engine.extend([receipt], 10)).toMatchObject([{ kind: 'extended' }])
      await s.clock.advance(10)
      expect(await s.engine.extend([receipt], 10)).toEqual([{ kind: 'stale' }])
      expect(await s.takeBodies()).toEqual(['a'])
    })

    it('does not extend what ended, though nobody took it since', async () => {
      const s = await Subject.with(make, { leaseMs: 1_000 })
      await s.send('a')
      const { receipt } = await s.takeOne()
      await s.clock.advance(1_000)
      expect(await s.engine.extend([receipt, 'no receipt' as typeof receipt], 1_000)).toEqual([
        { kind: 'stale' },
        { kind: 'stale' },
      ])
      expect(await s.counts()).toEqual({ ready: 1 })
    })

    it('neither ends nor lasts longer when the wall clock is stepped', async () => {
      const s = await Subject.with(make, { leaseMs: 1_000 })
      await s.send('a')
      await s.takeOne()
      s.clock.jumpWall(3_600_000)
      expect(await s.take()).toEqual([])
      s.clock.jumpWall(-7_200_000)
      await s.clock.advance(1_000)
      expect(await s.takeBodies()).toEqual(['a'])
    })

    it('that settles on delivery removes the message', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const delivery = await s.takeOne({ settleOnDelivery: true })
      expect(text(delivery.content.body)).toBe('a')
      expect(await s.engine.find(delivery.id)).toBeUndefined()
      expect(await s.ack(delivery)).toBe('stale')
      expect((await s.measure()).totals).toMatchObject({ delivered: 1, acked: 1 })
    })

    it('takes ready and delayed ones by id, in the order asked', async () => {
      const s = await Subject.with(make)
      const ids: MessageId[] = []
      for (const [body, delayMs] of [
        ['ready', 0],
        ['delayed', 1_000],
        ['leased', 0],
      ] as const) {
        ids.push(await s.send(body, { delayMs, priority: body === 'leased' ? 1 : 0 }))
      }
      await s.takeOne()
      await s.declare('r')
      const elsewhere = await s.send('elsewhere', {}, 'r')
      const from = { kind: 'ids', ids: [...ids].reverse().concat(elsewhere, ids) } as const
      expect(await s.takeBodies(10, { from })).toEqual(['delayed', 'ready'])
    })

    it('forgets the delay of a delayed one that it took', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a', { delayMs: 60_000 })
      await s.takeOne({ from: { kind: 'ids', ids: [id] }, lease: { kind: 'clock', leaseMs: 100 } })
      await s.clock.advance(100)
      expect(await s.takeBodies()).toEqual(['a'])
    })

    it('takes delayed ones in the order of the queue, not of their instants', async () => {
      const s = await Subject.with(make)
      await s.send('later', { delayMs: 2_000 })
      await s.send('sooner', { delayMs: 1_000 })
      await s.send('first', { delayMs: 3_000, priority: 1 })
      await s.send('ready')
      expect(await s.takeBodies(2, { from: { kind: 'delayed' } })).toEqual(['first', 'later'])
      expect(await s.takeBodies(2, { from: { kind: 'delayed' } })).toEqual(['sooner'])
    })

    it('takes dead ones in order, or by id', async () => {
      const s = await Subject.with(make)
      const ids = [await s.send('a'), await s.send('b'), await s.send('c')]
      for (const delivery of await s.take(3)) await s.bury(delivery)
      expect(await s.takeBodies(1, { from: { kind: 'dead', ids: ids.slice(1, 2) } })).toEqual(['b'])
      expect(await s.takeBodies(10, { from: { kind: 'dead' } })).toEqual(['a', 'c'])
      expect(await s.take(10, { from: { kind: 'dead', ids } })).toEqual([])
    })

    it('lets a dead one be dead again when the lease ends, history unchanged', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      await s.bury(await s.takeOne(), 'invalid')
      const { history } = (await s.engine.find(id)) ?? {}
      await s.takeOne({ from: { kind: 'dead' } })
      expect(await s.counts()).toEqual({ leased: 1 })
      await s.clock.advance(30_000)
      expect(await s.engine.find(id)).toMatchObject({ state: 'dead', history, endedAtMs: s.clock.wallMs() })
      const again = await s.takeOne({ from: { kind: 'dead' } })
      await s.release(again)
      expect(await s.engine.find(id)).toMatchObject({ state: 'dead', history })
      expect((await s.measure()).totals.died).toBe(1)
    })

    it('lets a dead one be acked, and appended anew with its id in the same unit', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      await s.bury(await s.takeOne())
      const { receipt, content, history } = await s.takeOne({ from: { kind: 'dead', ids: [id] } })
      const outcomes = await s.unit(
        { kind: 'settle', receipt, how: { kind: 'ack' }, required: true },
        { kind: 'append', queue: 'q', message: { id, content, history }, required: true },
      )
      expect(outcomes).toMatchObject([{ kind: 'settled' }, { kind: 'stored', id }])
      expect(await s.takeOne()).toMatchObject({ id, attempts: 1, history: [{ reason: 'buried', count: 1 }] })
    })
  })
}
