import { describe, expect, it } from 'vitest'
import { bytes, type MakeEngine, Subject, text } from './subject.ts'

const toDlq = { onDeath: { kind: 'deadLetter', queue: 'dlq' } } as const

export function deadLetterSuite(make: MakeEngine): void {
  describe('dead letters', () => {
    it('are held, and dropped when their retention ends', async () => {
      const s = await Subject.with(make, { deadRetentionMs: 1_000 })
      await s.send('a')
      await s.bury(await s.takeOne())
      await s.clock.advance(999)
      expect(await s.counts()).toEqual({ dead: 1 })
      await s.clock.advance(1)
      expect(await s.counts()).toEqual({})
    })

    it('are discarded where the queue says so', async () => {
      const s = await Subject.with(make, { onDeath: { kind: 'discard' } })
      const id = await s.send('a')
      await s.bury(await s.takeOne())
      expect(await s.engine.find(id)).toBeUndefined()
      expect((await s.measure()).totals.died).toBe(1)
    })

    it('move with their id, content and note; attempts start anew, history tells', async () => {
      const s = await Subject.with(make, toDlq)
      await s.declare('dlq')
      const id = await s.send('a', { priority: 3, groupId: 'g', dedupId: 'd' })
      await s.clock.advance(500)
      const delivery = await s.takeOne()
      await s.bury(delivery, 'invalid', bytes('why'))
      const view = await s.engine.find(id)
      expect(view).toMatchObject({
        id,
        queue: 'dlq',
        state: 'ready',
        priority: 3,
        groupId: 'g',
        dedupId: 'd',
        attempts: 0,
        deliveries: 0,
        enqueuedAtMs: s.clock.wallMs(),
        firstLeasedAtMs: undefined,
        history: [{ queue: 'q', reason: 'invalid', count: 1, atMs: s.clock.wallMs(), attempts: 1 }],
      })
      expect(text(view?.content.body)).toBe('a')
      expect(text(view?.note)).toBe('why')
      expect(await s.counts()).toEqual({})
      expect(await s.ack(delivery)).toBe('stale')
      expect((await s.measure('dlq')).totals.appended).toBe(1)
    })

    it('of each kind move: exhausted, lost, expired, overflow', async () => {
      const s = await Subject.with(make, {
        ...toDlq,
        attemptsMax: 1,
        onExpired: 'die',
        lengthMax: 1,
        overflow: 'dropHead',
      })
      await s.declare('lost', { ...toDlq, onLost: 'fail' })
      await s.declare('dlq')
      await s.send('exhausted')
      await s.release(await s.takeOne())
      await s.send('overflow')
      await s.send('expired', { ttlMs: 10 })
      await s.clock.advance(10)
      await s.send('lost', {}, 'lost')
      await s.takeOne({}, 'lost')
      await s.clock.advance(30_000)
      expect((await s.list(['ready'], 'dlq')).map(({ history }) => history[0]?.reason)).toEqual([
        'exhausted',
        'overflow',
        'expired',
        'lost',
      ])
      expect(await s.bodies(['ready'], 'dlq')).toEqual(['exhausted', 'overflow', 'expired', 'lost'])
    })

    it('are held when the queue they should move to is missing', async () => {
      const s = await Subject.with(make, toDlq)
      await s.send('a')
      await s.bury(await s.takeOne())
      expect(await s.counts()).toEqual({ dead: 1 })
    })

    it('take delay and life from the queue they move to, which never refuses them', async () => {
      const s = await Subject.with(make, toDlq)
      await s.declare('dlq', { delayMs: 100, ttlMs: 1_000, lengthMax: 0, groups: { kind: 'ordered' } })
      const id = await s.send('a', { ttlMs: 50 })
      await s.bury(await s.takeOne())
      expect(await s.engine.find(id)).toMatchObject({
        queue: 'dlq',
        state: 'delayed',
        dueAtMs: s.clock.wallMs() + 100,
        expiresAtMs: s.clock.wallMs() + 1_000,
      })
    })

    it('merge their history by queue and reason, the latest last', async () => {
      const s = await Subject.with(make)
      const id = await s.send('a')
      for (const reason of ['x', 'y', 'x']) {
        await s.bury(await s.takeOne(), reason)
        const { receipt, content, history } = await s.takeOne({ from: { kind: 'dead' } })
        await s.unit(
          { kind: 'settle', receipt, how: { kind: 'ack' } },
          { kind: 'append', queue: 'q', message: { id, content, history } },
        )
      }
      expect((await s.engine.find(id))?.history).toMatchObject([
        { reason: 'y', count: 1 },
        { reason: 'x', count: 2 },
      ])
    })

    it('do not circle for ever between queues that nobody reads', async () => {
      const s = await Subject.with(make, { ...toDlq, ttlMs: 100, onExpired: 'die' })
      await s.declare('dlq', { onDeath: { kind: 'deadLetter', queue: 'q' }, ttlMs: 100, onExpired: 'die' })
      const id = await s.send('a')
      await s.clock.advance(100)
      expect(await s.engine.find(id)).toMatchObject({ queue: 'dlq' })
      await s.clock.advance(100)
      expect(await s.engine.find(id)).toMatchObject({ queue: 'q', history: [{ queue: 'q' }, { queue: 'dlq' }] })
      await s.clock.advance(100)
      expect(await s.engine.find(id)).toBeUndefined()
    })

    it('may circle as a retry does, when somebody tried them in between', async () => {
      const s = await Subject.with(make, toDlq)
      await s.declare('dlq', { onDeath: { kind: 'deadLetter', queue: 'q' }, ttlMs: 100, onExpired: 'die' })
      const id = await s.send('a')
      for (let round = 1; round <= 3; round++) {
        await s.bury(await s.takeOne())
        await s.clock.advance(100)
        expect(await s.engine.find(id)).toMatchObject({ queue: 'q' })
      }
      expect((await s.engine.find(id))?.history).toMatchObject([
        { queue: 'q', reason: 'buried', count: 3 },
        { queue: 'dlq', reason: 'expired', count: 3 },
      ])
    })

    it('tell each queue of failedEventsTo, in the same unit', async () => {
      const s = await Subject.with(make, { failedEventsTo: ['events', 'missing'] })
      await s.declare('events')
      const id = await s.send('a')
      await s.bury(await s.takeOne(), 'invalid')
      const event = await s.takeOne({}, 'events')
      expect([...event.content.head]).toEqual([2])
      expect(JSON.parse(text(event.content.body) ?? '')).toEqual({
        queue: 'q',
        id,
        reason: 'invalid',
        attempts: 1,
        atMs: s.clock.wallMs(),
      })
      expect(await s.counts('events')).toEqual({ leased: 1 })
      expect((await s.measure('events')).totals.appended).toBe(1)
    })

    it('tell nothing of a message that was only dropped', async () => {
      const s = await Subject.with(make, { failedEventsTo: ['events'] })
      await s.declare('events')
      await s.send('a', { ttlMs: 10 })
      await s.clock.advance(10)
      expect(await s.counts('events')).toEqual({})
    })
  })
}
