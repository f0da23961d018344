import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { decodeBody, decodeHead } from '../../src/model/content.ts'
import { BullmqSource } from '../../src/server/import/bullmq-source.ts'
import { importBullmqQueue } from '../../src/server/import/import-bullmq-queue.ts'
import { RedisClient } from '../../src/server/import/redis-client.ts'
import { task } from '../../src/tasks/index.ts'
import { spindle } from '../cli/command.ts'
import { temporaryFolder } from '../folder/temporary-folder.ts'
import { type Rig, rig } from '../tasks/rig.ts'
import {
  answersFrom,
  bulk,
  noRedis,
  type RedisContent,
  type RedisServer,
  realRedis,
  scriptedRedis,
} from './redis-servers.ts'

const closing: (() => unknown)[] = []
let store: Rig
beforeEach(async () => {
  store = await rig()
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await store.close()
})

const HOUR = 3_600_000
const DUE = 1_767_225_600_000 + HOUR // the virtual clock's first reading, and an hour
const job = (name: string, data: unknown, more: Readonly<Record<string, string>> = {}) => ({
  name,
  data: JSON.stringify(data),
  opts: '{"attempts":0}',
  timestamp: '1767225600000',
  delay: '0',
  priority: '0',
  ...more,
})

/** As BullMQ 5.62 leaves them after `add` with priorities, a delay, a scheduler, a flow and a pause in the middle. */
const mail: RedisContent = {
  lists: {
    'bull:mail:paused': ['10', '0:0', 'own', '1'],
    'bull:mail:active': ['2'],
  },
  sorted: {
    'bull:mail:prioritized': [
      ['3', 8_589_934_593],
      ['4', 4_294_967_298],
      ['5', 8_589_934_595],
    ],
    'bull:mail:delayed': [
      ['6', DUE * 4096 + 6],
      ['7', (DUE - 2 * HOUR) * 4096 + 7],
      ['repeat:nightly:1767225660000', (DUE + 1) * 4096 + 8],
    ],
    'bull:mail:waiting-children': [['9', 1_767_225_600_000]],
  },
  hashes: {
    'bull:mail:meta': { version: 'bullmq:5.62.0', paused: '1' },
    'bull:mail:1': job('welcome', { to: 'a' }),
    'bull:mail:own': job('welcome', { to: 'b', ünï: [1, null] }, { opts: '{"jobId":"own","attempts":7}', atm: '2' }),
    'bull:mail:10': job('__proto__', null),
    'bull:mail:2': job('welcome', { to: 'active' }),
    'bull:mail:3': job('urgent', { n: 3 }, { priority: '2' }),
    'bull:mail:4': job('urgent', { n: 4 }, { priority: '1' }),
    'bull:mail:5': job('urgent', { n: 5 }, { priority: '2' }),
    'bull:mail:6': job('later', { n: 6 }, { priority: '300', delay: String(HOUR) }),
    'bull:mail:7': job('overdue', { n: 7 }, { delay: '1' }),
    'bull:mail:repeat:nightly:1767225660000': job('nightly', {}, { rjk: 'nightly' }),
    'bull:mail:9': job('parent', {}),
  },
}

async function fill(url: URL, commands: readonly (readonly string[])[]): Promise<void> {
  const redis = await RedisClient.connect(url)
  await Promise.all(commands.map((words) => redis.call(...words)))
  redis.close()
}

async function sourceAt(server: RedisServer, queue = 'mail', prefix = 'bull'): Promise<BullmqSource> {
  const redis = await RedisClient.connect(server.url)
  closing.push(() => redis.close())
  return new BullmqSource({ redis, prefix, queue })
}

const importing = (source: BullmqSource, more: { readonly append?: boolean; readonly signal?: AbortSignal } = {}) =>
  importBullmqQueue({ source, port: store.port, clock: store.clock, queue: 'mail', ...more })

async function received() {
  const deliveries = await store.port.receive({ queue: 'mail', max: 2_000 })
  return deliveries.map(({ content }) => {
    const { kind, type, headers } = decodeHead(content.head)
    return { type, headers: { ...headers }, body: decodeBody(kind, content.body) }
  })
}

