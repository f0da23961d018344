import { describe, expect, it } from 'vitest'
import type { MessageId } from '../../src/model/message.ts'
import { bytes, content, type MakeEngine, Subject, text } from './subject.ts'

const UUID_V8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

export function appendSuite(make: MakeEngine): void {
  describe('append', () => {
    it('answers with a new id and a growing sequence', async () => {
      const s = await Subject.with(make)
      const first = await s.append('q', 'a')
      const second = await s.append('q', 'b')
      expect(first).toMatchObject({ kind: 'stored', id: expect.stringMatching(UUID_V8) })
      if (first.kind !== 'stored' || second.kind !== 'stored') throw new Error('not stored')
      expect(second.id).not.toBe(first.id)
      expect(second.sequence).toBeGreaterThan(first.sequence)
    })

    it('delivers head and body as they were, empty and binary ones too', async () => {
      const s = await Subject.with(make)
      const bodies = [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i), bytes('ä€😀')]
      for (const body of bodies) {
        const message = { content: { body, head: body.slice(0, 3) } }
        await s.unit({ kind: 'append', queue: 'q', message })
      }
      const deliveries = await s.take(10)
      expect(deliveries.map(({ content: { body } }) => [...body])).toEqual(bodies.map((body) => [...body]))
      expect(deliveries.map(({ content: { head } }) => [...head])).toEqual(bodies.map((body) => [...body.slice(0, 3)]))
    })

    it('stores the bytes as they are at the call, whatever becomes of the array', async () => {
      const s = await Subject.with(make)
      const body = bytes('before')
      const stored = s.unit({ kind: 'append', queue: 'q', message: { content: { body, head: new Uint8Array(0) } } })
      body.fill(0)
      await stored
      expect(await s.takeBodies()).toEqual(['before'])
    })

    it('tells of a message all that it was given', async () => {
      const s = await Subject.with(make, { groups: { kind: 'ordered' } })
      const history = [{ queue: 'elsewhere', reason: 'expired', count: 2, atMs: 5, attempts: 1 }]
      const id = await s.send('a', { priority: 7, groupId: 'g', dedupId: 'd', ttlMs: 60_000, history })
      expect(await s.engine.find(id)).toMatchObject({
        id,
        queue: 'q',
        state: 'ready',
        priority: 7,
        groupId: 'g',
        dedupId: 'd',
        attempts: 0,
        deliveries: 0,
        enqueuedAtMs: s.clock.wallMs(),
        dueAtMs: undefined,
        expiresAtMs: s.clock.wallMs() + 60_000,
        history,
        note: undefined,
        kept: undefined,
        firstLeasedAtMs: undefined,
        endedAtMs: undefined,
      })
    })

    it('refuses a queue that does not exist', async () => {
      const s = await Subject.with(make)
      expect(await s.append('nowhere', 'a')).toEqual({ kind: 'refused', reason: 'no-such-queue' })
    })

    it('refuses head and body that together are over the limit, and takes those just at it', async () => {
      const s = await Subject.with(make, {}, { limits: { messageBytesMax: 10 } })
      const sized = (body: number, head: number) =>
        s.unit({
          kind: 'append',
          queue: 'q',
          message: { content: { body: new Uint8Array(body), head: new Uint8Array(head) } },
        })
      expect(await sized(8, 3)).toEqual([{ kind: 'refused', reason: 'too-large' }])
      expect(await sized(8, 2)).toMatchObject([{ kind: 'stored' }])
    })

    it('takes a delay from the message, else from the queue', async () => {
      const s = await Subject.with(make, { delayMs: 1_000 })
      await s.send('queue')
      await s.send('own', { delayMs: 500 })
      await s.send('none', { delayMs: 0 })
      expect(await s.takeBodies(10)).toEqual(['none'])
      expect((await s.list(['delayed'])).map(({ dueAtMs }) => dueAtMs)).toEqual([
        s.clock.wallMs() + 1_000,
        s.clock.wallMs() + 500,
      ])
      await s.clock.advance(500)
      expect(await s.takeBodies(10)).toEqual(['own'])
      await s.clock.advance(499)
      expect(await s.takeBodies(10)).toEqual([])
      await s.clock.advance(1)
      expect(await s.takeBodies(10)).toEqual(['queue'])
    })

    it('keeps delays on the monotonic clock when the wall clock is stepped', async () => {
      const s = await Subject.with(make)
      await s.send('a', { delayMs: 1_000 })
      s.clock.jumpWall(86_400_000)
      expect(await s.takeBodies()).toEqual([])
      s.clock.jumpWall(-2 * 86_400_000)
      await s.clock.advance(1_000)
      expect(await s.takeBodies()).toEqual(['a'])
    })

    it('gives a moving message the id it had, and refuses it while the id is in use', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      expect(await s.append('q', 'again', { id })).toEqual({ kind: 'refused', reason: 'id-in-use' })
      await s.ack(await s.takeOne())
      expect(await s.send('again', { id })).toBe(id)
      expect(text((await s.engine.find(id))?.content.body)).toBe('again')
    })

    it('replaces an id that it never gave', async () => {
      const s = await Subject.with(make)
      const foreign = '01234567-89ab-8def-8123-456789abcdef' as MessageId
      const id = await s.send('a', { id: foreign })
      expect(id).not.toBe(foreign)
      expect(await s.engine.find(foreign)).toBeUndefined()
    })

    it('shares one content among the queues of a unit without mixing them up', async () => {
      const s = await Subject.with(make)
      await s.declare('r')
      const shared = content('shared')
      await s.unit(
        { kind: 'append', queue: 'q', message: { content: shared } },
        { kind: 'append', queue: 'r', message: { content: shared } },
        { kind: 'append', queue: 'r', message: { content: content('own') } },
      )
      await s.ack(await s.takeOne())
      expect(await s.bodies(['ready'], 'r')).toEqual(['shared', 'own'])
      expect(await s.counts('q')).toEqual({})
    })

    it('refuses more than lengthMax, and has room again when one ends', async () => {
      const s = await Subject.with(make, { lengthMax: 2 })
      await s.send('a')
      await s.send('b', { delayMs: 1_000 })
      const delivery = await s.takeOne()
      expect(await s.append('q', 'c')).toEqual({ kind: 'refused', reason: 'queue-full' })
      await s.ack(delivery)
      expect(await s.append('q', 'c')).toMatchObject({ kind: 'stored' })
    })

    it('drops the first ready message when the policy says so', async () => {
      const s = await Subject.with(make, { lengthMax: 2, overflow: 'dropHead', onDeath: { kind: 'discard' } })
      await s.send('low')
      await s.send('high', { priority: 9 })
      await s.send('new')
      expect(await s.bodies(['ready'])).toEqual(['low', 'new'])
      expect((await s.measure()).totals.died).toBe(1)
    })

    it('refuses when there is no ready message to drop', async () => {
      const s = await Subject.with(make, { lengthMax: 1, overflow: 'dropHead' })
      await s.send('a')
      await s.takeOne()
      expect(await s.append('q', 'b')).toEqual({ kind: 'refused', reason: 'queue-full' })
    })

    it('ends when what a drop tells comes back to the very queue', async () => {
      const s = await Subject.with(make, { lengthMax: 1, overflow: 'dropHead', failedEventsTo: ['q'] })
      await s.send('a')
      expect(await s.append('q', 'b')).toMatchObject({ kind: 'refused', reason: 'queue-full' })
    })

    it('demands a group where the queue orders by group', async () => {
      const s = await Subject.with(make, { groups: { kind: 'ordered' } })
      expect(await s.append('q', 'a')).toEqual({ kind: 'refused', reason: 'group-required' })
    })
  })
}
