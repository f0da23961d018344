import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

/** docs/operations/security.md names a test for each rule: a file, and part of a title in it. */
const page = readFileSync(new URL('../../docs/operations/security.md', import.meta.url), 'utf8')
const rows = [...page.matchAll(/^\| (?<threat>[^|]+?) \| [^|]+ \| `(?<file>test\/[^`]+)`: (?<title>[^|]+?) \|$/gm)].map(
  ({ groups }) => groups as { readonly threat: string; readonly file: string; readonly title: string },
)

it('says a test for every threat on its page', () => {
  const threats = page.split('\n').filter((line) => line.startsWith('| ') && !/^\| (?:threat|---)/.test(line))
  expect(rows.length).toBe(threats.length)
  expect(rows.length).toBeGreaterThan(15)
})

it.each(rows)('$threat: $file has the test', ({ file, title }) => {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
  // A title, or its beginning: what stands right behind the quote.
  expect(source.includes(`'${title}`)).toBe(true)
})
