/**
 * One process of a round of `npm run bench:postgres`: a broker of ours, or a peer's client. Each lane sends a batch, receives one and
 * acks it, over and over; the answer is how many messages were acked and how long a round took.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { PostgresEngine } from '../src/engine/postgres/engine.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { systemRandom } from '../src/runtime/random.ts'

export interface PostgresJob {
  readonly system: 'spindle' | 'pg-boss' | 'graphile-worker'
  readonly url: string
  /** Where the peers are installed. */
  readonly peers?: string
  readonly batch: number
  readonly lanes: number
  /** FIFO groups; 0: none. */
  readonly groups: number
  readonly durationMs: number
}

export interface PostgresRates {
  readonly acked: number
  readonly elapsedMs: number
  readonly roundsMs: readonly number[]
}

/** One round: resolves to the messages that were acked. */
type Round = () => Promise<number>

const BODY = new Uint8Array(256).fill(120)
const HEAD = new Uint8Array(0)
const TEXT = 'x'.repeat(256)

async function spindle({ url, batch, groups }: PostgresJob): Promise<Round> {
  const engine = new PostgresEngine({ url, clock: systemClock, random: systemRandom })
  await engine.open()
  // A broker's sweeper would do this.
  setInterval(() => void engine.tick(1_000).catch(() => {}), 500).unref()
  return async () => {
    const units = Array.from({ length: batch }, () => {
      const groupId = groups === 0 ? undefined : `g${Math.floor(Math.random() * groups)}`
      const message = { content: { body: BODY, head: HEAD }, ...(groupId === undefined ? {} : { groupId }) }
      return { ops: [{ kind: 'append' as const, queue: 'q', message }] }
    })
    await engine.commit(units)
    const got = await engine.lease({ queue: 'q', max: batch, lease: { kind: 'clock' } })
    if (got.length === 0) return 0
    const how = { kind: 'ack' } as const
    await engine.commit([{ ops: got.map(({ receipt }) => ({ kind: 'settle' as const, receipt, how })) }])
    return got.length
  }
}

interface Boss {
  on(event: 'error', heard: (fault: unknown) => void): void
  start(): Promise<unknown>
  createQueue(name: string): Promise<unknown>
  insert(jobs: readonly { name: string; data: object }[]): Promise<unknown>
  fetch(name: string, options: { batchSize: number }): Promise<{ id: string }[] | null>
  complete(name: string, ids: readonly string[]): Promise<unknown>
}

async function pgBoss({ url, batch, peers = '' }: PostgresJob): Promise<Round> {
  const PgBoss = createRequire(join(peers, 'pg-boss/x.js'))('pg-boss') as new (options: object) => Boss
  const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false })
  boss.on('error', () => {})
  await boss.start()
  await boss.createQueue('q')
  return async () => {
    await boss.insert(Array.from({ length: batch }, () => ({ name: 'q', data: { text: TEXT } })))
    const jobs = (await boss.fetch('q', { batchSize: batch })) ?? []
    const ids = jobs.map(({ id }) => id)
    if (ids.length > 0) await boss.complete('q', ids)
    return jobs.length
  }
}

interface Graphile {
  readonly Logger: new (factory: () => () => void) => object
  run(options: object): Promise<{ stop(): Promise<void>; addJob(name: string, payload: object): Promise<unknown> }>
}

/** A worker of this process runs the jobs that its lanes add; a round ends when its own jobs have run. */
async function graphile({ url, batch, lanes, peers = '' }: PostgresJob): Promise<Round> {
  const load = createRequire(join(peers, 'graphile-worker/x.js'))
  const { run, Logger } = load('graphile-worker') as Graphile
  const waiting = new Map<number, () => void>()
  const task = async (payload: unknown): Promise<void> => waiting.get((payload as { n: number }).n)?.()
  const runner = await run({
    connectionString: url,
    concurrency: Math.min(lanes * batch, 100),
    noHandleSignals: true,
    pollInterval: 50,
    maxPoolSize: 10,
    logger: new Logger(() => () => {}),
    taskList: { q: task },
  })
  let n = 0
  return async () => {
    await Promise.all(
      Array.from({ length: batch }, async () => {
        const id = ++n
        const ran = new Promise<void>((resolve) => waiting.set(id, resolve))
        await runner.addJob('q', { n: id, text: TEXT })
        await ran
        waiting.delete(id)
      }),
    )
    return batch
  }
}

const systems = { spindle, 'pg-boss': pgBoss, 'graphile-worker': graphile }

async function main(job: PostgresJob): Promise<void> {
  const round = await systems[job.system](job)
  await round()
  const roundsMs: number[] = []
  const startMs = performance.now()
  const endMs = startMs + job.durationMs
  let acked = 0
  await Promise.all(
    Array.from({ length: job.lanes }, async () => {
      while (performance.now() < endMs) {
        const beganMs = performance.now()
        // Apart: `acked += await …` would read it before the wait, and lanes would overwrite each other.
        const done = await round()
        acked += done
        roundsMs.push(performance.now() - beganMs)
      }
    }),
  )
  const answer: PostgresRates = { acked, elapsedMs: performance.now() - startMs, roundsMs }
  process.send?.(answer, () => process.exit(0))
}

await main(JSON.parse(process.argv[2] ?? '{}') as PostgresJob)
