/** PostgreSQL goes away, and comes back; nothing that was acknowledged is lost. Long form (SPINDLE_TEST_LONG=1): 100 of each. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'spindle-mq'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Spindle } from '../../src/spindle.ts'
import { Load } from './load.ts'
import { PostgresServer, whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()
const rounds = process.env['SPINDLE_TEST_LONG'] === '1' ? 100 : 3

let server: PostgresServer
let databases = 0

function freshUrl(user?: string): Promise<string> {
  return server
    .createDatabase(`faults_${++databases}`)
    .then((url) => (user === undefined ? url : url.replace('postgres@', `${user}@`)))
}

async function opened(url: string): Promise<Spindle> {
  const spindle = await open(url)
  onTestFinished(() => spindle.close())
  return spindle
}

describe.skipIf(missing !== undefined)(`faults of PostgreSQL${missing === undefined ? '' : ` (${missing})`}`, () => {
  beforeAll(async () => {
    server = await PostgresServer.start()
  }, 120_000)
  afterAll(() => server?.dispose())

  it('loses nothing when the server is killed or restarted under load', async () => {
    const spindle = await opened(await freshUrl())
    const load = new Load()
    await load.start(spindle)
    for (let round = 0; round < rounds; round++) {
      await load.progress()
      if (round % 2 === 0) await server.kill()
      else await server.stop('fast')
      await server.start()
    }
    await load.progress()
    await load.stop()
    expect(load.left).toBe(0)
    expect(load.acknowledged.size).toBeGreaterThan(0)
  }, 600_000)

  it('goes on when its sessions are cut', async () => {
    const spindle = await opened(await freshUrl())
    const load = new Load()
    await load.start(spindle)
    for (let round = 0; round < rounds; round++) {
      await load.progress()
      await server.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'spindle%'")
    }
    await load.progress()
    await load.stop()
    expect(load.left).toBe(0)
  }, 600_000)

  it('waits for a session when all are taken', async () => {
    const url = await freshUrl()
    const spindle = await open(url, { postgres: { connectionsMax: 1 } })
    onTestFinished(() => spindle.close())
    const queue = await spindle.queue<number>('q')
    await Promise.all(Array.from({ length: 200 }, (_, i) => queue.send(i)))
    const groups = await spindle.queue<number>('fifo', { groups: { kind: 'ordered' } })
    await Promise.all(Array.from({ length: 50 }, (_, i) => groups.send(i, { group: 'g' })))
    expect(await queue.measure()).toMatchObject({ ready: 200 })
    expect((await groups.receive({ max: 50 })).map(({ body }) => body)).toEqual(Array.from({ length: 50 }, (_, i) => i))
  }, 60_000)

  const refusal = async (url: string, postgres: object = {}): Promise<unknown> =>
    open(url, { postgres: { patienceMs: 200, ...postgres } }).then(
      (spindle) => spindle.close(),
      (fault: unknown) => fault,
    )

  it('says in one line what is wrong with the URL, the login, the schema or the server', async () => {
    const url = await freshUrl()
    expect(await refusal('postgres://127.0.0.1:1/x')).toMatchObject({ code: 'store-unreachable' })
    expect(await refusal(server.url('nowhere'))).toMatchObject({ code: 'store-refused' })
    expect(await refusal(url, { migrate: false })).toMatchObject({ code: 'schema-older' })

    await server.run("create role app login password 'right'")
    const hba = join(server.dataFolder, 'pg_hba.conf')
    writeFileSync(hba, `host all app 127.0.0.1/32 scram-sha-256\n${readFileSync(hba, 'utf8')}`)
    await server.run('select pg_reload_conf()')
    const wrong = url.replace('postgres@', 'app:wrong@')
    const fault = await refusal(wrong)
    expect(fault).toMatchObject({ code: 'store-refused' })
    expect(String(fault)).not.toContain('wrong@')
    const right = url.replace('postgres@', 'app:right@')
    expect(await refusal(right)).toMatchObject({ code: 'privilege-missing' })

    await (await open(url)).close()
    const database = new URL(url).pathname.slice(1)
    expect(await refusal(right)).toMatchObject({ code: 'privilege-missing' })
    await server.run('insert into spindle.migration (version) values (99)', database)
    expect(await refusal(url)).toMatchObject({ code: 'schema-newer' })
    await server.run('delete from spindle.migration where version = 99', database)
    await server.run(`alter database ${database} set default_transaction_read_only = on`)
    expect(await refusal(url)).toMatchObject({ code: 'store-read-only' })
    for (const one of [fault]) expect(String(one).split('\n')).toHaveLength(1)
  }, 60_000)

  it('works with the privileges that the documentation lists, and no more', async () => {
    const url = await freshUrl()
    await (await open(url)).close()
    const database = new URL(url).pathname.slice(1)
    const page = readFileSync('docs/concepts/postgres.md', 'utf8')
    const grants = /```sql role\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    await server.run(
      `drop role if exists worker; create role worker login; ${grants.replaceAll('spindle_app', 'worker')}`,
      database,
    )
    const spindle = await open(url.replace('postgres@', 'worker@'), { postgres: { migrate: false } })
    onTestFinished(() => spindle.close())
    const queue = await spindle.queue<string>('q', { dedup: { kind: 'queued' }, groups: { kind: 'ordered' } })
    await queue.send('a', { group: 'g', dedupId: 'd' })
    const [message] = await queue.receive()
    await message?.ack()
    await queue.delete()
  }, 60_000)
})
