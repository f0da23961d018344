import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8')

/** The packages that stand in the first column of a table below the heading. */
function rowsBelow(page: string, heading: string): string[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const cells = section.split('\n').map((line) => line.split('|')[1] ?? '')
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')).sort()
}

it('every dependency has its reason in docs/decisions/dependencies.md, and nothing else has', () => {
  const page = read('docs/decisions/dependencies.md')
  const manifest = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', object>
  expect(rowsBelow(page, 'At run time')).toEqual(Object.keys(manifest.dependencies).sort())
  expect(rowsBelow(page, 'For development')).toEqual(Object.keys(manifest.devDependencies).sort())
})
