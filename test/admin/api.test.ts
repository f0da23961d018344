import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import type { DeliveredMessage, MessageInfo, Page, QueueInfo } from '../../src/frontends/admin/api.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'
import { call } from './call.ts'

let server: TestServer
let count = 0
let q: string

beforeAll(async () => {
  server = await testServer()
})
afterAll(() => server.close())
beforeEach(() => {
  q = `queue-${++count}`
})

const ask = (method: string, path: string, body?: unknown) =>
  call(server.url, method, path, body === undefined ? {} : { body })
const send = (...messages: object[]) => ask('POST', `/queues/${q}/messages`, { messages })
const receive = async (order: object = {}) =>
  ((await ask('POST', `/queues/${q}/receive`, order)).body as { items: DeliveredMessage[] }).items

describe('queues', () => {
  it('are declared, told, changed and deleted', async () => {
    const made = await ask('PUT', `/queues/${q}`, { policy: { leaseMs: 5_000 } })
    expect(made).toMatchObject({ status: 200, body: { name: q, ready: 0, policy: { leaseMs: 5_000, attemptsMax: 5 } } })
    expect((await ask('PUT', `/queues/${q}`, { policy: { attemptsMax: 2 } })).body).toMatchObject({
      policy: { leaseMs: 5_000, attemptsMax: 2 },
    })
    expect(await ask('PUT', `/queues/${q}`, { expect: 'absent' })).toMatchObject({
      status: 409,
      body: { code: 'queue-exists' },
    })
    expect(await ask('DELETE', `/queues/${q}`)).toMatchObject({ status: 204, body: undefined })
    expect(await ask('DELETE', `/queues/${q}`)).toMatchObject({ status: 404, body: { code: 'no-such-queue' } })
    expect(await ask('GET', `/queues/${q}`)).toMatchObject({ status: 404 })
  })

  it('are listed by page, in the order of names', async () => {
    for (const name of ['c', 'a', 'b', 'd']) await ask('PUT', `/queues/page-${name}`)
    const first = (await ask('GET', '/queues?prefix=page-&limit=3')).body as Page<QueueInfo>
    expect(first.items.map(({ name }) => name)).toEqual(['page-a', 'page-b', 'page-c'])
    const rest = (await ask('GET', `/queues?prefix=page-&limit=3&after=${first.next}`)).body as Page<QueueInfo>
    expect(rest).toMatchObject({ items: [{ name: 'page-d' }], next: null })
  })

  it('take names that need escapes, and __proto__', async () => {
    for (const name of ['vhost:shop/orders', '__proto__', 'käse', '%2F']) {
      const path = `/queues/${encodeURIComponent(name)}`
      expect(await ask('PUT', path)).toMatchObject({ status: 200, body: { name } })
      expect(await ask('GET', path)).toMatchObject({ status: 200, body: { name } })
      expect((await ask('DELETE', path)).status).toBe(204)
    }
  })

  it('are purged, and kept while they hold something if so asked', async () => {
    await ask('PUT', `/queues/${q}`)
    await send({ body: 'one' }, { body: 'two' })
    expect(await ask('DELETE', `/queues/${q}?ifEmpty=true`)).toMatchObject({
      status: 409,
      body: { code: 'queue-not-empty' },
    })
    expect((await ask('POST', `/queues/${q}/purge`)).body).toEqual({ purged: 2 })
    expect((await ask('DELETE', `/queues/${q}?ifEmpty=true`)).status).toBe(204)
    expect((await ask('POST', `/queues/${q}/purge`)).status).toBe(404)
  })
})

