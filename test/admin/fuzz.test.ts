import process from 'node:process'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adminRoutes } from '../../src/frontends/admin/admin-service.ts'
import { defaultPolicy } from '../../src/model/policy.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'
import { call } from './call.ts'

const RUNS = process.env['SPINDLE_TEST_LONG'] === '1' ? 20_000 : 600

let server: TestServer
beforeAll(async () => {
  server = await testServer()
  for (const queue of ['q', '__proto__']) await server.port.declareQueue(queue, {})
  await server.port.declareExchange('x', { kind: 'topic' })
})
afterAll(() => server.close())

/** Routes that change nothing that later calls need, users above all: the first one would close the door. */
const routes = adminRoutes.filter(({ method, path }) => method !== 'DELETE' && !path.startsWith('/users'))

const FIELDS = [
  'policy expect messages body encoding type headers delayMs ttlMs priority groupId dedupId key max waitMs leaseMs from',
  'settlements receipt id how spend note reason receipts kind alternate autoDelete attributes target name filter scope',
  'mode values ratePerSecond queue exchange leaseMs groups dedup windowMs onDeath __proto__ constructor toString',
]
  .join(' ')
  .split(' ')

const name = fc.constantFrom('q', 'x', '__proto__', 'missing', 'ä/b', '..', '%', '\u0000', 'x'.repeat(300))
const scalar = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    0,
    1,
    -1,
    1e308,
    5,
    'q',
    'x',
    '',
    'text',
    'json',
    'base64',
    'ack',
    'queue',
    'topic',
  ),
  fc.string({ maxLength: 8 }),
  fc.double({ noNaN: true }),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, fc.array(tie('value'), { maxLength: 3 }), tie('object')),
  object: fc.dictionary(fc.constantFrom(...FIELDS), tie('value'), { maxKeys: 5, noNullPrototype: false }),
}))

/** Right in its outlines, so that what is inside is looked at. */
const shaped = fc.record(
  {
    target: fc.record({ kind: fc.constantFrom('queue', 'exchange'), name }),
    key: fc.string({ maxLength: 300 }),
    headers: fc.record({ mode: fc.constantFrom('all', 'any-with-x'), values: value }),
    filter: fc.record({ scope: fc.constantFrom('headers', 'body'), policy: value }),
    policy: fc.dictionary(fc.constantFrom(...Object.keys(defaultPolicy)), value),
    messages: fc.array(
      fc.record({ body: fc.string(), headers: value, groupId: scalar, delayMs: scalar }, { requiredKeys: ['body'] }),
    ),
    settlements: fc.array(
      fc.record({ receipt: fc.string(), how: fc.constantFrom('ack', 'release', 'bury'), reason: scalar }),
    ),
    receipts: fc.array(fc.string()),
    leaseMs: scalar,
    attributes: value,
    alternate: name,
  },
  { requiredKeys: [] },
)
/** Each route gets the fields that it knows, so that it is not refused for the others. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  '/queues/:queue': ['policy'],
  '/queues/:queue/messages': ['messages'],
  '/exchanges/:exchange/messages': ['messages'],
  '/queues/:queue/settle': ['settlements'],
  '/queues/:queue/extend': ['receipts', 'leaseMs'],
  '/exchanges/:exchange': ['alternate', 'attributes'],
  '/exchanges/:exchange/bindings/:binding': ['target', 'key', 'headers', 'filter'],
}

/** A queue to receive from must not make the test wait. */
function impatient(body: unknown): unknown {
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? { ...body, waitMs: 0 } : body
}

describe('the admin API', () => {
  it('answers whatever it is sent with an answer or a problem, never with a failure of its own', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...routes),
        name,
        fc.option(value, { nil: undefined }),
        async (route, text, body) => {
          const path = route.path.replaceAll(/:\w+/g, encodeURIComponent(text))
          const isReceive = route.path.endsWith('/receive')
          const sent = route.method === 'GET' ? {} : { body: isReceive ? impatient(body) : body }
          const answer = await call(server.url, route.method, path, sent)
          expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(500)
          if (answer.status >= 400) expect(answer.headers.get('content-type')).toBe('application/problem+json')
        },
      ),
      { numRuns: RUNS },
    )
    expect((await call(server.url, 'GET', '/stats')).status).toBe(200)
  })

  it('answers what is nearly right likewise', async () => {
    const known = routes.filter(({ method, path }) => method !== 'GET' && Object.hasOwn(KNOWN, path))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...known), name, shaped, async (route, text, fields) => {
        const path = route.path.replaceAll(/:\w+/g, encodeURIComponent(text))
        const body = Object.fromEntries(Object.entries(fields).filter(([field]) => KNOWN[route.path]?.includes(field)))
        const answer = await call(server.url, route.method, path, { body })
        expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(500)
      }),
      { numRuns: RUNS },
    )
    expect((await call(server.url, 'GET', '/exchanges')).status).toBe(200)
  })

  it('answers whatever is asked in a query likewise', async () => {
    const asked = fc.dictionary(
      fc.constantFrom('limit', 'after', 'prefix', 'state', 'cursor', 'bodyBytes', 'source'),
      fc.oneof(
        fc.string({ maxLength: 12 }),
        fc.constantFrom('1', '0', '-1', '1e3', 'ready,dead', 'AAAA', '9'.repeat(30)),
      ),
    )
    const paths = fc.constantFrom('/queues', '/queues/q/messages', '/redrives', '/exchanges', '/stats')
    await fc.assert(
      fc.asyncProperty(paths, asked, async (path, query) => {
        const answer = await call(server.url, 'GET', `${path}?${new URLSearchParams(query)}`)
        expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(500)
      }),
      { numRuns: RUNS / 2 },
    )
  })
})
