/** Trouble that passes: calls wait for its end, or say in a line what it is. */
import pg from 'pg'
import { open } from 'spindle-mq'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Spindle } from '../../src/spindle.ts'
import { Load } from './load.ts'
import { Relay } from './relay.ts'
import { PostgresServer, whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()

let server: PostgresServer
let databases = 0

function freshUrl(): Promise<string> {
  return server.createDatabase(`trouble_${++databases}`)
}

async function opened(url: string, postgres: object = {}): Promise<Spindle> {
  const spindle = await open(url, { postgres })
  onTestFinished(() => spindle.close())
  return spindle
}

async function session(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

describe.skipIf(missing !== undefined)(`trouble${missing === undefined ? '' : ` (${missing})`}`, () => {
  beforeAll(async () => {
    server = await PostgresServer.start()
  }, 120_000)
  afterAll(() => server?.dispose())

  it('outlives a network that is cut, and loses nothing', async () => {
    const relay = await Relay.to(server.port)
    onTestFinished(() => relay.close())
    const spindle = await opened(relay.through(await freshUrl()))
    const load = new Load()
    await load.start(spindle)
    for (let round = 0; round < 3; round++) {
      await load.progress()
      relay.cut()
      await new Promise((resolve) => setTimeout(resolve, 200))
      relay.mend()
    }
    await load.progress()
    await load.stop()
    expect(load.left).toBe(0)
    expect(load.acknowledged.size).toBeGreaterThan(0)
  }, 60_000)

  it('notices a network that goes silent, which nobody is told of', async () => {
    const relay = await Relay.to(server.port)
    onTestFinished(() => relay.close())
    const spindle = await opened(relay.through(await freshUrl()), { patienceMs: 1_000 })
    const queue = await spindle.queue<string>('q')
    await queue.send('before')
    relay.silence()
    const beganMs = performance.now()
    await expect(queue.send('lost?')).rejects.toMatchObject({ code: 'outcome-unknown' })
    await expect(queue.measure()).rejects.toMatchObject({ code: 'store-unreachable' })
    expect(performance.now() - beganMs).toBeLessThan(30_000)
    relay.mend()
    await queue.send('after')
    expect((await queue.receive({ max: 10, waitMs: 10_000 })).map(({ body }) => body)).toContain('before')
  }, 90_000)

  it('waits for a lock that somebody holds, and repeats what a statement time-out ended', async () => {
    const url = await freshUrl()
    const spindle = await opened(url)
    const plain = await spindle.queue<string>('plain')
    const fifo = await spindle.queue<string>('fifo', { groups: { kind: 'ordered' } })
    const database = new URL(url).pathname.slice(1)
    await server.run(`alter database ${database} set statement_timeout = '100ms'`)
    await server.run(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}' and pid <> pg_backend_pid()`,
    )
    const other = await session(url)
    await other.query('set statement_timeout = 0; begin; lock table spindle.live in access exclusive mode')
    const sent = Promise.all([plain.send('a'), fifo.send('b', { group: 'g' })])
    await new Promise((resolve) => setTimeout(resolve, 400))
    await other.query('rollback')
    await sent
    expect((await plain.receive()).map(({ body }) => body)).toEqual(['a'])
    expect((await fifo.receive()).map(({ body }) => body)).toEqual(['b'])
  }, 60_000)

  it('says what a lock that stays costs it', async () => {
    const url = await freshUrl()
    const spindle = await opened(url, { patienceMs: 300 })
    const queue = await spindle.queue<string>('q')
    const database = new URL(url).pathname.slice(1)
    await server.run(`alter database ${database} set statement_timeout = '100ms'`)
    await server.run(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}' and pid <> pg_backend_pid()`,
    )
    const other = await session(url)
    await other.query('set statement_timeout = 0; begin; lock table spindle.live in access exclusive mode')
    const fault: unknown = await queue.send('a').catch((reason: unknown) => reason)
    await other.query('rollback')
    expect(fault).toMatchObject({ code: 'store-unreachable' })
    expect(String(fault)).toMatch(/statement timeout/)
    expect(String(fault).split('\n')).toHaveLength(1)
  }, 60_000)

  it('waits for a server that has no session left', async () => {
    const url = await freshUrl()
    await (await open(url)).close()
    const database = new URL(url).pathname.slice(1)
    await server.run(`alter database ${database} connection limit 1`)
    const role = 'create role few login nosuperuser; grant all on all tables in schema spindle to few'
    await server.run(
      `${role}; grant usage on schema spindle to few; grant usage, select on all sequences in schema spindle to few`,
      database,
    )
    const mine = url.replace('postgres@', 'few@')
    const blocker = await session(mine)
    const opening = open(mine)
    await new Promise((resolve) => setTimeout(resolve, 300))
    await server.run(`alter database ${database} connection limit -1`)
    const spindle = await opening
    onTestFinished(() => spindle.close())
    await blocker.query('select 1')
    await (await spindle.queue<string>('q')).send('in the end')
  }, 60_000)
})
