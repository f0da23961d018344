import { describe, expect, it } from 'vitest'
import { type MakeEngine, Subject, text } from './subject.ts'

const toExchange = { onDeath: { kind: 'exchange', exchange: 'x', key: null } } as const

export function exchangeDeathSuite(make: MakeEngine): void {
  describe('deaths to an exchange', () => {
    it('are held as dead, with their history, and hinted', async () => {
      const s = await Subject.with(make, toExchange)
      await s.send('a')
      const held = await s.takeOne()
      const hint = s.nextHint()
      await s.bury(held, 'invalid')
      expect(await hint).toBe('q')
      const [dead] = await s.take(10, { from: { kind: 'dead' } })
      expect(text(dead?.content.body)).toBe('a')
      expect(dead?.history).toMatchObject([{ queue: 'q', reason: 'invalid', count: 1 }])
    })

    it('are hinted whatever they died of: expiry, overflow, a lost lease', async () => {
      const s = await Subject.with(make, {
        ...toExchange,
        onExpired: 'die',
        onLost: 'fail',
        lengthMax: 2,
        overflow: 'dropHead',
      })
      await s.send('expired', { ttlMs: 10 })
      await s.clock.advance(10)
      const expired = s.nextHint()
      await s.engine.tick(10)
      expect(await expired).toBe('q')
      await s.send('lost')
      await s.takeOne()
      await s.clock.advance(30_000)
      const lost = s.nextHint()
      await s.engine.tick(10)
      expect(await lost).toBe('q')
      for (const body of ['overflow', 'b']) await s.send(body)
      const overflow = s.nextHint()
      await s.send('c')
      expect(await overflow).toBe('q')
      expect(await s.bodies(['dead'])).toEqual(['expired', 'lost', 'overflow'])
    })

    it('are hinted again when the lease of a dead one ends without an ack', async () => {
      const s = await Subject.with(make, toExchange)
      await s.send('a')
      await s.bury(await s.takeOne())
      await s.takeOne({ from: { kind: 'dead' }, lease: { kind: 'clock', leaseMs: 100 } })
      await s.clock.advance(100)
      const hint = s.nextHint()
      await s.engine.tick(10)
      expect(await hint).toBe('q')
      expect(await s.counts()).toEqual({ dead: 1 })
    })

    it('are told to whoever begins to watch', async () => {
      const s = await Subject.with(make, toExchange)
      await s.send('a')
      await s.bury(await s.takeOne())
      expect(await s.nextHint()).toBe('q')
    })

    it('that close a cycle of expiries are dropped', async () => {
      const s = await Subject.with(make, { ...toExchange, onExpired: 'die' })
      const history = [{ queue: 'q', reason: 'expired', count: 1, atMs: 1, attempts: 0 }]
      await s.send('a', { ttlMs: 10, history })
      await s.clock.advance(10)
      expect(await s.counts()).toEqual({})
    })
  })
}
