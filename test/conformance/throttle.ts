import { describe, expect, it } from 'vitest'
import { type MakeEngine, Subject } from './subject.ts'

const twoASecond = { tokens: 2, perMs: 1_000, burst: 1 } as const

async function sendAll(s: Subject, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) await s.send(body, { groupId: body.slice(0, 1) })
}

export function throttleSuite(make: MakeEngine): void {
  describe('a queue that is paused', () => {
    it('hands out nothing that is ready until it goes on; everything else works', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      const held = await s.takeOne()
      await s.send('b')
      await s.declare('q', { paused: true })
      expect(await s.takeBodies(10)).toEqual([])
      await s.send('c')
      await s.bury(held)
      expect((await s.takeOne({ from: { kind: 'dead' } })).id).toBe(id)
      const hint = s.nextHint()
      await s.declare('q')
      expect(await hint).toBe('q')
      expect(await s.takeBodies(10)).toEqual(['b', 'c'])
    })
  })

  describe('a cap on leases', () => {
    it('gives what there is room for, then nothing', async () => {
      const s = await Subject.with(make, { concurrency: 3 })
      for (const body of ['a', 'b', 'c', 'd', 'e']) await s.send(body)
      await s.takeOne()
      expect(await s.takeBodies(10)).toEqual(['b', 'c'])
      expect(await s.takeBodies(10)).toEqual([])
      expect(await s.takeBodies(1)).toEqual([])
    })

    it('tells its watchers of each lease that ends', async () => {
      const s = await Subject.with(make, { concurrency: 1 })
      await s.send('a')
      await s.send('b')
      const a = await s.takeOne()
      const hint = s.nextHint()
      await s.ack(a)
      expect(await hint).toBe('q')
      await s.takeOne()
      await s.clock.advance(30_000)
      const lost = s.nextHint()
      await s.engine.tick(10)
      expect(await lost).toBe('q')
      expect(await s.takeBodies(10)).toEqual(['b'])
    })

    it('does not hold back what settles on delivery', async () => {
      const s = await Subject.with(make, { concurrency: 1 })
      await s.send('a')
      await s.send('b')
      expect(await s.takeBodies(1, { settleOnDelivery: true })).toEqual(['a'])
      expect(await s.takeBodies(1, { settleOnDelivery: true })).toEqual(['b'])
    })
  })

  describe('a rate', () => {
    it('gives its burst, then a token each time that one takes', async () => {
      const s = await Subject.with(make, { rate: { tokens: 2, perMs: 1_000, burst: 3 } })
      for (const body of 'abcdefgh') await s.send(body)
      expect(await s.takeBodies(10)).toEqual(['a', 'b', 'c'])
      expect(await s.takeBodies(10)).toEqual([])
      await s.clock.advance(499)
      expect(await s.takeBodies(10)).toEqual([])
      await s.clock.advance(1)
      expect(await s.takeBodies(10)).toEqual(['d'])
      await s.clock.advance(60_000)
      expect(await s.takeBodies(10, { settleOnDelivery: true })).toHaveLength(3)
    })

    it('says when the next token comes, and tells watchers then', async () => {
      const s = await Subject.with(make, { rate: twoASecond })
      await s.send('a')
      await s.send('b')
      await s.take(1, { settleOnDelivery: true })
      expect(await s.engine.tick(10)).toEqual({ nextDueMs: 500 })
      await s.clock.advance(200)
      expect(await s.engine.tick(10)).toEqual({ nextDueMs: 300 })
      await s.clock.advance(300)
      const hint = s.nextHint()
      expect(await s.engine.tick(10)).toEqual({ nextDueMs: null })
      expect(await hint).toBe('q')
      expect(await s.takeBodies(10)).toEqual(['b'])
    })

    it('changes while it runs, without a fresh burst', async () => {
      const s = await Subject.with(make, { rate: { tokens: 1, perMs: 100_000, burst: 1 } })
      for (const body of 'abcdef') await s.send(body)
      expect(await s.takeBodies(10)).toEqual(['a'])
      await s.declare('q', { rate: { tokens: 10, perMs: 1_000, burst: 2 } })
      expect(await s.takeBodies(10)).toEqual([])
      await s.clock.advance(100)
      expect(await s.takeBodies(10)).toEqual(['b'])
      await s.declare('q')
      expect(await s.takeBodies(10)).toEqual(['c', 'd', 'e', 'f'])
    })

    it('does not bind leases by id, and does not count them', async () => {
      const s = await Subject.with(make, { rate: twoASecond })
      const id = await s.send('a')
      await s.send('b')
      expect(await s.takeBodies(1, { from: { kind: 'ids', ids: [id] } })).toEqual(['a'])
      expect(await s.takeBodies(1)).toEqual(['b'])
    })
  })

  describe('a rate of groups', () => {
    it('holds each fair group to its own, and tells watchers of the next token', async () => {
      const s = await Subject.with(make, { groups: { kind: 'fair', concurrency: null, rate: twoASecond } })
      await sendAll(s, 'a1', 'a2', 'a3', 'b1')
      expect(await s.takeBodies(10)).toEqual(['a1', 'b1'])
      expect(await s.takeBodies(10)).toEqual([])
      expect(await s.engine.tick(10)).toEqual({ nextDueMs: 500 })
      await sendAll(s, 'c1')
      expect(await s.takeBodies(10)).toEqual(['c1'])
      await s.clock.advance(500)
      const hint = s.nextHint()
      await s.engine.tick(10)
      expect(await hint).toBe('q')
      expect(await s.takeBodies(10)).toEqual(['a2'])
    })

    it('remembers the bucket of a group that was drained', async () => {
      const s = await Subject.with(make, { groups: { kind: 'fair', concurrency: null, rate: twoASecond } })
      await sendAll(s, 'a1')
      await s.ack(await s.takeOne())
      await sendAll(s, 'a2')
      expect(await s.takeBodies(10)).toEqual([])
      await s.clock.advance(500)
      expect(await s.takeBodies(10)).toEqual(['a2'])
    })

    it('holds ordered groups, too, in their order', async () => {
      const rate = { tokens: 1, perMs: 100, burst: 2 }
      const s = await Subject.with(make, { groups: { kind: 'ordered', rate } })
      await sendAll(s, 'a1', 'a2', 'a3', 'a4', 'b1')
      const first = await s.take(10)
      expect(first.map(({ sequence }) => sequence)).toHaveLength(3)
      for (const delivery of first) await s.ack(delivery)
      expect(await s.takeBodies(10)).toEqual([])
      await s.clock.advance(100)
      const [a3] = await s.take(10)
      if (a3 === undefined) throw new Error('expected one')
      await s.release(a3)
      await s.clock.advance(100)
      expect(await s.takeBodies(10)).toEqual(['a3'])
    })

    it('changes while it runs, and ends', async () => {
      const s = await Subject.with(make, {
        groups: { kind: 'fair', concurrency: null, rate: { tokens: 1, perMs: 60_000, burst: 1 } },
      })
      await sendAll(s, 'a1', 'a2', 'a3', 'a4')
      expect(await s.takeBodies(10)).toEqual(['a1'])
      await s.declare('q', { groups: { kind: 'fair', concurrency: null, rate: twoASecond } })
      await s.clock.advance(500)
      expect(await s.takeBodies(10)).toEqual(['a2'])
      await s.declare('q', { groups: { kind: 'fair', concurrency: null } })
      expect(await s.takeBodies(10)).toEqual(['a3', 'a4'])
    })
  })
}
