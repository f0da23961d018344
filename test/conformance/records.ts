import { describe, expect, it } from 'vitest'
import { bytes, content, type MakeEngine, Subject, text } from './subject.ts'

export function recordSuite(make: MakeEngine): void {
  describe('records', () => {
    it('are written with a version that grows, and removed', async () => {
      const s = await Subject.with(make)
      expect(await s.engine.read('k')).toBeUndefined()
      expect(await s.unit({ kind: 'record', key: 'k', value: bytes('1') })).toEqual([{ kind: 'written', version: 1 }])
      expect(await s.unit({ kind: 'record', key: 'k', value: bytes('2') })).toEqual([{ kind: 'written', version: 2 }])
      const record = await s.engine.read('k')
      expect(record).toMatchObject({ key: 'k', version: 2 })
      expect(text(record?.value)).toBe('2')
      expect(await s.unit({ kind: 'record', key: 'k', value: null })).toEqual([{ kind: 'written', version: 0 }])
      expect(await s.engine.read('k')).toBeUndefined()
      expect(await s.unit({ kind: 'record', key: 'k', value: bytes('3') })).toEqual([{ kind: 'written', version: 1 }])
    })

    it('are written only at the version expected', async () => {
      const s = await Subject.with(make)
      const write = (expect: number) => s.unit({ kind: 'record', key: 'k', value: bytes('x'), expect })
      expect(await write(1)).toEqual([{ kind: 'mismatch', version: 0 }])
      expect(await write(0)).toEqual([{ kind: 'written', version: 1 }])
      expect(await write(0)).toEqual([{ kind: 'mismatch', version: 1 }])
      expect(await write(1)).toEqual([{ kind: 'written', version: 2 }])
    })

    it('are scanned by prefix in key order, page by page', async () => {
      const s = await Subject.with(make)
      for (const key of ['b/2', 'a', 'b/10', 'b/1', 'c', 'b/', 'bb', 'b/ä']) {
        await s.unit({ kind: 'record', key, value: bytes(key) })
      }
      const keys = async (options: { after?: string; limit: number }) =>
        (await s.engine.scan('b/', options)).map(({ key }) => key)
      expect(await keys({ limit: 10 })).toEqual(['b/', 'b/1', 'b/10', 'b/2', 'b/ä'])
      expect(await keys({ limit: 2 })).toEqual(['b/', 'b/1'])
      expect(await keys({ limit: 2, after: 'b/1' })).toEqual(['b/10', 'b/2'])
      expect(await keys({ limit: 2, after: 'b/15' })).toEqual(['b/2', 'b/ä'])
      expect(await keys({ limit: 2, after: 'b/ä' })).toEqual([])
      expect(await keys({ limit: 1, after: 'a' })).toEqual(['b/'])
    })

    it('are kept as they were at the call', async () => {
      const s = await Subject.with(make)
      const value = bytes('before')
      const written = s.unit({ kind: 'record', key: 'k', value })
      value.fill(0)
      await written
      const read = await s.engine.read('k')
      read?.value.fill(0)
      expect(text((await s.engine.read('k'))?.value)).toBe('before')
    })
  })

  describe('counters', () => {
    const count = (key: string, by: number, at: number) =>
      ({
        kind: 'count',
        key,
        by,
        at,
        whenReached: [{ kind: 'append', queue: 'q', message: { content: content('joined') } }],
      }) as const

    it('apply what follows when they are reached, once, and are gone then', async () => {
      const s = await Subject.with(make)
      expect(await s.unit(count('c', 1, 3))).toEqual([{ kind: 'counted', value: 1, fired: false }])
      expect(text((await s.engine.read('c'))?.value)).toBe('1')
      expect(await s.unit(count('c', 1, 3))).toEqual([{ kind: 'counted', value: 2, fired: false }])
      expect(await s.bodies(['ready'])).toEqual([])
      expect(await s.unit(count('c', 2, 3))).toEqual([{ kind: 'counted', value: 4, fired: true }])
      expect(await s.bodies(['ready'])).toEqual(['joined'])
      expect(await s.engine.read('c')).toBeUndefined()
      expect(await s.unit(count('c', 1, 3))).toEqual([{ kind: 'counted', value: 1, fired: false }])
    })

    it('may be reached within one unit', async () => {
      const s = await Subject.with(make)
      expect(await s.unit(count('c', 1, 2), count('c', 1, 2))).toMatchObject([{ fired: false }, { fired: true }])
    })

    it('are taken back with their unit', async () => {
      const s = await Subject.with(make)
      await s.unit(count('c', 1, 3))
      const failing = { kind: 'record', key: 'r', value: bytes(''), expect: 7, required: true } as const
      expect(await s.unit(count('c', 1, 3), failing)).toEqual([{ kind: 'aborted' }, { kind: 'mismatch', version: 0 }])
      expect(await s.unit(count('c', 1, 2), failing)).toEqual([{ kind: 'aborted' }, { kind: 'mismatch', version: 0 }])
      expect(text((await s.engine.read('c'))?.value)).toBe('1')
      expect(await s.bodies(['ready'])).toEqual([])
    })

    it('are records: a unit that counts and writes under one key sees both', async () => {
      const s = await Subject.with(make)
      const removeNew = { kind: 'record', key: 'c', value: null, expect: 0, required: true } as const
      expect(await s.unit(count('c', 1, 5), removeNew)).toEqual([{ kind: 'aborted' }, { kind: 'mismatch', version: 1 }])
      const write = { kind: 'record', key: 'c', value: bytes('4'), expect: 0, required: true } as const
      expect(await s.unit(write, count('c', 1, 5), removeNew)).toEqual([
        { kind: 'written', version: 1 },
        { kind: 'counted', value: 5, fired: true },
        { kind: 'written', version: 0 },
      ])
    })

    it('abort the unit when a required op of what follows fails, and tell of it in their place', async () => {
      const s = await Subject.with(make)
      const outcome = await s.unit(
        { kind: 'record', key: 'r', value: bytes('x') },
        {
          kind: 'count',
          key: 'c',
          by: 1,
          at: 1,
          whenReached: [{ kind: 'append', queue: 'nowhere', message: { content: content('a') }, required: true }],
        },
      )
      expect(outcome).toEqual([{ kind: 'aborted' }, { kind: 'refused', reason: 'no-such-queue' }])
      expect(await s.engine.read('r')).toBeUndefined()
      expect(await s.engine.read('c')).toBeUndefined()
    })
  })
}
