import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { errorCatalogue } from '../../src/model/errors.ts'

it('lists every error of the catalogue, with its meaning and remedy, on the errors page', () => {
  const page = readFileSync(new URL('../../docs/concepts/errors.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| `'))
  expect(rows).toEqual(
    Object.entries(errorCatalogue).map(([code, { meaning, remedy }]) => `| \`${code}\` | ${meaning} | ${remedy} |`),
  )
})
