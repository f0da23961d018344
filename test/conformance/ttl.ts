import { describe, expect, it } from 'vitest'
import { type MakeEngine, Subject } from './subject.ts'

export function ttlSuite(make: MakeEngine): void {
  describe('ttl', () => {
    it('drops what waited too long, anywhere in the queue', async () => {
      const s = await Subject.with(make)
      await s.send('stays')
      const id = await s.send('goes', { ttlMs: 1_000 })
      await s.clock.advance(999)
      expect(await s.counts()).toEqual({ ready: 2 })
      await s.clock.advance(1)
      expect(await s.bodies(['ready'])).toEqual(['stays'])
      expect(await s.engine.find(id)).toBeUndefined()
      expect((await s.measure()).totals.died).toBe(0)
    })

    it('comes from the queue where the message names none', async () => {
      const s = await Subject.with(make, { ttlMs: 500 })
      await s.send('queue')
      await s.send('own', { ttlMs: 800 })
      await s.clock.advance(500)
      expect(await s.bodies(['ready'])).toEqual(['own'])
    })

    it('is no longer than the cap, whatever the message or the queue names', async () => {
      const s = await Subject.with(make, { ttlMsMax: 500, onDeath: { kind: 'deadLetter', queue: 'dlq' } })
      await s.declare('dlq', { ttlMsMax: 700 })
      await s.send('unnamed')
      await s.send('longer', { ttlMs: 800 })
      await s.send('shorter', { ttlMs: 300 })
      await s.send('dies', { priority: 1 })
      await s.bury(await s.takeOne())
      await s.clock.advance(300)
      expect(await s.bodies(['ready'])).toEqual(['unnamed', 'longer'])
      await s.clock.advance(200)
      expect(await s.bodies(['ready'])).toEqual([])
      expect(await s.bodies(['ready'], 'dlq')).toEqual(['dies'])
      await s.clock.advance(200)
      expect(await s.bodies(['ready'], 'dlq')).toEqual([])
    })

    it('starts at the append and ends a delay', async () => {
      const s = await Subject.with(make)
      await s.send('a', { ttlMs: 500, delayMs: 1_000 })
      await s.clock.advance(500)
      expect(await s.counts()).toEqual({})
    })

    it('spares a leased message, and judges it when the lease ends', async () => {
      const s = await Subject.with(make, { onExpired: 'die' })
      const lost = await s.send('lost', { ttlMs: 500 })
      const released = await s.send('released', { ttlMs: 500 })
      await s.send('acked', { ttlMs: 500 })
      const [, b, c] = await s.take(3, { lease: { kind: 'clock', leaseMs: 1_000 } })
      if (b === undefined || c === undefined) throw new Error('expected three')
      await s.clock.advance(900)
      expect(await s.counts()).toEqual({ leased: 3 })
      expect(await s.ack(c)).toBe('settled')
      expect(await s.release(b, { delayMs: 10_000 })).toBe('settled')
      expect(await s.engine.find(released)).toMatchObject({ state: 'dead', history: [{ reason: 'expired' }] })
      await s.clock.advance(100)
      expect(await s.engine.find(lost)).toMatchObject({ state: 'dead', history: [{ reason: 'expired', attempts: 1 }] })
    })

    it('ends a backoff', async () => {
      const s = await Subject.with(make)
      await s.send('a', { ttlMs: 500 })
      await s.release(await s.takeOne(), { delayMs: 1_000 })
      await s.clock.advance(500)
      expect(await s.counts()).toEqual({})
    })

    it('of 0 ends at once', async () => {
      const s = await Subject.with(make)
      await s.send('a', { ttlMs: 0 })
      expect(await s.take()).toEqual([])
    })

    it('is death `expired` where the queue says die', async () => {
      const s = await Subject.with(make, { onExpired: 'die', ttlMs: 500 })
      const id = await s.send('a')
      await s.clock.advance(600)
      expect(await s.engine.find(id)).toMatchObject({
        state: 'dead',
        attempts: 0,
        history: [{ queue: 'q', reason: 'expired', count: 1, attempts: 0 }],
      })
      expect((await s.measure()).totals.died).toBe(1)
    })

    it('does not touch what is done or dead', async () => {
      const s = await Subject.with(make)
      await s.send('done', { ttlMs: 500 })
      await s.send('dead', { ttlMs: 500 })
      const [done, dead] = await s.take(2)
      if (done === undefined || dead === undefined) throw new Error('expected two')
      await s.ack(done, { keep: new Uint8Array(1), retainMs: 60_000 })
      await s.bury(dead)
      await s.clock.advance(1_000)
      expect(await s.counts()).toEqual({ done: 1, dead: 1 })
    })
  })
}
