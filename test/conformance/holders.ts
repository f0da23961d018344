import { describe, expect, it } from 'vitest'
import { HOLDER_TTL_MS_DEFAULT } from '../../src/engine/engine.ts'
import { type MakeEngine, Subject } from './subject.ts'

const held = { lease: { kind: 'holder', holder: 'h' } } as const

export function holderSuite(make: MakeEngine): void {
  describe('a holder', () => {
    it('keeps its leases for as long as it is renewed', async () => {
      const s = await Subject.with(make)
      await s.engine.renewHolder('h', 1_000)
      await s.send('a')
      expect(await s.takeOne(held)).toMatchObject({ dueAtMs: undefined })
      for (let i = 0; i < 100; i++) {
        await s.clock.advance(999)
        await s.engine.renewHolder('h', 1_000)
      }
      expect(await s.counts()).toEqual({ leased: 1 })
      await s.clock.advance(1_000)
      expect(await s.list(['ready'])).toMatchObject([{ attempts: 1 }])
    })

    it('that is only named by a lease lives for a while', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      await s.takeOne(held)
      await s.clock.advance(HOLDER_TTL_MS_DEFAULT - 1)
      expect(await s.counts()).toEqual({ leased: 1 })
      await s.clock.advance(1)
      expect(await s.counts()).toEqual({ ready: 1 })
    })

    it('that is released loses its leases as silence does', async () => {
      const s = await Subject.with(make, { onLost: 'fail' })
      await s.send('a')
      await s.takeOne(held)
      await s.engine.releaseHolder('h')
      await s.engine.releaseHolder('h')
      expect(await s.list(['dead'])).toMatchObject([{ history: [{ reason: 'lost' }] }])
      expect((await s.measure()).totals.lost).toBe(1)
    })

    it('that is released without spending gives the attempts back', async () => {
      const s = await Subject.with(make, { onLost: 'fail' })
      await s.send('a')
      const delivery = await s.takeOne(held)
      await s.engine.releaseHolder('h', { spend: false })
      expect(await s.list(['ready'])).toMatchObject([{ attempts: 0, deliveries: 1 }])
      expect(await s.ack(delivery)).toBe('stale')
    })

    it('does not outlive the clock of a lease that has both', async () => {
      const s = await Subject.with(make)
      await s.engine.renewHolder('h', 60_000)
      await s.send('a')
      await s.send('b')
      await s.takeOne({ lease: { kind: 'clock', leaseMs: 1_000, holder: 'h' } })
      await s.takeOne({ lease: { kind: 'clock', leaseMs: 600_000, holder: 'h' } })
      await s.clock.advance(1_000)
      expect(await s.bodies(['ready'])).toEqual(['a'])
      await s.engine.releaseHolder('h')
      expect(await s.bodies(['ready'])).toEqual(['a', 'b'])
    })

    it('ends only what is its own', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      await s.send('b')
      await s.takeOne(held)
      await s.takeOne({ lease: { kind: 'holder', holder: 'other' } })
      await s.engine.releaseHolder('h')
      expect(await s.bodies(['leased'])).toEqual(['b'])
    })

    it('may settle its leases, and has nothing to lose then', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      await s.send('b')
      await s.ack(await s.takeOne(held))
      await s.release(await s.takeOne(held))
      await s.takeOne({ lease: { kind: 'clock' } })
      await s.engine.releaseHolder('h')
      expect(await s.counts()).toEqual({ leased: 1 })
    })

    it('gives a lease a clock end when that is extended', async () => {
      const s = await Subject.with(make)
      await s.engine.renewHolder('h', 600_000)
      await s.send('a')
      const { receipt } = await s.takeOne(held)
      await s.engine.extend([receipt], 1_000)
      await s.clock.advance(1_000)
      expect(await s.counts()).toEqual({ ready: 1 })
    })
  })
}
