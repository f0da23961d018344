/** Behind pgbouncer 1.18 in transaction mode, where neither named statements nor notifications get through. */
import { open } from 'spindle-mq'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresOptions } from '../../src/engine/postgres/options.ts'
import type { Spindle } from '../../src/spindle.ts'
import { Load } from './load.ts'
import { Pgbouncer, whyNoPgbouncer } from './pgbouncer.ts'
import { PostgresServer, whyNoPostgres } from './server.ts'

const missing = whyNoPostgres() ?? whyNoPgbouncer()
/** Fewer than one broker would take for itself. */
const SESSIONS = 3

let server: PostgresServer
let bouncer: Pgbouncer
let databases = 0

async function freshDatabase(): Promise<string> {
  const name = `pooled_${++databases}`
  await server.createDatabase(name)
  return name
}

async function pooled(database: string, options: PostgresOptions = { prepare: false }): Promise<Spindle> {
  const spindle = await open(bouncer.url(database), { postgres: options })
  onTestFinished(() => spindle.close())
  return spindle
}

describe.skipIf(missing !== undefined)(`behind pgbouncer${missing === undefined ? '' : ` (${missing})`}`, () => {
  beforeAll(async () => {
    server = await PostgresServer.start()
    bouncer = await Pgbouncer.start({ serverPort: server.port, sessions: SESSIONS })
  }, 120_000)
  afterAll(async () => {
    await bouncer?.dispose()
    await server?.dispose()
  })

  it('takes turns on fewer sessions than callers, and two brokers see one system', async () => {
    const database = await freshDatabase()
    const [one, two] = [await pooled(database), await pooled(database)]
    const sent = await one.queue<number>('orders', { groups: { kind: 'ordered' }, dedup: { kind: 'queued' } })
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => sent.send(i, { group: `g${i % 5}`, dedupId: `d${i % 50}` })),
    )
    const taken = await two.queue<number>('orders')
    const seen: number[] = []
    while (seen.length < 50) {
      const messages = await taken.receive({ max: 10, waitMs: 5_000 })
      seen.push(...messages.map(({ body }) => body))
      await taken.ack(...messages)
    }
    expect(new Set(seen).size).toBe(50)
    expect(await taken.measure()).toMatchObject({ ready: 0, leased: 0 })
  }, 60_000)

  it('leaves off named statements by itself, and never runs another process’s under its own name', async () => {
    const database = await freshDatabase()
    const brokers = await Promise.all(Array.from({ length: 4 }, () => pooled(database, {})))
    // Each broker's first calls are other ones, so that statements by number would be other statements.
    const queues = await Promise.all(brokers.map((broker, i) => broker.queue<number>(`q${i}`)))
    await queues[1]?.receive()
    await queues[2]?.measure()
    await queues[3]?.purge()
    await Promise.all(queues.flatMap((queue) => Array.from({ length: 30 }, (_, n) => queue.send(n))))
    for (const queue of queues) {
      const seen: number[] = []
      while (seen.length < 30) {
        const messages = await queue.receive({ max: 10, waitMs: 5_000 })
        seen.push(...messages.map(({ body }) => body))
        await queue.ack(...messages)
      }
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, n) => n))
    }
  }, 60_000)

  it('finds what another broker sent although no notification gets through', async () => {
    const database = await freshDatabase()
    const [one, two] = [await pooled(database), await pooled(database)]
    const from = await one.queue<string>('quiet')
    const to = await two.queue<string>('quiet')
    const waiting = to.receive({ waitMs: 20_000 })
    await from.send('found')
    expect((await waiting).map(({ body }) => body)).toEqual(['found'])
  }, 60_000)

  it('loses nothing when the pooler is killed, or the server behind it', async () => {
    const spindle = await pooled(await freshDatabase())
    const load = new Load()
    await load.start(spindle)
    for (const kill of [bouncer, server, bouncer]) {
      await load.progress()
      await kill.kill()
      await kill.start()
    }
    await load.progress()
    await load.stop()
    expect(load.left).toBe(0)
    expect(load.acknowledged.size).toBeGreaterThan(0)
  }, 120_000)
})
