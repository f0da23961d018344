import { describe, expect, it } from 'vitest'
import { defaultPolicy } from '../../src/model/policy.ts'
import { type MakeEngine, Subject } from './subject.ts'

export function watchSuite(make: MakeEngine): void {
  describe('watch', () => {
    it('tells of an append once it may be leased', async () => {
      const s = await Subject.with(make)
      await s.declare('r')
      const leased = s.nextHint().then((queue) => s.takeBodies(1, {}, queue))
      await s.send('a', {}, 'r')
      expect(await leased).toEqual(['a'])
    })

    it('tells of a release', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const delivery = await s.takeOne()
      const hint = s.nextHint()
      await s.release(delivery)
      expect(await hint).toBe('q')
    })

    it('tells of what time makes leasable, when a tick applies it', async () => {
      const s = await Subject.with(make)
      await s.send('a', { delayMs: 100 })
      await s.clock.advance(100)
      const due = s.nextHint()
      await s.engine.tick(10)
      expect(await due).toBe('q')
      await s.takeOne()
      await s.clock.advance(30_000)
      const lost = s.nextHint()
      await s.engine.tick(10)
      expect(await lost).toBe('q')
    })

    it('tells of the next of a group when the one before it ends', async () => {
      const s = await Subject.with(make, { groups: { kind: 'ordered' } })
      await s.send('a1', { groupId: 'a' })
      await s.send('a2', { groupId: 'a' })
      const delivery = await s.takeOne()
      const hint = s.nextHint()
      await s.ack(delivery)
      expect(await hint).toBe('q')
    })

    it('tells the queue that a dead letter moved to', async () => {
      const s = await Subject.with(make, { onDeath: { kind: 'deadLetter', queue: 'dlq' } })
      await s.declare('dlq')
      await s.send('a')
      const delivery = await s.takeOne()
      const hint = s.nextHint()
      await s.bury(delivery)
      expect(await hint).toBe('dlq')
    })

    it('tells of a holder that ended', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      await s.takeOne({ lease: { kind: 'holder', holder: 'h' } })
      const hint = s.nextHint()
      await s.engine.releaseHolder('h')
      expect(await hint).toBe('q')
    })

    it('tells of a queue that went with its holder', async () => {
      const s = await Subject.with(make)
      const lifetime = { kind: 'holder', holder: 'h' } as const
      await s.unit({ kind: 'putQueue', queue: 'own', policy: defaultPolicy, lifetime })
      expect((await s.engine.measure(['own']))[0]?.lifetime).toEqual(lifetime)
      const hint = s.nextHint()
      await s.engine.releaseHolder('h')
      expect(await hint).toBe('own')
      expect(await s.engine.measure(['own'])).toEqual([])
    })

    it('tells nobody who ended the watch', async () => {
      const s = await Subject.with(make)
      const heard: string[] = []
      const end = s.engine.watch((queue) => heard.push(queue))
      end()
      end()
      const other = s.nextHint()
      await s.send('a')
      await other
      expect(heard).toEqual([])
    })
  })
}
