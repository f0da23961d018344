/**
 * One process of a peer in `npm run bench:postgres`, under the Node that its newest release wants (which reads this file as it stands).
 * Each is used as its documentation says for throughput: pg-boss inserts, fetches and completes in batches; graphile-worker adds in
 * batches, locks jobs ahead in its local queue, and completes them in batches.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { BODY_BYTES, groupOf, type LoadJob, type Round, runLoad } from './postgres/load.ts'

interface PeerJob extends LoadJob {
  readonly system: 'pg-boss' | 'graphile-worker'
  /** Where the peers are installed. */
  readonly peers: string
}

const TEXT = 'x'.repeat(BODY_BYTES)
const SESSIONS = 10

interface Boss {
  on(event: 'error' | 'warning', heard: (fault: unknown) => void): void
  start(): Promise<unknown>
  createQueue(name: string, options?: object): Promise<unknown>
  insert(name: string, jobs: readonly object[]): Promise<unknown>
  fetch(name: string, options: { batchSize: number }): Promise<{ id: string }[]>
  complete(name: string, ids: readonly string[]): Promise<unknown>
}

async function pgBoss({ url, batch, groups, peers }: PeerJob): Promise<Round> {
  const { PgBoss } = createRequire(join(peers, 'x.js'))('pg-boss') as { PgBoss: new (options: object) => Boss }
  const boss = new PgBoss({ connectionString: url, max: SESSIONS, supervise: false, schedule: false })
  boss.on('error', () => {})
  boss.on('warning', () => {})
  await boss.start()
  await boss.createQueue('q', groups === 0 ? {} : { policy: 'key_strict_fifo' })
  return async () => {
    const keyed = (): object => (groups === 0 ? {} : { singletonKey: groupOf(groups) })
    await boss.insert(
      'q',
      Array.from({ length: batch }, () => ({ data: { text: TEXT }, ...keyed() })),
    )
    const jobs = await boss.fetch('q', { batchSize: batch })
    const ids = jobs.map(({ id }) => id)
    if (ids.length > 0) await boss.complete('q', ids)
    return jobs.length
  }
}

interface Graphile {
  readonly Logger: new (factory: () => () => void) => object
  run(options: object): Promise<unknown>
  makeWorkerUtils(options: object): Promise<{ addJobs(jobs: readonly object[]): Promise<unknown> }>
}

/** A round ends when as many jobs have run here as it added: any of them, since any process may run a job. */
async function graphile({ url, batch, lanes, groups, peers }: PeerJob): Promise<Round> {
  const { run, makeWorkerUtils, Logger } = createRequire(join(peers, 'x.js'))('graphile-worker') as Graphile
  let ran = 0
  let wakeAt = Number.POSITIVE_INFINITY
  const waiting: { at: number; wake: () => void }[] = []
  const q = async (): Promise<void> => {
    ran++
    while (ran >= wakeAt) {
      waiting.shift()?.wake()
      wakeAt = waiting[0]?.at ?? Number.POSITIVE_INFINITY
    }
  }
  const concurrency = Math.min(lanes * batch, 200)
  const utils = await makeWorkerUtils({ connectionString: url })
  await run({
    taskList: { q },
    noHandleSignals: true,
    logger: new Logger(() => () => {}),
    preset: {
      worker: {
        connectionString: url,
        maxPoolSize: SESSIONS,
        concurrentJobs: concurrency,
        pollInterval: 50,
        localQueue: { size: Math.max(concurrency, 100) },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  })
  let promised = 0
  return async () => {
    const named = (): object => (groups === 0 ? {} : { queueName: groupOf(groups) })
    await utils.addJobs(Array.from({ length: batch }, () => ({ identifier: 'q', payload: { text: TEXT }, ...named() })))
    promised += batch
    const at = promised
    if (ran < at) {
      await new Promise<void>((wake) => {
        waiting.push({ at, wake })
        wakeAt = waiting[0]?.at ?? at
      })
    }
    return batch
  }
}

const job = JSON.parse(process.argv[2] ?? '{}') as PeerJob
const rates = await runLoad(await (job.system === 'pg-boss' ? pgBoss(job) : graphile(job)), job)
process.send?.(rates, () => process.exit(0))
