import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { protocols } from '../../src/frontends/sns/endpoints.ts'
import * as limits from '../../src/frontends/sns/limits.ts'
import { snsActions } from '../../src/frontends/sns/shapes.ts'
import { subscriptionAttributeNames } from '../../src/frontends/sns/subscription-attributes.ts'
import { topicAttributeNames } from '../../src/frontends/sns/topic-attributes.ts'
import { neverOfSns, neverOfSnsActions } from '../aws/never-thrown.ts'

const page = readFileSync(new URL('../../docs/compat/sns.md', import.meta.url), 'utf8')

/** The rows of the table under a heading, cell by cell. */
function rows(heading: string): string[][] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

const names = (heading: string) => rows(heading).map(([name = '']) => name.replaceAll('`', ''))

it.each([
  ['Actions', Object.keys(snsActions)],
  ['Protocols of subscriptions', [...protocols]],
  ['Topic attributes', [...topicAttributeNames]],
  ['Subscription attributes', [...subscriptionAttributeNames]],
])('lists all %s, each once and with a state', (heading, known) => {
  expect(names(heading).toSorted()).toEqual(known.toSorted())
  for (const [name, state, note] of rows(heading)) {
    expect(['supported', 'deviates', 'not yet'], name).toContain(state)
    const explained = note !== '' || state === 'supported' || name?.includes('Feedback')
    expect(explained, `${name} does not say how it ${state}`).toBe(true)
  }
  expect(Object.keys(snsActions)).toHaveLength(42)
})

it('tells the limits that the code has', () => {
  const told = rows('Limits').map(([, value]) => Number(value))
  expect(told).toEqual([
    limits.MESSAGE_BYTES_MAX,
    limits.BATCH_ENTRIES_MAX,
    limits.SUBJECT_CHARACTERS_MAX,
    limits.SMS_BYTES_MAX,
    limits.RAW_ATTRIBUTES_MAX,
    limits.MESSAGE_ATTRIBUTES_MAX,
    limits.PAGE,
    limits.TAGS_MAX,
    limits.FIFO_WINDOW_MS,
    limits.CONFIRMATION_MS_MAX,
    limits.POLICY_STATEMENTS_MAX,
    limits.DATA_PROTECTION_BYTES_MAX,
    limits.ENDPOINT_TOKEN_BYTES_MAX,
    limits.CUSTOM_USER_DATA_BYTES_MAX,
    limits.SANDBOX_NUMBERS_MAX,
  ])
})

it('says which errors are never thrown, and why', () => {
  const classes = Object.entries(neverOfSns).map(([name, { because }]) => [`\`${name}\``, because])
  const pairs = Object.entries(neverOfSnsActions).map(([pair, because]) => [
    ...pair.split(' ').map((name) => `\`${name}\``),
    because,
  ])
  const listed = rows('Errors')
  expect(listed.slice(0, classes.length)).toEqual(classes)
  // Between the two tables lie the head and the line of the second one.
  expect(listed.slice(classes.length + 2)).toEqual(pairs)
})
