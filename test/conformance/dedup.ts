import { describe, expect, it } from 'vitest'
import { content, type MakeEngine, Subject } from './subject.ts'

const windowed = { dedup: { kind: 'window', windowMs: 1_000 } } as const
const queued = { dedup: { kind: 'queued' } } as const

export function dedupSuite(make: MakeEngine): void {
  describe('dedup', () => {
    it('by window answers with the first id until the window ends', async () => {
      const s = await Subject.with(make, windowed)
      const of = await s.send('a', { dedupId: 'd' })
      expect(await s.append('q', 'b', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of })
      await s.clock.advance(999)
      expect(await s.append('q', 'b', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of })
      await s.clock.advance(1)
      expect(await s.append('q', 'b', { dedupId: 'd' })).toMatchObject({ kind: 'stored' })
    })

    it('by window survives its message', async () => {
      const s = await Subject.with(make, windowed)
      const of = await s.send('a', { dedupId: 'd' })
      await s.ack(await s.takeOne())
      expect(await s.append('q', 'b', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of })
    })

    it('is forgotten by a purge', async () => {
      const s = await Subject.with(make, windowed)
      await s.send('a', { dedupId: 'd' })
      expect(await s.unit({ kind: 'purge', queue: 'q' })).toEqual([{ kind: 'purged', count: 1 }])
      expect(await s.append('q', 'b', { dedupId: 'd' })).toMatchObject({ kind: 'stored' })
    })

    it('while queued counts as long as the first one is delayed, ready or leased', async () => {
      const s = await Subject.with(make, queued)
      const of = await s.send('a', { dedupId: 'd', delayMs: 100 })
      expect(await s.append('q', 'b', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of })
      await s.clock.advance(100)
      expect(await s.append('q', 'b', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of })
      const delivery = await s.takeOne()
      expect(await s.append('q', 'b', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of })
      await s.ack(delivery)
      expect(await s.append('q', 'b', { dedupId: 'd' })).toMatchObject({ kind: 'stored' })
    })

    it('while queued ends when the message is done, dead or dropped', async () => {
      const s = await Subject.with(make, queued)
      for (const end of [
        async () => s.ack(await s.takeOne(), { keep: new Uint8Array(1) }),
        async () => s.bury(await s.takeOne()),
        async () => s.clock.advance(50),
      ]) {
        await s.send('a', { dedupId: 'd', ttlMs: 50 })
        await end()
      }
      expect(await s.append('q', 'b', { dedupId: 'd' })).toMatchObject({ kind: 'stored' })
    })

    it('tells apart keys and queues', async () => {
      const s = await Subject.with(make, windowed)
      await s.declare('r', windowed)
      await s.send('a', { dedupId: 'd' })
      await s.send('b', { dedupId: 'D' })
      await s.send('c', { dedupId: 'd' }, 'r')
      await s.send('d')
      await s.send('e')
      expect(await s.counts('q')).toEqual({ ready: 4 })
    })

    it('is not judged where the queue has none', async () => {
      const s = await Subject.with(make)
      await s.send('a', { dedupId: 'd' })
      await s.send('b', { dedupId: 'd' })
      expect(await s.counts()).toEqual({ ready: 2 })
    })

    it('is judged among the appends of one unit, and forgotten when the unit aborts', async () => {
      const s = await Subject.with(make, windowed)
      const append = { kind: 'append', queue: 'q', message: { content: content('a'), dedupId: 'd' } } as const
      expect(await s.unit(append, { ...append, required: true })).toMatchObject([
        { kind: 'aborted' },
        { kind: 'duplicate' },
      ])
      expect(await s.unit(append, append)).toMatchObject([{ kind: 'stored' }, { kind: 'duplicate' }])
    })
  })
}
