import { describe, expect, it } from 'vitest'
import { type MakeEngine, Subject } from './subject.ts'

const ordered = { groups: { kind: 'ordered' } } as const
const sticky = { groups: { kind: 'sticky' } } as const

/** 'a1' goes to group 'a'. */
async function sendAll(s: Subject, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) await s.send(body, { groupId: body.slice(0, 1) })
}

export function groupSuite(make: MakeEngine): void {
  describe('ordered groups', () => {
    it('hold a message back while an earlier one of its group is leased', async () => {
      const s = await Subject.with(make, ordered)
      await sendAll(s, 'a1', 'a2', 'b1')
      const a1 = await s.takeOne()
      expect(await s.takeBodies(10)).toEqual(['b1'])
      await s.ack(a1)
      expect(await s.takeBodies(10)).toEqual(['a2'])
    })

    it('hold it back while an earlier one is delayed or in backoff', async () => {
      const s = await Subject.with(make, ordered)
      await s.send('a1', { groupId: 'a', delayMs: 100 })
      await sendAll(s, 'a2')
      expect(await s.takeBodies(10)).toEqual([])
      await s.clock.advance(100)
      await s.release(await s.takeOne(), { delayMs: 200 })
      expect(await s.takeBodies(10)).toEqual([])
      await s.clock.advance(200)
      expect(await s.takeBodies(10)).toEqual(['a1', 'a2'])
    })

    it('let it go when the earlier one is dead, done, expired or purged', async () => {
      const s = await Subject.with(make, ordered)
      await sendAll(s, 'a1', 'a2', 'a3')
      await s.send('a4', { groupId: 'a', ttlMs: 100 })
      await sendAll(s, 'a5')
      await s.bury(await s.takeOne())
      await s.ack(await s.takeOne(), { keep: new Uint8Array(1) })
      await s.ack(await s.takeOne())
      await s.clock.advance(100)
      expect(await s.takeBodies(10)).toEqual(['a5'])
    })

    it('give several of one group to one call, in order', async () => {
      const s = await Subject.with(make, ordered)
      await sendAll(s, 'a1', 'a2', 'a3')
      expect(await s.takeBodies(2)).toEqual(['a1', 'a2'])
      expect(await s.takeBodies(2)).toEqual([])
    })

    it('make a released first one of two leased ones receivable again, and only it', async () => {
      const s = await Subject.with(make, ordered)
      await sendAll(s, 'a1', 'a2', 'a3')
      const [a1] = await s.take(2)
      if (a1 === undefined) throw new Error('expected two')
      await s.release(a1)
      expect(await s.takeBodies(10)).toEqual(['a1'])
    })

    it('take turns: a served group goes to the back', async () => {
      const s = await Subject.with(make, ordered)
      await sendAll(s, 'a1', 'a2', 'a3', 'b1', 'b2', 'c1')
      expect(await s.takeBodies(10)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
    })

    it('take turns over calls too', async () => {
      const s = await Subject.with(make, ordered)
      await sendAll(s, 'a1', 'a2', 'a3', 'b1', 'b2')
      const order: (string | undefined)[] = []
      for (let i = 0; i < 5; i++) {
        const delivery = await s.takeOne()
        order.push(new TextDecoder().decode(delivery.content.body))
        await s.ack(delivery)
      }
      expect(order).toEqual(['a1', 'b1', 'a2', 'b2', 'a3'])
    })

    it('serve higher priorities first within a turn and within a group', async () => {
      const s = await Subject.with(make, ordered)
      await s.send('a1', { groupId: 'a' })
      await s.send('b1', { groupId: 'b', priority: 1 })
      await s.send('b0', { groupId: 'b', priority: 2 })
      expect(await s.takeBodies(10)).toEqual(['b0', 'a1', 'b1'])
    })

    it('do not bind a lease by id', async () => {
      const s = await Subject.with(make, ordered)
      await sendAll(s, 'a1')
      const a2 = await s.send('a2', { groupId: 'a' })
      await s.ack(await s.takeOne({ from: { kind: 'ids', ids: [a2] } }))
      expect(await s.takeBodies(10)).toEqual(['a1'])
    })

    it('are put in force on what a queue already holds, and given up again', async () => {
      const s = await Subject.with(make)
      await sendAll(s, 'a1', 'a2', 'b1')
      await s.declare('q', ordered)
      expect(await s.takeBodies(1)).toEqual(['a1'])
      expect(await s.takeBodies(10)).toEqual(['b1'])
      await s.declare('q')
      expect(await s.takeBodies(10)).toEqual(['a2'])
    })

    it('are ignored by a queue without them', async () => {
      const s = await Subject.with(make)
      await sendAll(s, 'a1', 'a2')
      await s.takeOne()
      expect(await s.takeBodies(10)).toEqual(['a2'])
    })
  })

  describe('sticky groups', () => {
    it('stay with the consumer that leased from them', async () => {
      const s = await Subject.with(make, sticky)
      await sendAll(s, 'a1', 'a2', 'b1')
      await s.ack(await s.takeOne({ consumer: 'x' }))
      expect(await s.takeBodies(10, { consumer: 'y' })).toEqual(['b1'])
      expect(await s.takeBodies(10)).toEqual([])
      expect(await s.takeBodies(10, { consumer: 'x' })).toEqual(['a2'])
    })

    it('are free when they are drained', async () => {
      const s = await Subject.with(make, sticky)
      await sendAll(s, 'a1')
      await s.ack(await s.takeOne({ consumer: 'x' }))
      await sendAll(s, 'a2')
      expect(await s.takeBodies(10, { consumer: 'y' })).toEqual(['a2'])
    })

    it('are free when the claim lapsed: leaseMs after the last lease or settle', async () => {
      const s = await Subject.with(make, { ...sticky, leaseMs: 1_000 })
      await sendAll(s, 'a1', 'a2')
      const a1 = await s.takeOne({ consumer: 'x', lease: { kind: 'clock', leaseMs: 60_000 } })
      await s.clock.advance(5_000)
      await s.ack(a1)
      await s.clock.advance(999)
      expect(await s.takeBodies(10, { consumer: 'y' })).toEqual([])
      await s.clock.advance(1)
      expect(await s.takeBodies(10, { consumer: 'y' })).toEqual(['a2'])
    })

    it('tell their watchers when a claim lapses', async () => {
      const s = await Subject.with(make, { ...sticky, leaseMs: 1_000 })
      await sendAll(s, 'a1', 'a2')
      await s.ack(await s.takeOne({ consumer: 'x' }))
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 1_000 })
      await s.clock.advance(1_000)
      const hint = s.nextHint()
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: null })
      expect(await hint).toBe('q')
    })

    it('are free when the holder of the claim ends', async () => {
      const s = await Subject.with(make, sticky)
      await sendAll(s, 'a1', 'a2')
      await s.ack(await s.takeOne({ consumer: 'x', lease: { kind: 'holder', holder: 'h' } }))
      expect(await s.takeBodies(10, { consumer: 'y' })).toEqual([])
      await s.engine.releaseHolder('h')
      expect(await s.takeBodies(10, { consumer: 'y' })).toEqual(['a2'])
    })
  })
}
