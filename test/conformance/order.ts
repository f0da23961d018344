import { describe, expect, it } from 'vitest'
import { type MakeEngine, Subject } from './subject.ts'

export function orderSuite(make: MakeEngine): void {
  describe('order', () => {
    it('serves higher priorities first, and first come first within one', async () => {
      const s = await Subject.with(make)
      for (const [body, priority] of [
        ['a', 0],
        ['b', 5],
        ['c', 255],
        ['d', 5],
        ['e', 0],
      ] as const) {
        await s.send(body, { priority })
      }
      expect(await s.takeBodies(10)).toEqual(['c', 'b', 'd', 'a', 'e'])
    })

    it('knows no priority above the cap', async () => {
      const s = await Subject.with(make, { priorityMax: 5 })
      for (const [body, priority] of [
        ['a', 5],
        ['b', 9],
        ['c', 4],
        ['d', 255],
      ] as const) {
        await s.send(body, { priority })
      }
      expect(await s.takeBodies(10)).toEqual(['a', 'b', 'd', 'c'])
      await s.declare('flat', { priorityMax: 0 })
      for (const [body, priority] of [
        ['a', 0],
        ['b', 9],
      ] as const) {
        await s.send(body, { priority }, 'flat')
      }
      expect(await s.bodies(['ready'], 'flat')).toEqual(['a', 'b'])
    })

    it('returns an expired lease to its place', async () => {
      const s = await Subject.with(make)
      for (const body of ['a', 'b', 'c']) await s.send(body)
      await s.takeOne()
      await s.clock.advance(30_000)
      expect(await s.takeBodies(10)).toEqual(['a', 'b', 'c'])
    })

    it('returns a released message to its place, also after a delay', async () => {
      const s = await Subject.with(make)
      for (const body of ['a', 'b', 'c']) await s.send(body)
      const [a, b] = await s.take(2)
      if (a === undefined || b === undefined) throw new Error('expected two')
      await s.release(b, { delayMs: 10 })
      await s.release(a)
      expect(await s.bodies(['ready'])).toEqual(['a', 'c'])
      await s.clock.advance(10)
      expect(await s.takeBodies(10)).toEqual(['a', 'b', 'c'])
    })

    it('lets a message that became due late stand by its sequence', async () => {
      const s = await Subject.with(make)
      await s.send('early', { delayMs: 100 })
      await s.send('late')
      await s.clock.advance(100)
      expect(await s.takeBodies(10)).toEqual(['early', 'late'])
    })

    it('keeps its order over thousands of messages', async () => {
      const s = await Subject.with(make)
      const count = 3_000
      await s.engine.commit(
        Array.from({ length: count }, (_, i) => ({
          ops: [
            {
              kind: 'append' as const,
              queue: 'q',
              message: {
                content: { body: Uint8Array.of(i >>> 8, i & 255), head: new Uint8Array(0) },
                priority: i % 3,
              },
            },
          ],
        })),
      )
      const order: number[] = []
      for (let left = count; left > 0; left -= 500) {
        for (const {
          content: { body },
        } of await s.take(500))
          order.push(((body[0] ?? 0) << 8) | (body[1] ?? 0))
      }
      const expected = Array.from({ length: count }, (_, i) => i).sort((a, b) => (b % 3) - (a % 3) || a - b)
      expect(order).toEqual(expected)
    })
  })
}
