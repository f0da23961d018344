import { describe, expect, it } from 'vitest'
import { HOLDER_TTL_MS_DEFAULT } from '../../src/engine/engine.ts'
import { defaultPolicy } from '../../src/model/policy.ts'
import { bytes, content, type MakeEngine, Subject, text } from './subject.ts'

/** For engines that outlive their process. */
export function reopenSuite(make: MakeEngine): void {
  describe('reopen', () => {
    it('brings back every message as it was', async () => {
      const s = await Subject.with(make, { deadRetentionMs: 500_000 })
      const history = [{ queue: 'x', reason: 'expired', count: 3, atMs: 7, attempts: 0 }]
      for (const body of ['dead', 'done', 'released']) await s.send(body, { history })
      await s.bury(await s.takeOne(), 'invalid', bytes('note'))
      await s.ack(await s.takeOne(), { keep: bytes('kept'), retainMs: 100_000 })
      await s.release(await s.takeOne(), { delayMs: 5_000, note: bytes('why') })
      await s.send('plain', { priority: 200, groupId: 'g', dedupId: 'd', ttlMs: 60_000 })
      await s.clock.advance(1)
      await s.send('delayed', { delayMs: 1_000 })
      const states = ['ready', 'delayed', 'done', 'dead'] as const
      const before = await s.list(states)
      await s.reopen()
      expect(await s.list(states)).toEqual(before)
    })

    it('brings back queues, records and counters', async () => {
      const s = await Subject.with(make)
      const policy = { leaseMs: 7, dedup: { kind: 'window', windowMs: 9 }, failedEventsTo: ['q'] } as const
      await s.declare('r', policy)
      await s.unit(
        { kind: 'record', key: 'k', value: bytes('v') },
        { kind: 'record', key: 'k', value: bytes('w') },
        { kind: 'record', key: 'gone', value: bytes('x') },
        { kind: 'record', key: 'gone', value: null },
        { kind: 'count', key: 'c', by: 2, at: 5, whenReached: [] },
        { kind: 'putQueue', queue: 'dropped', policy: defaultPolicy },
        { kind: 'dropQueue', queue: 'dropped' },
      )
      const stored = async () =>
        (await s.engine.scan('', { limit: 10 })).map(({ key, value, version }) => ({
          key,
          value: text(value),
          version,
        }))
      const records = await stored()
      await s.reopen()
      expect((await s.engine.measure()).map(({ queue }) => queue).sort()).toEqual(['q', 'r'])
      expect((await s.measure('r')).policy).toEqual({ ...defaultPolicy, ...policy })
      expect(await stored()).toEqual(records)
      expect(await s.unit({ kind: 'count', key: 'c', by: 3, at: 5, whenReached: [] })).toEqual([
        { kind: 'counted', value: 5, fired: true },
      ])
    })

    it('keeps what ended, ended', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      const delivery = await s.takeOne()
      await s.ack(delivery)
      await s.send('b')
      await s.unit({ kind: 'purge', queue: 'q' })
      await s.reopen()
      expect(await s.counts()).toEqual({})
      expect(await s.engine.find(id)).toBeUndefined()
      expect(await s.ack(delivery)).toBe('stale')
    })

    it("keeps attempts, and lets a clock lease run its full term again, or on where the time is the store's", async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const delivery = await s.takeOne()
      await s.clock.advance(29_000)
      await s.reopen()
      await s.clock.advance(s.engine.capabilities.clock === 'store' ? 999 : 29_999)
      expect(await s.counts()).toEqual({ leased: 1 })
      await s.clock.advance(1)
      expect(await s.takeOne()).toMatchObject({ attempts: 2, deliveries: 2, id: delivery.id })
    })

    it('lets a receipt from before settle and extend', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const delivery = await s.takeOne()
      await s.reopen()
      expect(await s.engine.extend([delivery.receipt], 60_000)).toMatchObject([{ kind: 'extended' }])
      expect(await s.ack(delivery)).toBe('settled')
    })

    it('never gives a token, an id or a sequence again', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const first = await s.takeOne()
      await s.release(first)
      const before = await s.append('q', 'b')
      await s.reopen()
      const [again] = await s.take(1)
      expect(again?.receipt).not.toBe(first.receipt)
      expect(await s.ack(first)).toBe('stale')
      const after = await s.append('q', 'c')
      if (before.kind !== 'stored' || after.kind !== 'stored') throw new Error('not stored')
      expect(after.sequence).toBeGreaterThan(before.sequence)
      expect(after.id).not.toBe(before.id)
    })

    it("lets holders live for a while again, or on where the time is the store's, then ends their leases", async () => {
      const s = await Subject.with(make)
      await s.engine.renewHolder('h', 600_000)
      await s.send('a')
      await s.takeOne({ lease: { kind: 'holder', holder: 'h' } })
      await s.reopen()
      await s.clock.advance((s.engine.capabilities.clock === 'store' ? 600_000 : HOLDER_TTL_MS_DEFAULT) - 1)
      expect(await s.counts()).toEqual({ leased: 1 })
      await s.clock.advance(1)
      expect(await s.counts()).toEqual({ ready: 1 })
    })

    it('keeps delays, TTLs, windows and retentions at their instants', async () => {
      const s = await Subject.with(make, { dedup: { kind: 'window', windowMs: 4_000 } })
      await s.send('kept')
      await s.ack(await s.takeOne(), { keep: bytes(''), retainMs: 3_000 })
      await s.send('delayed', { delayMs: 1_000 })
      const expiring = await s.send('expiring', { ttlMs: 2_000, dedupId: 'd' })
      await s.clock.advance(500)
      await s.reopen()
      await s.clock.advance(500)
      expect(await s.counts()).toEqual({ ready: 2, done: 1 })
      await s.clock.advance(1_000)
      expect(await s.counts()).toEqual({ ready: 1, done: 1 })
      await s.clock.advance(1_000)
      expect(await s.counts()).toEqual({ ready: 1 })
      expect(await s.append('q', 'x', { dedupId: 'd' })).toEqual({ kind: 'duplicate', of: expiring })
      await s.clock.advance(1_000)
      expect(await s.append('q', 'x', { dedupId: 'd' })).toMatchObject({ kind: 'stored' })
    })

    it('keeps the order of the queue and of groups', async () => {
      const s = await Subject.with(make, { groups: { kind: 'ordered' } })
      for (const body of ['a1', 'a2', 'b1']) await s.send(body, { groupId: body.slice(0, 1) })
      await s.takeOne()
      await s.reopen()
      expect(await s.takeBodies(10)).toEqual(['b1'])
      await s.clock.advance(30_000)
      expect(await s.takeBodies(1)).toEqual(['a1'])
      expect(await s.take(10)).toHaveLength(1)
    })

    it('keeps dead letters where they moved, with their shared content', async () => {
      const s = await Subject.with(make, { onDeath: { kind: 'deadLetter', queue: 'dlq' } })
      await s.declare('dlq')
      const shared = content('shared')
      await s.unit(
        { kind: 'append', queue: 'q', message: { content: shared } },
        { kind: 'append', queue: 'dlq', message: { content: shared } },
      )
      const delivery = await s.takeOne()
      const { id } = delivery
      await s.bury(delivery, 'x')
      await s.reopen()
      const moved = await s.engine.find(id)
      expect(moved).toMatchObject({ queue: 'dlq', history: [{ queue: 'q', reason: 'x' }], attempts: 0 })
      expect(text(moved?.content.body)).toBe('shared')
      expect(await s.bodies(['ready'], 'dlq')).toEqual(['shared', 'shared'])
    })

    it('does not bring back a unit that aborted', async () => {
      const s = await Subject.with(make)
      await s.unit(
        { kind: 'append', queue: 'q', message: { content: content('a') } },
        { kind: 'append', queue: 'nowhere', message: { content: content('b') }, required: true },
      )
      await s.reopen()
      expect(await s.counts()).toEqual({})
    })

    it('may be done again and again', async () => {
      const s = await Subject.with(make)
      for (let i = 0; i < 5; i++) {
        await s.send(`m${i}`)
        await s.reopen()
      }
      const delivery = await s.takeOne()
      await s.ack(delivery)
      await s.reopen()
      expect(await s.bodies(['ready'])).toEqual(['m1', 'm2', 'm3', 'm4'])
    })
  })
}
