import { describe, expect, it } from 'vitest'
import { HOLDER_TTL_MS_DEFAULT } from '../../src/engine/engine.ts'
import { defaultPolicy, type QueuePolicy } from '../../src/model/policy.ts'
import { content, type MakeEngine, Subject } from './subject.ts'

/** What the rules of a queue are after its process ended. */
export function reopenPolicySuite(make: MakeEngine): void {
  describe('rules, after a reopen', () => {
    it("of fair groups hold, for what is leased too; a bucket is full, unless the time is the store's", async () => {
      const rate = { tokens: 1, perMs: 60_000, burst: 3 }
      const s = await Subject.with(make, { groups: { kind: 'fair', concurrency: 2, rate } })
      for (const body of ['a1', 'a2', 'a3', 'a4', '-1', 'b1']) {
        await s.send(body, body.startsWith('-') ? {} : { groupId: body.slice(0, 1) })
      }
      expect(await s.takeBodies(2)).toEqual(['a1', '-1'])
      await s.reopen()
      expect((await s.takeBodies(10)).sort()).toEqual(['a2', 'b1'])
      await s.clock.advance(30_000)
      const tokenLeft = s.engine.capabilities.clock === 'process'
      expect((await s.takeBodies(10)).sort()).toEqual(['-1', 'a1', ...(tokenLeft ? ['a2'] : []), 'b1'])
    })

    it('of bytes hold, with their count', async () => {
      const s = await Subject.with(make, { lengthBytesMax: 10 })
      await s.send('1234')
      await s.send('1234')
      await s.takeOne()
      await s.reopen()
      expect(await s.append('q', '123')).toEqual({ kind: 'refused', reason: 'queue-full' })
      await s.send('12')
      await s.reopen()
      expect(await s.append('q', '1')).toEqual({ kind: 'refused', reason: 'queue-full' })
      await s.ack(await s.takeOne())
      await s.send('1234')
    })

    it('of pause, cap and rate hold, and can be changed', async () => {
      const limits = { paused: true, concurrency: 2, rate: { tokens: 1, perMs: 60_000, burst: 1 } } as const
      const s = await Subject.with(make, limits)
      for (const body of ['a', 'b', 'c']) await s.send(body)
      await s.reopen()
      expect((await s.measure()).policy).toMatchObject(limits)
      expect(await s.takeBodies(10)).toEqual([])
      await s.declare('q', { ...limits, paused: false })
      expect(await s.takeBodies(10)).toEqual(['a'])
      await s.declare('q', { concurrency: 2 })
      expect(await s.takeBodies(10)).toEqual(['b'])
    })

    it('of a queue that is older than a rule are the defaults', async () => {
      const s = await Subject.with(make)
      const { paused: _paused, lengthCounts: _counts, ...old } = defaultPolicy
      await s.unit({ kind: 'putQueue', queue: 'old', policy: old as QueuePolicy })
      await s.reopen()
      expect((await s.measure('old')).policy).toEqual(defaultPolicy)
      await s.send('a', {}, 'old')
      expect(await s.takeBodies(1, {}, 'old')).toEqual(['a'])
    })

    it('keep what was replaced, and what died on its arrival', async () => {
      const s = await Subject.with(make, { dedup: { kind: 'replace' } })
      const id = await s.send('a', { dedupId: 'd', delayMs: 60_000 })
      await s.append('q', 'b', { dedupId: 'd', delayMs: 1_000 })
      const shared = content('same')
      const message = { content: shared, dedupId: 'e' }
      await s.unit(
        { kind: 'append', queue: 'q', message },
        { kind: 'append', queue: 'q', message },
        { kind: 'append', queue: 'q', message: { content: shared } },
      )
      await s.declare('full', { lengthMax: 0, overflow: 'rejectDeadLetter' })
      await s.append('full', 'c')
      await s.reopen()
      expect(await s.bodies(['delayed', 'ready'])).toEqual(['b', 'same', 'same'])
      expect(await s.bodies(['dead'], 'full')).toEqual(['c'])
      expect(await s.append('q', 'd', { dedupId: 'd' })).toMatchObject({ kind: 'stored', id, replaced: true })
      await s.reopen()
      expect(await s.bodies(['delayed', 'ready'])).toEqual(['same', 'same', 'd'])
    })

    it('let one follow the one that runs', async () => {
      const s = await Subject.with(make, { dedup: { kind: 'afterRunning' } })
      await s.send('a', { dedupId: 'd' })
      await s.takeOne()
      await s.reopen()
      const of = await s.send('b', { dedupId: 'd' })
      await s.reopen()
      expect(await s.append('q', 'c', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of })
    })

    it('tell a watcher of the dead that wait for an exchange', async () => {
      const s = await Subject.with(make, { onDeath: { kind: 'exchange', exchange: 'x', key: 'k' } })
      await s.send('a')
      await s.bury(await s.takeOne())
      await s.reopen()
      expect(await s.nextHint()).toBe('q')
      expect(await s.takeBodies(1, { from: { kind: 'dead' } })).toEqual(['a'])
    })

    it("end a holder's queue when the holder does not come back, and an idle one when nobody uses it", async () => {
      const s = await Subject.with(make)
      const put = { kind: 'putQueue', policy: defaultPolicy } as const
      await s.unit(
        { ...put, queue: 'gone', lifetime: { kind: 'holder', holder: 'g' } },
        { ...put, queue: 'kept', lifetime: { kind: 'holder', holder: 'k' } },
        { ...put, queue: 'idle', lifetime: { kind: 'idle', idleMs: 500 } },
      )
      // A holder lives for its default time after a reopen, where time stood still; elsewhere as long as it was renewed for.
      await s.engine.renewHolder('g', s.engine.capabilities.clock === 'store' ? HOLDER_TTL_MS_DEFAULT : 1)
      await s.reopen()
      await s.engine.renewHolder('k', HOLDER_TTL_MS_DEFAULT * 2)
      await s.clock.advance(499)
      expect((await s.engine.measure()).map(({ queue }) => queue).sort()).toEqual(['gone', 'idle', 'kept', 'q'])
      await s.clock.advance(1)
      expect((await s.engine.measure()).map(({ queue }) => queue).sort()).toEqual(['gone', 'kept', 'q'])
      await s.clock.advance(HOLDER_TTL_MS_DEFAULT)
      expect((await s.engine.measure()).map(({ queue }) => queue).sort()).toEqual(['kept', 'q'])
    })
  })
}
