/** A short run of every fuzz target, and every case that broke one once. `npm run fuzz -- PARSER --inputs N` is the long form. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { longRun } from '../faults/store.ts'
import { fuzz } from './fuzzer.ts'
import { targets } from './targets.ts'

const cases = new URL('cases/', import.meta.url)

describe('fuzzed input', () => {
  for (const target of targets)
    it(`is taken or refused by ${target.name}`, async () => {
      const slow = target.name === 'journal'
      const inputs = (slow ? 60 : 3_000) * (longRun ? 100 : 1)
      const { findings } = await fuzz(target, { inputs, seed: 1, guided: false })
      expect(findings.map(({ input, message }) => `${message}: ${input.toString('base64')}`)).toEqual([])
    })

  it('that broke something once does so no more', async () => {
    for (const name of readdirSync(cases)) {
      const target = targets.find((one) => name.startsWith(`${one.name}-`))
      if (target === undefined) continue
      await target.parse(readFileSync(new URL(name, cases)))
    }
  })
})

describe('the fuzzer', () => {
  it('finds its way by coverage to what chance does not meet, and makes the case small', async () => {
    const words = ['no']
    const deep = {
      name: 'deep',
      seeds: [Buffer.from('{"port":4566}')],
      words,
      parse: (input: Buffer): void => {
        const text = input.toString('latin1')
        if (text.startsWith('{') && text.includes('no') && text.includes('}no')) throw new Error('found')
      },
    }
    const { findings } = await fuzz(deep, { inputs: 20_000, seed: 3, guided: true })
    expect(findings.map(({ message }) => message)).toEqual(['Error: found'])
    expect(findings[0]?.input.toString()).toBe('{}no')
  })
})
