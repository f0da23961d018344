import { describe, expect, it } from 'vitest'
import { content, type MakeEngine, Subject, text } from './subject.ts'

const toDlq = { onDeath: { kind: 'deadLetter', queue: 'dlq' } } as const
const full = { kind: 'refused', reason: 'queue-full' } as const

export function capSuite(make: MakeEngine): void {
  describe('a cap on bytes', () => {
    it('counts head and body of the delayed, ready and leased', async () => {
      const s = await Subject.with(make, { lengthBytesMax: 10 })
      await s.send('1234', { delayMs: 60_000 })
      await s.send('123')
      const held = await s.takeOne()
      await s.send('123')
      expect(await s.append('q', 'x')).toEqual(full)
      await s.ack(held)
      await s.send('123')
      expect(await s.append('q', 'x')).toEqual(full)
      await s.bury(await s.takeOne())
      await s.send('12')
      expect(await s.append('q', '12')).toEqual(full)
    })

    it('counts the messages of one unit, too', async () => {
      const s = await Subject.with(make, { lengthBytesMax: 10 })
      const append = { kind: 'append', queue: 'q', message: { content: content('1234') } } as const
      expect((await s.unit(append, append, append)).map(({ kind }) => kind)).toEqual(['stored', 'stored', 'refused'])
      const required = { ...append, required: true } as const
      expect((await s.unit({ ...required, message: { content: content('12') } })).map(({ kind }) => kind)).toEqual([
        'stored',
      ])
      expect((await s.unit(append, required)).map(({ kind }) => kind)).toEqual(['aborted', 'refused'])
      expect(await s.counts()).toEqual({ ready: 3 })
    })

    it('drops as many heads as it takes', async () => {
      const s = await Subject.with(make, { lengthBytesMax: 10, overflow: 'dropHead', ...toDlq })
      await s.declare('dlq')
      for (const body of ['111', '222', '333']) await s.send(body)
      await s.send('44444')
      expect(await s.bodies(['ready'])).toEqual(['333', '44444'])
      expect(await s.bodies(['ready'], 'dlq')).toEqual(['111', '222'])
      expect(await s.append('q', '12345678901')).toEqual(full)
      expect(await s.bodies(['ready'])).toEqual(['333', '44444'])
    })

    it('is put in force on what a queue holds', async () => {
      const s = await Subject.with(make)
      await s.send('12345')
      await s.takeOne()
      await s.declare('q', { lengthBytesMax: 8 })
      expect(await s.append('q', '1234')).toEqual(full)
      await s.send('123')
      await s.declare('q')
      await s.send('1234')
    })
  })

  describe('a flood of units in one call', () => {
    const flood = (priority: (i: number) => number) =>
      Array.from({ length: 300 }, (_, i) => ({
        ops: [
          { kind: 'append', queue: 'q', message: { content: content(`m${i}`), priority: priority(i) } } as const,
          { kind: 'append', queue: 'r', message: { content: content(`r${i}`) } } as const,
        ],
      }))

    it('drops what it brought itself, first come first', async () => {
      const s = await Subject.with(make, { lengthMax: 3, overflow: 'dropHead', onDeath: { kind: 'discard' } })
      await s.declare('r', { lengthMax: 2, overflow: 'dropHead', durability: 'relaxed' })
      await s.send('before')
      await s.engine.commit(flood(() => 0))
      expect(await s.bodies(['ready'])).toEqual(['m297', 'm298', 'm299'])
      expect(await s.bodies(['ready'], 'r')).toEqual(['r298', 'r299'])
      expect(await s.list(['dead'], 'r')).toHaveLength(298)
      await s.engine.commit(flood(() => 0))
      expect(await s.bodies(['ready'])).toEqual(['m297', 'm298', 'm299'])
    })

    it('drops in the order of the queue, priorities first', async () => {
      const s = await Subject.with(make, { lengthMax: 3, overflow: 'dropHead', onDeath: { kind: 'discard' } })
      await s.declare('r')
      await s.engine.commit(flood((i) => (i === 200 ? 5 : i === 201 ? 9 : 0)))
      expect(await s.bodies(['ready'])).toEqual(['m297', 'm298', 'm299'])
      await s.engine.commit(flood((i) => (i >= 298 ? 9 : 0)).slice(-3))
      expect(await s.bodies(['ready'])).toEqual(['m299', 'm299', 'm297'])
    })
  })

  describe('a cap that counts the waiting', () => {
    it('leaves out the leased, which may come back all the same', async () => {
      const s = await Subject.with(make, { lengthMax: 1, lengthBytesMax: 3, lengthCounts: 'waiting' })
      await s.send('111')
      const held = await s.takeOne()
      await s.send('222')
      expect(await s.append('q', '3')).toEqual(full)
      await s.release(held)
      expect(await s.bodies(['ready'])).toEqual(['111', '222'])
      expect(await s.append('q', '3')).toEqual(full)
    })

    it('drops the new one when nothing else can make room, and says stored', async () => {
      const s = await Subject.with(make, {
        lengthMax: 0,
        lengthCounts: 'waiting',
        overflow: 'dropHead',
        ...toDlq,
      })
      await s.declare('dlq')
      const id = await s.send('a', { dedupId: 'd' })
      expect(await s.counts()).toEqual({})
      expect(await s.engine.find(id)).toMatchObject({
        queue: 'dlq',
        dedupId: undefined,
        history: [{ queue: 'q', reason: 'overflow', count: 1, attempts: 0 }],
      })
      expect((await s.measure()).totals).toMatchObject({ appended: 1, died: 1 })
    })

    it('drops one that is larger than the cap alone, and spares the others', async () => {
      const s = await Subject.with(make, { lengthBytesMax: 3, lengthCounts: 'waiting', overflow: 'dropHead' })
      await s.send('a')
      await s.send('12345')
      expect(await s.bodies(['ready'])).toEqual(['a'])
      expect(await s.bodies(['dead'])).toEqual(['12345'])
    })
  })

  describe('rejectDeadLetter', () => {
    it('refuses the message, and dead-letters it', async () => {
      const s = await Subject.with(make, { lengthMax: 1, overflow: 'rejectDeadLetter', ...toDlq })
      await s.declare('dlq')
      await s.send('a')
      expect(await s.append('q', 'b', { dedupId: 'd' })).toEqual(full)
      expect(await s.bodies(['ready'])).toEqual(['a'])
      const [dead] = await s.list(['ready'], 'dlq')
      expect(text(dead?.content.body)).toBe('b')
      expect(dead?.history).toMatchObject([{ queue: 'q', reason: 'overflow', count: 1 }])
    })

    it('leaves no trace of a required one, whose unit is aborted', async () => {
      const s = await Subject.with(make, { lengthMax: 0, overflow: 'rejectDeadLetter', ...toDlq })
      await s.declare('dlq')
      const op = { kind: 'append', queue: 'q', message: { content: content('a') }, required: true } as const
      expect(await s.unit(op)).toEqual([full])
      expect(await s.unit({ ...op, queue: 'dlq' }, op)).toEqual([{ kind: 'aborted' }, full])
      expect(await s.counts('dlq')).toEqual({})
    })

    it('shares a content that comes again in the same unit', async () => {
      const s = await Subject.with(make, { lengthMax: 1, overflow: 'dropHead', onDeath: { kind: 'discard' } })
      await s.declare('r')
      const shared = content('shared')
      const append = (queue: string) => ({ kind: 'append', queue, message: { content: shared } }) as const
      await s.unit(append('q'), append('q'), append('r'), append('q'))
      expect(await s.bodies(['ready'])).toEqual(['shared'])
      expect(await s.bodies(['ready'], 'r')).toEqual(['shared'])
    })
  })
}
