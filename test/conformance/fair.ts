import { describe, expect, it } from 'vitest'
import { type MakeEngine, Subject } from './subject.ts'

const fair = { groups: { kind: 'fair', concurrency: null } } as const

/** 'a1' goes to group 'a', '-1' to none. */
async function sendAll(s: Subject, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) await s.send(body, body.startsWith('-') ? {} : { groupId: body.slice(0, 1) })
}

/** One receive after another, each acked. */
async function drain(s: Subject): Promise<(string | undefined)[]> {
  const order: (string | undefined)[] = []
  for (;;) {
    const [delivery] = await s.take()
    if (delivery === undefined) return order
    order.push(new TextDecoder().decode(delivery.content.body))
    await s.ack(delivery)
  }
}

export function fairSuite(make: MakeEngine): void {
  describe('fair groups', () => {
    it('take turns, and do not hold their messages back', async () => {
      const s = await Subject.with(make, fair)
      await sendAll(s, 'a1', 'a2', 'a3', 'b1', 'b2', 'c1')
      await s.takeOne()
      expect(await s.takeBodies(10)).toEqual(['b1', 'c1', 'a2', 'b2', 'a3'])
    })

    it('let the flood of one key delay another by one turn', async () => {
      const s = await Subject.with(make, fair)
      await sendAll(s, ...Array.from({ length: 500 }, (_, i) => `a${i}`), 'b1')
      expect(await s.takeBodies(2)).toEqual(['a0', 'b1'])
    })

    it('give those without a group one turn together, between the others', async () => {
      const s = await Subject.with(make, fair)
      await sendAll(s, '-1', '-2', '-3', 'a1', 'a2', 'b1')
      expect(await drain(s)).toEqual(['-1', 'a1', 'b1', '-2', 'a2', '-3'])
    })

    it('serve higher priorities first within a group', async () => {
      const s = await Subject.with(make, fair)
      await s.send('a1', { groupId: 'a' })
      await s.send('a2', { groupId: 'a', priority: 9 })
      await s.send('b1', { groupId: 'b' })
      expect(await s.takeBodies(10)).toEqual(['a2', 'b1', 'a1'])
    })

    it('are not held back by a delayed or released message, which returns to its place', async () => {
      const s = await Subject.with(make, fair)
      await s.send('a1', { groupId: 'a', delayMs: 100 })
      await sendAll(s, 'a2', 'a3', 'a4')
      const a2 = await s.takeOne()
      await s.release(a2)
      await s.clock.advance(100)
      expect(await s.takeBodies(10)).toEqual(['a1', 'a2', 'a3', 'a4'])
    })

    it('lease at most `concurrency` of a group, and the next when one of them ends', async () => {
      const s = await Subject.with(make, { groups: { kind: 'fair', concurrency: 2 } })
      await sendAll(s, 'a1', 'a2', 'a3', 'a4', 'a5', 'b1')
      const held = await s.take(10)
      expect(held.map(({ groupId }) => groupId)).toEqual(['a', 'b', 'a'])
      expect(await s.takeBodies(10)).toEqual([])
      const [a1, , a2] = held
      if (a1 === undefined || a2 === undefined) throw new Error('expected three')
      let hint = s.nextHint()
      await s.ack(a1)
      expect(await hint).toBe('q')
      expect(await s.takeBodies(10)).toEqual(['a3'])
      hint = s.nextHint()
      await s.bury(a2)
      expect(await hint).toBe('q')
      expect(await s.takeBodies(10)).toEqual(['a4'])
      await s.clock.advance(30_000)
      expect((await s.takeBodies(10)).sort()).toEqual(['a3', 'a4', 'b1'])
    })

    it('count for their cap what is leased by id or from the dead', async () => {
      const s = await Subject.with(make, { groups: { kind: 'fair', concurrency: 1 } })
      const a1 = await s.send('a1', { groupId: 'a' })
      await sendAll(s, 'a2')
      const byId = await s.takeOne({ from: { kind: 'ids', ids: [a1] } })
      expect(await s.takeBodies(10)).toEqual([])
      await s.bury(byId)
      const fromDead = await s.takeOne({ from: { kind: 'dead' } })
      expect(await s.takeBodies(10)).toEqual([])
      await s.release(fromDead)
      expect(await s.takeBodies(10)).toEqual(['a2'])
    })

    it('have no cap on those without a group', async () => {
      const s = await Subject.with(make, { groups: { kind: 'fair', concurrency: 1 } })
      await sendAll(s, '-1', '-2', 'a1', 'a2')
      expect(await s.takeBodies(10)).toEqual(['-1', 'a1', '-2'])
    })

    it('get another cap while they are in use', async () => {
      const s = await Subject.with(make, { groups: { kind: 'fair', concurrency: 1 } })
      await sendAll(s, 'a1', 'a2', 'a3', 'a4')
      await s.takeOne()
      await s.declare('q', { groups: { kind: 'fair', concurrency: 3 } })
      expect(await s.takeBodies(10)).toEqual(['a2', 'a3'])
      await s.declare('q', fair)
      expect(await s.takeBodies(10)).toEqual(['a4'])
    })

    it('are put in force on what a queue holds in order, and given up again', async () => {
      const s = await Subject.with(make, { groups: { kind: 'ordered' } })
      await sendAll(s, 'a1', 'a2', 'a3', 'b1', 'b2')
      await s.takeOne()
      await s.declare('q', fair)
      expect(await s.takeBodies(2)).toEqual(['a2', 'b1'])
      await s.declare('q', { groups: { kind: 'ordered' } })
      expect(await s.takeBodies(10)).toEqual([])
      await s.declare('q')
      expect(await s.takeBodies(10)).toEqual(['a3', 'b2'])
    })

    it('survive purges, expiry and leases by id in the middle of their line', async () => {
      const s = await Subject.with(make, fair)
      await sendAll(s, 'a1', 'a2')
      const a3 = await s.send('a3', { groupId: 'a' })
      await s.send('a4', { groupId: 'a', ttlMs: 10 })
      await sendAll(s, 'a5')
      await s.ack(await s.takeOne({ from: { kind: 'ids', ids: [a3] } }))
      await s.clock.advance(10)
      expect(await s.takeBodies(2)).toEqual(['a1', 'a2'])
      await s.unit({ kind: 'purge', queue: 'q' })
      await sendAll(s, 'a6')
      expect(await s.takeBodies(10)).toEqual(['a6'])
    })

    it('serve once each of many keys before any twice', async () => {
      const s = await Subject.with(make, fair)
      const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
      for (const key of [...keys, ...keys]) await s.send(key, { groupId: key })
      const bodies: (string | undefined)[] = []
      for (let i = 0; i < 20; i++) bodies.push(...(await s.takeBodies(20)))
      expect(bodies).toEqual([...keys, ...keys])
    })

    it('show the oldest ready message of all, whoever is at its cap', async () => {
      const s = await Subject.with(make, { groups: { kind: 'fair', concurrency: 1 } })
      await sendAll(s, 'a1')
      await s.clock.advance(5)
      const atMs = s.clock.wallMs()
      await sendAll(s, 'a2')
      await s.clock.advance(5)
      await sendAll(s, 'b1')
      await s.takeOne()
      expect((await s.measure()).oldestReadyAtMs).toBe(atMs)
    })
  })
}
