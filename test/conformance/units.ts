import { describe, expect, it } from 'vitest'
import { defaultPolicy } from '../../src/model/policy.ts'
import { bytes, content, type MakeEngine, Subject, text } from './subject.ts'

const append = (body: string, queue = 'q', required = false) =>
  ({ kind: 'append', queue, message: { content: content(body) }, required }) as const

export function unitSuite(make: MakeEngine): void {
  describe('a unit', () => {
    it('does nothing when a required op fails, whatever came before it', async () => {
      const s = await Subject.with(make, { doneMax: 1, lengthMax: 3, overflow: 'dropHead' })
      await s.declare('dlq')
      for (const body of ['a', 'b', 'c']) await s.send(body)
      await s.ack(await s.takeOne(), { keep: bytes('kept') })
      await s.send('d')
      const leased = await s.takeOne()
      const before = await picture(s)
      const outcomes = await s.unit(
        append('new'),
        append('over'),
        { kind: 'settle', receipt: leased.receipt, how: { kind: 'ack', keep: bytes('x') } },
        { kind: 'record', key: 'k', value: bytes('v') },
        { kind: 'putQueue', queue: 'made', policy: defaultPolicy },
        append('in the new queue', 'made'),
        { kind: 'putQueue', queue: 'q', policy: { ...defaultPolicy, groups: { kind: 'ordered' } } },
        { kind: 'purge', queue: 'q' },
        { kind: 'dropQueue', queue: 'dlq' },
        append('nowhere', 'nowhere', true),
      )
      expect(outcomes).toEqual([
        ...Array.from({ length: 9 }, () => ({ kind: 'aborted' })),
        { kind: 'refused', reason: 'no-such-queue' },
      ])
      expect(await picture(s)).toEqual(before)
      expect(await s.ack(leased)).toBe('settled')
    })

    it('stops at the op that failed: those after it did not happen either', async () => {
      const s = await Subject.with(make)
      expect(await s.unit(append('x', 'nowhere', true), append('y'))).toEqual([
        { kind: 'refused', reason: 'no-such-queue' },
        { kind: 'aborted' },
      ])
      expect(await s.counts()).toEqual({})
    })

    it('goes on when an op that is not required fails', async () => {
      const s = await Subject.with(make)
      expect(await s.unit(append('x', 'nowhere'), append('y'))).toMatchObject([{ kind: 'refused' }, { kind: 'stored' }])
      expect(await s.bodies(['ready'])).toEqual(['y'])
    })

    it('aborts for a required settle that is stale', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const { receipt } = await s.takeOne()
      await s.ack({ receipt })
      expect(await s.unit(append('b'), { kind: 'settle', receipt, how: { kind: 'ack' }, required: true })).toEqual([
        { kind: 'aborted' },
        { kind: 'stale' },
      ])
      expect(await s.counts()).toEqual({})
    })

    it('lets a required append take the place of a message that the unit released', async () => {
      const s = await Subject.with(make, { lengthMax: 2, overflow: 'dropHead', onDeath: { kind: 'discard' } })
      await s.send('a')
      await s.send('b')
      const [a] = await s.take(2)
      if (a === undefined) throw new Error('expected two')
      const release = { kind: 'settle', receipt: a.receipt, how: { kind: 'release' } } as const
      expect(await s.unit(release, append('c', 'q', true))).toMatchObject([{ kind: 'settled' }, { kind: 'stored' }])
      expect(await s.bodies(['ready', 'leased'])).toEqual(['c', 'b'])
    })

    it('lets a required append take the place of one that the unit appended, after a late ack', async () => {
      const s = await Subject.with(make, { lengthMax: 2, overflow: 'dropHead' })
      await s.send('a')
      const a = await s.takeOne()
      await s.clock.advance(30_000)
      await s.send('b', { delayMs: 1 })
      const ack = { kind: 'settle', receipt: a.receipt, how: { kind: 'ack' } } as const
      expect(await s.unit(ack, append('c', 'q'), append('d', 'q', true))).toMatchObject([
        { kind: 'settled' },
        { kind: 'stored' },
        { kind: 'stored' },
      ])
      expect(await s.counts()).toEqual({ delayed: 1, ready: 1, dead: 1 })
      expect(await s.bodies(['ready'])).toEqual(['d'])
    })

    it('aborts for a required death that it then takes back, dead letter and event included', async () => {
      const s = await Subject.with(make, { onDeath: { kind: 'deadLetter', queue: 'dlq' }, failedEventsTo: ['events'] })
      await s.declare('dlq')
      await s.declare('events')
      const id = await s.send('a')
      const { receipt } = await s.takeOne()
      await s.unit(
        { kind: 'settle', receipt, how: { kind: 'bury', reason: 'x' } },
        { kind: 'record', key: 'k', value: null, expect: 5, required: true },
      )
      expect(await s.engine.find(id)).toMatchObject({ queue: 'q', state: 'leased', history: [] })
      expect(await s.counts('dlq')).toEqual({})
      expect(await s.counts('events')).toEqual({})
      expect(await s.bury({ receipt }, 'y')).toBe('settled')
      expect(await s.engine.find(id)).toMatchObject({ queue: 'dlq', history: [{ reason: 'y', count: 1 }] })
    })

    it('acks, appends and stores in one', async () => {
      const s = await Subject.with(make)
      await s.send('a')
      const { receipt } = await s.takeOne()
      const outcomes = await s.unit({ kind: 'settle', receipt, how: { kind: 'ack' }, required: true }, append('next'), {
        kind: 'record',
        key: 'state',
        value: bytes('1'),
      })
      expect(outcomes).toMatchObject([{ kind: 'settled' }, { kind: 'stored' }, { kind: 'written', version: 1 }])
      expect(await s.bodies(['ready', 'leased'])).toEqual(['next'])
    })

    it('is independent of the others of its call, whose outcomes stand in order', async () => {
      const s = await Subject.with(make)
      const outcomes = await s.engine.commit([
        { ops: [append('a')] },
        { ops: [append('x'), append('y', 'nowhere', true)] },
        { ops: [] },
        { ops: [append('b'), append('c')] },
      ])
      expect(outcomes.map((unit) => unit.map(({ kind }) => kind))).toEqual([
        ['stored'],
        ['aborted', 'refused'],
        [],
        ['stored', 'stored'],
      ])
      expect(await s.bodies(['ready'])).toEqual(['a', 'b', 'c'])
    })

    it('creates a queue and fills it', async () => {
      const s = await Subject.with(make)
      await s.unit({ kind: 'putQueue', queue: 'new', policy: defaultPolicy }, append('a', 'new'))
      expect(await s.takeBodies(1, {}, 'new')).toEqual(['a'])
    })

    it('of an early kind is leasable and stored all the same', async () => {
      const s = await Subject.with(make)
      const [unit] = await s.engine.commit([{ ops: [append('a'), append('b')] }], { early: true })
      expect(unit?.map(({ kind }) => kind)).toEqual(['stored', 'stored'])
      expect(await s.takeBodies(2)).toEqual(['a', 'b'])
    })

    it('of a relaxed kind does the same', async () => {
      const s = await Subject.with(make)
      await s.engine.commit([{ ops: [{ kind: 'record', key: 'k', value: bytes('v') }], relaxed: true }])
      expect(text((await s.engine.read('k'))?.value)).toBe('v')
      await s.declare('r', { durability: 'relaxed' })
      await s.send('a', {}, 'r')
      expect(await s.takeBodies(1, {}, 'r')).toEqual(['a'])
    })
  })

  describe('an engine', () => {
    it('rejects every verb with `closed` once it is closed', async () => {
      const s = await Subject.with(make)
      await s.engine.close()
      await s.engine.close()
      for (const verb of [
        () => s.engine.commit([]),
        () => s.take(),
        () => s.engine.extend([], 1),
        () => s.engine.measure(),
        () => s.engine.read('k'),
        () => s.engine.tick(1),
        () => s.engine.browse({ queue: 'q', states: ['ready'], limit: 1 }),
      ]) {
        await expect(verb()).rejects.toMatchObject({ code: 'closed' })
      }
    })

    it('rejects a transaction of the caller that it cannot join', async () => {
      const s = await Subject.with(make)
      if (s.engine.capabilities.callerTransactions) return
      await expect(s.engine.commit([], { within: {} })).rejects.toMatchObject({ code: 'unsupported' })
    })
  })
}

/** All that a unit could have changed. */
async function picture(s: Subject): Promise<unknown> {
  const queues = await s.engine.measure()
  const messages = await Promise.all(
    queues.map(({ queue }) => s.list(['delayed', 'ready', 'leased', 'done', 'dead'], queue)),
  )
  return { queues, messages, records: await s.engine.scan('', { limit: 100 }) }
}
