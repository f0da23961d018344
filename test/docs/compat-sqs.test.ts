import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { requestFacts } from '../../src/frontends/aws/request-facts.ts'
import { systemAttributeNames } from '../../src/frontends/sqs/incoming-message.ts'
import * as limits from '../../src/frontends/sqs/limits.ts'
import { readableAttributes } from '../../src/frontends/sqs/queue-view.ts'
import { sqsActions } from '../../src/frontends/sqs/shapes.ts'
import { neverOfSqs } from '../aws/never-thrown.ts'

const page = readFileSync(new URL('../../docs/compat/sqs.md', import.meta.url), 'utf8')

/** The rows of the table under a heading, cell by cell. */
function rows(heading: string): string[][] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

it.each([
  ['Actions', Object.keys(sqsActions)],
  ['Queue attributes', [...readableAttributes]],
  ['Message system attributes', [...systemAttributeNames]],
])('lists all %s, each once and with a state', (heading, known) => {
  const listed = rows(heading)
  expect(listed.map(([name = '']) => name.replaceAll('`', '')).toSorted()).toEqual(known.toSorted())
  for (const [name, state, how] of listed) {
    expect(['supported', 'deviates', 'not yet'], name).toContain(state)
    expect(how !== '' || state === 'supported', `${name} does not say how it ${state}`).toBe(true)
  }
})

it('counts all 23 actions', () => {
  expect(Object.keys(sqsActions)).toHaveLength(23)
})

it('tells the limits that the code has', () => {
  expect(rows('Limits').map(([, value]) => Number(value))).toEqual([
    limits.MESSAGE_BYTES_MAX,
    limits.MESSAGE_BYTES_MAX_MIN,
    limits.BATCH_ENTRIES_MAX,
    limits.RECEIVE_MAX,
    limits.MESSAGE_ATTRIBUTES_MAX,
    limits.DELAY_SECONDS_MAX,
    limits.VISIBILITY_SECONDS_MAX,
    limits.WAIT_SECONDS_MAX,
    limits.RETENTION_SECONDS_MIN,
    limits.RETENTION_SECONDS_MAX,
    limits.RECEIVE_COUNT_MAX,
    limits.LIST_MAX,
    limits.TAGS_MAX,
    limits.MOVES_PER_SECOND_MAX,
    limits.FIFO_WINDOW_MS,
    limits.IN_FLIGHT_STANDARD_MAX,
    limits.IN_FLIGHT_FIFO_MAX,
    limits.FIFO_CALLS_PER_SECOND,
  ])
})

it('says which errors are never thrown, and why', () => {
  const listed = Object.entries(neverOfSqs).map(([name, { because, except = [] }]) => {
    const only = except.length === 0 ? '' : `only by ${except.map((action) => `\`${action}\``).join(', ')}: `
    return [`\`${name}\``, only + because]
  })
  expect(rows('Errors')).toEqual(listed)
})

it('lists the keys that conditions may ask for', () => {
  const client = { address: '127.0.0.1', gone: false, signal: () => new AbortController().signal }
  const facts = requestFacts({
    service: 'sqs',
    action: 'SendMessage',
    params: {},
    protocol: 'json',
    region: 'us-east-1',
    account: '000000000000',
    identity: undefined,
    requestId: 'r',
    receivedAtMs: 0,
    baseUrl: 'http://localhost',
    path: '/',
    client,
  })
  const listed =
    page
      .split('- Keys: ')[1]
      ?.split('; of topics')[0]
      ?.match(/aws:\w+/g) ?? []
  expect(listed.map((key) => key.toLowerCase()).toSorted()).toEqual(Object.keys(facts).toSorted())
})
