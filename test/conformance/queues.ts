import { describe, expect, it } from 'vitest'
import { defaultPolicy } from '../../src/model/policy.ts'
import { type MakeEngine, Subject } from './subject.ts'

export function queueSuite(make: MakeEngine): void {
  describe('a queue', () => {
    it('is created only when absent, if asked', async () => {
      const s = await Subject.with(make)
      const put = (queue: string) => s.unit({ kind: 'putQueue', queue, policy: defaultPolicy, expect: 'absent' })
      expect(await put('q')).toMatchObject([{ kind: 'mismatch' }])
      expect(await put('new')).toEqual([{ kind: 'done' }])
    })

    it('takes a new policy and keeps its messages', async () => {
      const s = await Subject.with(make)
      await s.send('a', { ttlMs: 60_000 })
      await s.declare('q', { leaseMs: 5, attemptsMax: 1, delayMs: 100, ttlMs: 1 })
      await s.takeOne()
      await s.clock.advance(5)
      expect(await s.list(['dead'])).toMatchObject([{ history: [{ reason: 'exhausted' }] }])
      expect((await s.measure()).policy).toEqual({
        ...defaultPolicy,
        leaseMs: 5,
        attemptsMax: 1,
        delayMs: 100,
        ttlMs: 1,
      })
    })

    it('is dropped with everything in it', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      await s.send('b', { delayMs: 10 })
      const delivery = await s.takeOne()
      expect(await s.unit({ kind: 'dropQueue', queue: 'q' })).toEqual([{ kind: 'done' }])
      expect(await s.unit({ kind: 'dropQueue', queue: 'q' })).toEqual([{ kind: 'missing' }])
      expect(await s.engine.find(id)).toBeUndefined()
      expect(await s.ack(delivery)).toBe('stale')
      expect(await s.engine.measure()).toEqual([])
      await s.declare('q')
      expect(await s.counts()).toEqual({})
      expect((await s.measure()).totals.appended).toBe(0)
    })

    it('is dropped only when empty, if asked; ended messages do not count', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const drop = () => s.unit({ kind: 'dropQueue', queue: 'q', ifEmpty: true })
      expect(await drop()).toMatchObject([{ kind: 'mismatch' }])
      const delivery = await s.takeOne()
      expect(await drop()).toMatchObject([{ kind: 'mismatch' }])
      await s.bury(delivery)
      expect(await drop()).toEqual([{ kind: 'done' }])
    })

    it('is purged of what waits, not of what is leased or ended', async () => {
      const s = await Subject.with(make)
      for (const body of ['dead', 'leased', 'ready', 'ready too']) await s.send(body)
      await s.send('delayed', { delayMs: 10 })
      await s.bury(await s.takeOne())
      const leased = await s.takeOne()
      expect(await s.unit({ kind: 'purge', queue: 'q' })).toEqual([{ kind: 'purged', count: 3 }])
      expect(await s.counts()).toEqual({ leased: 1, dead: 1 })
      expect(await s.ack(leased)).toBe('settled')
      expect(await s.unit({ kind: 'purge', queue: 'q', states: ['dead'] })).toEqual([{ kind: 'purged', count: 1 }])
      expect(await s.unit({ kind: 'purge', queue: 'nowhere' })).toEqual([{ kind: 'missing' }])
    })

    it('of an idle lifetime goes when it was not used for so long', async () => {
      const s = await Subject.with(make)
      const lifetime = { kind: 'idle', idleMs: 1_000 } as const
      await s.unit({ kind: 'putQueue', queue: 'i', policy: defaultPolicy, lifetime })
      await s.clock.advance(900)
      await s.take(1, {}, 'i')
      await s.clock.advance(900)
      await s.send('a', {}, 'i')
      await s.clock.advance(999)
      expect(await s.engine.measure(['i'])).toHaveLength(1)
      await s.clock.advance(1)
      expect(await s.engine.measure(['i'])).toEqual([])
    })

    it('of an idle lifetime stays while something of it is leased', async () => {
      const s = await Subject.with(make)
      const lifetime = { kind: 'idle', idleMs: 1_000 } as const
      await s.unit({ kind: 'putQueue', queue: 'i', policy: defaultPolicy, lifetime })
      await s.send('a', {}, 'i')
      await s.takeOne({}, 'i')
      await s.clock.advance(30_000)
      expect(await s.counts('i')).toEqual({ ready: 1 })
      await s.clock.advance(1_000)
      expect(await s.engine.measure(['i'])).toEqual([])
    })

    it('of a holder goes with it', async () => {
      const s = await Subject.with(make)
      const lifetime = { kind: 'holder', holder: 'h' } as const
      await s.unit({ kind: 'putQueue', queue: 'x', policy: defaultPolicy, lifetime })
      await s.engine.renewHolder('h', 60_000)
      await s.clock.advance(59_999)
      expect(await s.engine.measure(['x'])).toHaveLength(1)
      await s.clock.advance(1)
      expect(await s.engine.measure(['x'])).toEqual([])
      expect(await s.engine.measure(['q'])).toHaveLength(1)
    })
  })
}
