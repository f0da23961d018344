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

    it('by replacement gives a delayed or ready one new content, delay and place, under its id', async () => {
      const s = await Subject.with(make, { dedup: { kind: 'replace' } })
      const id = await s.send('a', { dedupId: 'd', delayMs: 100, priority: 3 })
      await s.send('other')
      await s.clock.advance(50)
      const again = await s.append('q', 'b', { dedupId: 'd', delayMs: 100, ttlMs: 1_000 })
      expect(again).toEqual({ kind: 'stored', id, sequence: expect.any(Number), replaced: true })
      await s.clock.advance(99)
      expect(await s.takeBodies(10)).toEqual(['other'])
      await s.clock.advance(1)
      expect(await s.append('q', 'c', { dedupId: 'd' })).toMatchObject({ kind: 'stored', id, replaced: true })
      const c = await s.takeOne()
      expect(c).toMatchObject({ id, dedupId: 'd', priority: 0, attempts: 1, expiresAtMs: undefined })
      expect(await s.counts()).toEqual({ leased: 2 })
      await s.ack(c)
      expect(await s.append('q', 'd', { dedupId: 'd' })).not.toHaveProperty('replaced')
      expect((await s.measure()).totals).toMatchObject({ appended: 5, died: 0 })
    })

    it('by replacement leaves a leased one alone, and replaces the one behind it', async () => {
      const s = await Subject.with(make, { dedup: { kind: 'replace' } })
      const first = await s.send('a', { dedupId: 'd' })
      const a = await s.takeOne()
      const id = await s.send('b', { dedupId: 'd' })
      expect(id).not.toBe(first)
      expect(await s.append('q', 'c', { dedupId: 'd' })).toMatchObject({ kind: 'stored', id, replaced: true })
      expect(await s.ack(a)).toBe('settled')
      expect(await s.takeBodies(10)).toEqual(['c'])
    })

    it('by replacement makes a queue no longer, and its receipts stale', async () => {
      const s = await Subject.with(make, { dedup: { kind: 'replace' }, lengthMax: 1, lengthBytesMax: 3, leaseMs: 100 })
      await s.send('a', { dedupId: 'd' })
      const lapsed = await s.takeOne()
      await s.clock.advance(100)
      expect(await s.append('q', '123', { dedupId: 'd' })).toMatchObject({ replaced: true })
      expect(await s.ack(lapsed)).toBe('stale')
      expect(await s.append('q', '1234', { dedupId: 'd' })).toEqual({ kind: 'refused', reason: 'queue-full' })
      expect(await s.append('q', 'x', { dedupId: 'e' })).toEqual({ kind: 'refused', reason: 'queue-full' })
      expect(await s.bodies(['ready'])).toEqual(['123'])
    })

    it('by replacement counts within a unit', async () => {
      const s = await Subject.with(make, { dedup: { kind: 'replace' } })
      const shared = content('same')
      const op = { kind: 'append', queue: 'q', message: { content: shared, dedupId: 'd' }, required: true } as const
      const outcomes = await s.unit(op, op, op)
      expect(outcomes.map((outcome) => 'replaced' in outcome)).toEqual([false, true, true])
      expect(await s.bodies(['ready'])).toEqual(['same'])
    })

    it('after running lets one follow the one that is leased', async () => {
      const s = await Subject.with(make, { dedup: { kind: 'afterRunning' } })
      const first = await s.send('a', { dedupId: 'd' })
      expect(await s.append('q', 'b', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of: first })
      const a = await s.takeOne()
      const second = await s.send('b', { dedupId: 'd' })
      expect(await s.append('q', 'c', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of: second })
      await s.ack(a)
      expect(await s.append('q', 'c', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of: second })
      await s.ack(await s.takeOne())
      await s.send('c', { dedupId: 'd' })
    })

    it('of a FIFO queue outlives its message and is forgotten by a purge; a late ack does not count', async () => {
      const s = await Subject.with(make, {
        dedup: { kind: 'window', windowMs: 300_000 },
        groups: { kind: 'ordered' },
        lateAck: false,
        concurrency: 2,
      })
      const extras = { groupId: 'g', dedupId: 'd' }
      const id = await s.send('a', extras)
      const late = await s.takeOne()
      await s.clock.advance(30_000)
      expect(await s.ack(late)).toBe('stale')
      await s.ack(await s.takeOne())
      expect(await s.append('q', 'b', extras)).toEqual({ kind: 'duplicate', of: id })
      await s.unit({ kind: 'purge', queue: 'q' })
      await s.send('b', extras)
      for (const dedupId of ['e', 'f']) await s.send(dedupId, { groupId: dedupId, dedupId })
      expect(await s.takeBodies(10)).toEqual(['b', 'e'])
      expect(await s.takeBodies(10)).toEqual([])
    })
  })
}
