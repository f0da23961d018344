import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const list = (folder: string) =>
  readdirSync(new URL(`../../${folder}/`, import.meta.url), { recursive: true, encoding: 'utf8' }).map(
    (name) => `${folder}/${name}`,
  )

const commandLine = list('src/cli')
  .filter((file) => file.endsWith('.ts'))
  .map(read)
  .join('\n')

it.each(list('docs/migrate'))('%s names options, variables and pages that there are', (page) => {
  const text = read(page)
  // Options of the AWS command line stand in the same examples.
  const flags = new Set(text.match(/(?<![\w-])--[a-z][a-z-]+/g) ?? [])
  flags.delete('--endpoint-url')
  expect([...flags].filter((flag) => !commandLine.includes(`'${flag}`))).toEqual([])
  const variables = new Set(text.match(/SPINDLE_[A-Z_]+/g) ?? [])
  expect([...variables].filter((name) => !commandLine.includes(name))).toEqual([])
  for (const [, link = ''] of text.matchAll(/\]\(\.\.\/([^)#]+)\)/g))
    expect(list('docs'), link).toContain(`docs/${link}`)
})
