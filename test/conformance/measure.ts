import { describe, expect, it } from 'vitest'
import { defaultPolicy } from '../../src/model/policy.ts'
import { type MakeEngine, Subject } from './subject.ts'

export function measureSuite(make: MakeEngine): void {
  describe('measure', () => {
    it('counts messages, bytes and what happened', async () => {
      const s = await Subject.with(make)
      await s.unit({
        kind: 'append',
        queue: 'q',
        message: { content: { body: new Uint8Array(10), head: new Uint8Array(3) } },
      })
      const firstAtMs = s.clock.wallMs()
      await s.clock.advance(50)
      for (const body of ['one', 'two', 'three', 'four', 'five']) await s.send(body)
      await s.send('later', { delayMs: 60_000 })
      expect(await s.measure()).toMatchObject({ ready: 6, delayed: 1, bytes: 13 + 19 + 5, oldestReadyAtMs: firstAtMs })
      const [a, b, c, d] = await s.take(5)
      if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('expected five')
      await s.ack(a)
      await s.ack(b, { keep: new Uint8Array(100) })
      await s.bury(c)
      await s.release(d, { delayMs: 1_000_000 })
      await s.clock.advance(30_000)
      expect(await s.measure()).toEqual({
        queue: 'q',
        policy: defaultPolicy,
        lifetime: { kind: 'durable' },
        delayed: 2,
        ready: 2,
        leased: 0,
        done: 1,
        dead: 1,
        bytes: 19 + 5,
        oldestReadyAtMs: firstAtMs + 50,
        totals: { appended: 7, delivered: 5, acked: 2, released: 1, lost: 1, died: 1 },
      })
    })

    it('tells of all queues, or of those named that exist', async () => {
      const s = await Subject.with(make)
      await s.declare('r')
      const names = async (queues?: string[]) => (await s.engine.measure(queues)).map(({ queue }) => queue)
      expect((await names()).sort()).toEqual(['q', 'r'])
      expect(await names(['r', 'nowhere'])).toEqual(['r'])
    })

    it('has no oldest one when none is ready', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      await s.takeOne()
      expect((await s.measure()).oldestReadyAtMs).toBeUndefined()
    })
  })

  describe('tick', () => {
    it('says when the next thing is due', async () => {
      const s = await Subject.with(make)
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: null })
      await s.send('a', { delayMs: 500, ttlMs: 5_000 })
      await s.send('b', { ttlMs: 800 })
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 500 })
      await s.clock.advance(200)
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 300 })
      await s.clock.advance(300)
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 300 })
      await s.clock.advance(300)
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 4_200 })
      await s.takeOne()
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 30_000 })
    })

    it('knows of holders and idle queues', async () => {
      const s = await Subject.with(make)
      await s.unit({
        kind: 'putQueue',
        queue: 'i',
        policy: defaultPolicy,
        lifetime: { kind: 'idle', idleMs: 700 },
      })
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 700 })
      await s.engine.renewHolder('h', 400)
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 400 })
      await s.clock.advance(400)
      expect(await s.engine.tick(100)).toEqual({ nextDueMs: 300 })
    })

    it('does no more than its budget, and asks to be called again at once', async () => {
      const s = await Subject.with(make)
      for (let i = 0; i < 10; i++) await s.send('a', { ttlMs: 100 })
      await s.clock.advance(100)
      expect(await s.engine.tick(4)).toEqual({ nextDueMs: 0 })
      expect(await s.engine.tick(6)).toEqual({ nextDueMs: null })
    })

    it('is not needed for the truth: any verb applies what is due', async () => {
      const s = await Subject.with(make)
      await s.send('a', { delayMs: 100 })
      await s.clock.advance(100)
      expect(await s.counts()).toEqual({ ready: 1 })
    })
  })
}