describe.each([
  ['a scripted server', undefined, () => scriptedRedis(answersFrom(mail))],
  [`redis-server${noRedis === undefined ? '' : ` (${noRedis})`}`, noRedis, () => realRedis(mail, fill)],
] as const)('importing from BullMQ, at %s', (_name, skipped, started) => {
  it.skipIf(skipped !== undefined)('copies what waits in its order, then what is delayed at its instant', async () => {
    const server = await started()
    closing.push(() => server.close())
    expect(await importing(await sourceAt(server))).toEqual({
      imported: 8,
      left: ['1 scheduled', '1 active', '1 waiting for children'],
    })
    const now = await received()
    expect(now.map(({ body }) => body)).toEqual([
      { to: 'a' },
      { to: 'b', ünï: [1, null] },
      null,
      { n: 7 },
      { n: 4 },
      { n: 3 },
      { n: 5 },
    ])
    expect(now[1]).toMatchObject({
      type: 'welcome',
      headers: { 'bullmq-job-id': 'own', 'bullmq-attempts': 7, 'bullmq-attempts-made': 2 },
    })
    expect(now[2]?.type).toBe('__proto__')
    const [measure] = await store.port.measure(['mail'])
    expect(measure?.policy.attemptsMax).toBe(7)
    await store.clock.advance(HOUR - 1)
    expect((await store.port.measure(['mail']))[0]).toMatchObject({ delayed: 1 })
    await store.clock.advance(1)
    expect((await store.port.measure(['mail']))[0]).toMatchObject({ delayed: 0 })
  })
})

describe('importing from BullMQ', () => {
  it('gives the jobs to the task of their name', async () => {
    const server = await scriptedRedis(answersFrom(mail))
    closing.push(() => server.close())
    await importing(await sourceAt(server))
    const seen: unknown[] = []
    const welcome = task('welcome', {
      queue: 'mail',
      input: z.object({ to: z.string() }),
      run: ({ to }) => void seen.push(to),
    })
    const worker = await store.tasks.work([welcome])
    await store.clock.advance(1_000)
    expect(seen).toEqual(['a', 'b'])
    const stopped = worker.stop()
    await store.clock.advance(1_000)
    await stopped
  })

  it('takes pages of any number, without priorities where there are none', async () => {
    const ids = Array.from({ length: 1_203 }, (_, i) => String(i))
    const server = await scriptedRedis(
      answersFrom({
        lists: { 'shop:mail:wait': [...ids].reverse(), 'shop:mail:paused': ['5'] },
        sorted: {},
        hashes: {
          'shop:mail:meta': { version: 'bullmq:5' },
          ...Object.fromEntries(ids.map((id) => [`shop:mail:${id}`, job('n', Number(id))])),
          'shop:mail:17': job('n', 0, { data: '{' }),
          'shop:mail:18': job('n', 0, { parentKey: 'bull:x:1' }),
        },
      }),
      4_096,
    )
    closing.push(() => server.close())
    const source = await sourceAt(server, 'mail', 'shop')
    expect(await importing(source)).toEqual({ imported: 1_201, left: ['1 unreadable', '1 part of a flow'] })
    const page = await store.port.browse({ queue: 'mail', states: ['ready'], limit: 5 })
    expect(page.messages.map(({ priority }) => priority)).toEqual([0, 0, 0, 0, 0])
    const bodies = (await received()).map(({ body }) => body)
    expect(bodies.slice(0, 8)).toEqual([5, 0, 1, 2, 3, 4, 6, 7])
  })

  it('refuses a second run, unless told to append', async () => {
    const server = await scriptedRedis(answersFrom(mail))
    closing.push(() => server.close())
    const source = await sourceAt(server)
    await importing(source)
    await expect(importing(source)).rejects.toMatchObject({
      code: 'import-failed',
      message: expect.stringContaining('it holds 8 messages'),
    })
    expect(await importing(source, { append: true })).toMatchObject({ imported: 8 })
  })

  it('ends after the page under way when it is told to stop', async () => {
    const server = await scriptedRedis(answersFrom(mail))
    closing.push(() => server.close())
    expect(await importing(await sourceAt(server), { signal: AbortSignal.abort() })).toMatchObject({ imported: 3 })
  })

  it('says which job the queue did not take', async () => {
    const server = await scriptedRedis(answersFrom(mail))
    closing.push(() => server.close())
    await store.port.declareQueue('mail', { lengthMax: 1, overflow: 'reject' })
    await expect(importing(await sourceAt(server))).rejects.toThrow(/job own is queue-full/)
  })

  it('says that there is no such queue', async () => {
    const server = await scriptedRedis(answersFrom(mail))
    closing.push(() => server.close())
    await expect(importing(await sourceAt(server, 'none'))).rejects.toThrow("no queue has its keys under 'bull:none:'")
  })
})

