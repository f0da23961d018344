import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { mutants } from './mutants.ts'

it('plants each bug at exactly one place of the source as it stands', () => {
  for (const { name, file, find } of mutants) {
    const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
    expect(source.split(find).length - 1, name).toBe(1)
  }
})