describe('messages', () => {
  it('are sent as text, JSON or bytes, and come out as they went in', async () => {
    await ask('PUT', `/queues/${q}`)
    const bytes = Buffer.from([0xff, 0xfe, 0]).toString('base64')
    const headers = { trace: 'abc', tries: 3, urgent: true }
    const sent = await send(
      { body: 'hallo', headers, type: 'greeting', priority: 9 },
      { body: '{"n":12345678901234567890}', encoding: 'json', priority: 5 },
      { body: bytes, encoding: 'base64' },
    )
    expect(sent.body).toMatchObject({ outcomes: [{ kind: 'stored' }, { kind: 'stored' }, { kind: 'stored' }] })
    const items = await receive({ max: 10 })
    expect(items).toMatchObject([
      { body: 'hallo', encoding: 'text', headers, type: 'greeting', priority: 9, attempts: 1, state: 'leased' },
      { body: '{"n":12345678901234567890}', encoding: 'json' },
      { body: bytes, encoding: 'base64', bodyBytes: 3, truncated: false },
    ])
  })

  it('are settled and extended by receipt', async () => {
    await ask('PUT', `/queues/${q}`)
    await send({ body: 'a' }, { body: 'b' }, { body: 'c' })
    const [a, b, c] = await receive({ max: 3 })
    const extended = await ask('POST', `/queues/${q}/extend`, { receipts: [a?.receipt], leaseMs: 60_000 })
    expect(extended.body).toMatchObject({ outcomes: [{ kind: 'extended' }] })
    const settlements = [
      { receipt: a?.receipt, how: 'ack' },
      { receipt: b?.receipt, how: 'release', spend: false, note: 'later' },
      { receipt: c?.receipt, how: 'bury', reason: 'bad', note: 'no such hotel' },
    ]
    const settled = { kind: 'settled' }
    expect((await ask('POST', `/queues/${q}/settle`, { settlements })).body).toEqual({
      outcomes: [settled, settled, settled],
    })
    expect((await ask('POST', `/queues/${q}/settle`, { settlements })).body).toMatchObject({
      outcomes: [{ kind: 'stale' }, { kind: 'stale' }, { kind: 'stale' }],
    })
    expect((await ask('GET', `/queues/${q}/messages?state=ready,dead`)).body).toMatchObject({
      items: [
        { body: 'b', note: 'later', attempts: 0 },
        { body: 'c', state: 'dead', note: 'no such hotel', history: [{ reason: 'bad' }] },
      ],
      next: null,
    })
  })

  it('are browsed by page without being touched, with the beginning of long bodies', async () => {
    await ask('PUT', `/queues/${q}`)
    await send(...['first', 'second', 'third'].map((body) => ({ body })), { body: 'ä'.repeat(100) })
    const path = `/queues/${q}/messages?limit=3&bodyBytes=5`
    const page = (await ask('GET', path)).body as Page<MessageInfo>
    expect(page.items.map(({ body, truncated }) => [body, truncated])).toEqual([
      ['first', false],
      ['secon', true],
      ['third', false],
    ])
    const rest = (await ask('GET', `${path}&cursor=${page.next}`)).body as Page<MessageInfo>
    expect(rest).toMatchObject({ items: [{ body: 'ää', encoding: 'text', bodyBytes: 200, truncated: true }] })
    expect((await ask('GET', `/queues/${q}`)).body).toMatchObject({ ready: 4, leased: 0 })
  })

  it('are found by id', async () => {
    await ask('PUT', `/queues/${q}`)
    const { outcomes } = (await send({ body: 'find me' })).body as { outcomes: { id: string }[] }
    expect((await ask('GET', `/messages/${outcomes[0]?.id}`)).body).toMatchObject({ queue: q, body: 'find me' })
    expect(await ask('GET', '/messages/nothing')).toMatchObject({ status: 404, body: { code: 'not-found' } })
  })

  it('are waited for', async () => {
    await ask('PUT', `/queues/${q}`)
    const waiting = receive({ waitMs: 30_000 })
    await send({ body: 'at last' })
    expect(await waiting).toMatchObject([{ body: 'at last' }])
  })

  it('are answered with their refusals', async () => {
    await ask('PUT', `/queues/${q}`, { policy: { lengthMax: 1 } })
    expect((await send({ body: 'a' }, { body: 'b' })).body).toMatchObject({
      outcomes: [{ kind: 'stored' }, { kind: 'refused', reason: 'queue-full' }],
    })
  })
})

describe('exchanges', () => {
  it('are declared, bound, published to, listed and deleted', async () => {
    await ask('PUT', `/queues/${q}`)
    const exchange = `/exchanges/news-${count}`
    expect((await ask('PUT', exchange, { kind: 'topic' })).body).toMatchObject({ kind: 'topic' })
    const binding = { target: { kind: 'queue', name: q }, key: 'eu.#' }
    expect((await ask('PUT', `${exchange}/bindings/one`, binding)).status).toBe(204)
    const messages = [
      { body: 'here', key: 'eu.berlin' },
      { body: 'there', key: 'us.boston' },
    ]
    expect((await ask('POST', `${exchange}/messages`, { messages })).body).toMatchObject({
      outcomes: [[{ kind: 'stored' }], []],
    })
    expect(await receive({ max: 5 })).toMatchObject([{ body: 'here' }])
    const { items } = (await ask('GET', '/exchanges')).body as Page<{ name: string }>
    expect(items.find(({ name }) => name === `news-${count}`)).toMatchObject({
      settings: { kind: 'topic' },
      bindings: [{ id: 'one', key: 'eu.#' }],
    })
    expect(await ask('DELETE', `${exchange}?ifUnused=true`)).toMatchObject({ status: 409 })
    expect((await ask('DELETE', `${exchange}/bindings/one`)).status).toBe(204)
    expect((await ask('DELETE', `${exchange}/bindings/one`)).status).toBe(404)
    expect((await ask('DELETE', `${exchange}?ifUnused=true`)).status).toBe(204)
  })
})