describe('the connection to Redis', () => {
  const failure = async (answer: (words: readonly string[]) => string, path = '', silenceMsMax?: number) => {
    const server = await scriptedRedis(answer)
    closing.push(() => server.close())
    const url = new URL(server.url.href.replace('redis://', 'redis://us%20er:p%40ss@') + path)
    const options = silenceMsMax === undefined ? {} : { silenceMsMax }
    const fault = await RedisClient.connect(url, options).then(
      (redis) => redis.close(),
      (thrown: Error) => thrown,
    )
    return { requests: server.requests, message: fault?.message ?? 'connected' }
  }

  it('authenticates, selects the database, and shows no password', async () => {
    expect((await failure(() => '+OK\r\n', '/3')).requests).toEqual([
      ['AUTH', 'us er', 'p@ss'],
      ['SELECT', '3'],
      ['PING'],
    ])
    const refused = await failure(() => '-WRONGPASS invalid username-password pair\r\n')
    expect(refused.message).toMatch(/answered AUTH with: WRONGPASS/)
    expect(refused.message).not.toContain('p@ss')
  })

  it.each([
    ['HTTP/1.1 400 Bad Request\r\n\r\n', 'is no Redis: it sent a reply that begins with "H"'],
    ['$99999999999\r\n', 'a value of 99999999999 bytes'],
    ['$-2\r\n', 'a value of -2 bytes'],
    ['*100001\r\n', 'a list of 100001'],
    ['*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n', 'lists in lists in lists'],
    [':1e3\r\n', '"1e3" where a number belongs'],
    ['$1\r\nabc\r\n', 'a value that is longer than it said'],
    ['+'.padEnd(70_000, 'x'), 'a line without an end'],
    ['+OK\r\n+OK\r\n', 'sent what nobody asked for'],
  ])('gives up on %j', async (reply, why) => {
    expect((await failure(() => reply)).message).toContain(why)
  })

  it('gives up a server that says nothing', async () => {
    expect((await failure(() => '', '', 20)).message).toContain('says nothing')
  })

  it('says that nobody listens', async () => {
    const server = await scriptedRedis(() => '')
    await server.close()
    await expect(RedisClient.connect(server.url)).rejects.toThrow(/cannot be reached: .*ECONNREFUSED/)
  })

  it('reads a value of several megabytes in pieces', async () => {
    const large = 'é'.repeat(1_500_000)
    const server = await scriptedRedis(([verb]) => (verb === 'GET' ? bulk(large) : '+OK\r\n'), 50_000)
    closing.push(() => server.close())
    const redis = await RedisClient.connect(server.url)
    closing.push(() => redis.close())
    const [value, after] = await Promise.all([redis.call('GET', 'x'), redis.call('PING')])
    expect(String(value) === large && after).toBe('OK')
  })
})

it('is a command', async () => {
  const server = await scriptedRedis(answersFrom(mail))
  closing.push(() => server.close())
  const data = await temporaryFolder()
  const run = spindle(['import', 'bullmq', 'mail', '--data', data, '--queue', 'post'], {
    env: { REDIS_URL: server.url.href },
  })
  expect([await run.exited, run.errors()]).toEqual([0, ''])
  expect(run.output()).toBe(
    "copied 8 messages into 'post'\nnot taken over: 1 scheduled, 1 active, 1 waiting for children\n",
  )
  const asJson = spindle(['import', 'bullmq', 'mail', '--data', data, '--queue', 'twice', '--json'], {
    env: { REDIS_URL: server.url.href },
  })
  expect(await asJson.exited).toBe(0)
  expect(JSON.parse(asJson.output())).toMatchObject({ queue: 'twice', imported: 8, stopped: false })
  const wrong = spindle(['import', 'bullmq', 'mail', '--data', data, '--redis', 'http://user:secret@x'])
  expect(await wrong.exited).toBe(2)
  expect(wrong.errors()).toMatch(/no URL of a Redis/)
  expect(wrong.errors()).not.toContain('secret')
})