describe('figures', () => {
  it('are told for the whole store', async () => {
    await ask('PUT', `/queues/${q}`)
    await send({ body: '12345' })
    const { body } = await ask('GET', '/stats')
    expect(body).toMatchObject({ process: { version: manifest.version } })
    expect((body as { queues: QueueInfo[] }).queues.find(({ name }) => name === q)).toMatchObject({
      ready: 1,
      totals: { appended: 1 },
    })
  })

  it('are streamed as events, at once and again', async () => {
    const response = await fetch(`${server.url}/api/v1/events`)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    while (text.split('event: stats\ndata: {').length < 3) {
      const { value } = await reader.read()
      text += new TextDecoder().decode(value)
    }
    await reader.cancel()
    expect(JSON.parse(/data: (.*)\n/.exec(text)?.[1] ?? '')).toHaveProperty('sums.ready')
  })

  it('are told to Prometheus, with queue names that cannot break a line', async () => {
    const name = 'say "hi" \\'
    await ask('PUT', `/queues/${encodeURIComponent(name)}`)
    const response = await fetch(`${server.url}/metrics`)
    const text = await response.text()
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(text).toMatch(/^spindle_messages\{state="ready"\} \d+$/m)
    expect(text).toContain('spindle_queue_messages{queue="say \\"hi\\" \\\\",state="ready"} 0\n')
    expect(text).toMatch(/^spindle_queue_oldest_ready_age_seconds\{queue="[^"]+"\} [\d.]+$/m)
    expect(text).toMatch(/^process_cpu_seconds_total [\d.]+$/m)
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="(\\.|[^"\\])*",?)+\})? -?[\d.e+-]+)$/)
    }
  })
})

describe('a mistake', () => {
  it.each([
    ['GET', '/nowhere', undefined, 404, /There is no \/nowhere/],
    ['PATCH', '/queues', undefined, 405, /Only GET can be done here/],
    ['GET', '/queues/%ff', undefined, 400, /not percent-encoded/],
    ['GET', '/queues?limit=0', undefined, 400, /limit must be a whole number from 1 to 1000/],
    ['GET', '/queues?limit=ten', undefined, 400, /limit must be a whole number/],
    ['GET', '/queues/x/messages?state=gone', undefined, 400, /state must be one of ready/],
    ['GET', '/queues/x/messages?limit=1000&bodyBytes=1000000', undefined, 400, /limit x bodyBytes must be at most/],
    ['PUT', '/queues/x', { polcy: {} }, 400, /polcy must be one of policy, expect/],
    ['PUT', '/queues/x', { policy: { leaseMs: 0 } }, 400, /policy\.leaseMs is 0/],
    ['PUT', '/queues/x', { policy: { failedEventsTo: {} } }, 400, /policy\.failedEventsTo is {} but must be a list/],
    ['PUT', '/queues/x', [], 400, /it must be an object/],
    ['POST', '/queues/x/messages', {}, 400, /messages must be given/],
    ['POST', '/queues/x/messages', { messages: [{}] }, 400, /messages\[0\]\.body must be given/],
    ['POST', '/queues/x/messages', { messages: [{ body: 1 }] }, 400, /messages\[0\]\.body must be text/],
    ['POST', '/queues/x/messages', { messages: [{ body: '{', encoding: 'json' }] }, 400, /must be JSON/],
    ['POST', '/queues/x/messages', { messages: [{ body: '!', encoding: 'base64' }] }, 400, /must be base64/],
    ['POST', '/queues/x/messages', { messages: [{ body: '', headers: { a: null } }] }, 400, /headers\.a must be text/],
    ['POST', '/queues/x/messages', { messages: [{ body: '', priority: 256 }] }, 400, /priority must be/],
    ['POST', '/queues/x/receive', { max: 101 }, 400, /max must be a whole number from 1 to 100/],
    ['POST', '/queues/x/receive', {}, 404, /has not been declared/],
    ['POST', '/queues/x/settle', { settlements: [{ receipt: 'r', how: 'eat' }] }, 400, /how must be one of ack/],
    ['POST', '/exchanges/x/messages', { messages: [] }, 404, /exchange has not been declared/],
    ['PUT', '/exchanges/x', { kind: 'ring' }, 400, /kind must be one of direct/],
    ['PUT', '/exchanges/x/bindings/b', {}, 400, /target must be given/],
    ['POST', '/queues/x/redrive', { ratePerSecond: 0 }, 400, /ratePerSecond must be a number/],
    ['DELETE', '/redrives/x', undefined, 404, /cancel redrive 'x'/],
  ])('in %s %s %j is a problem of status %d', async (method, path, body, status, title) => {
    const answer = await ask(method, path, body)
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.body).toMatchObject({ status, title: expect.stringMatching(title) })
    expect(answer.status).toBe(status)
  })

  it('in the body or its type is one, too', async () => {
    const url = `${server.url}/api/v1/queues/x`
    const put = (body: string, type: string) =>
      fetch(url, { method: 'PUT', body, headers: { 'content-type': type } }).then(({ status }) => status)
    expect(await put('{', 'application/json')).toBe(400)
    expect(await put('{}', 'text/plain')).toBe(415)
    expect(await put(`"${'x'.repeat(17 * 1_048_576)}"`, 'application/json').catch(() => 413)).toBe(413)
    expect(await put('['.repeat(200_000), 'application/json')).toBe(400)
  })
})
