/**
 * `npm run bench:postgres [-- PATTERN] [--peers FOLDER]`: brokers over one PostgreSQL, with pg-boss and graphile-worker in the same run, over
 * the same server with the same settings (fsync on), bodies and callers. Exits 1 when a figure is missed.
 *
 * `PATTERN`: only scenarios whose name it fits; a figure is judged when all of its scenarios ran. `--peers`: where they are installed, and
 * stay for the next run; else a temporary folder.
 */
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { PostgresServer } from '../test/postgres/server.ts'
import { type Standby, standbyOf } from '../test/postgres/standby.ts'
import { atLeast, type Verdict } from './figures.ts'
import { forked } from './fresh-process.ts'
import { describeRun } from './machine.ts'
import { fillBacklog } from './postgres/backlog.ts'
import type { LoadJob, LoadRates } from './postgres/load.ts'
import { installPeers, type Peers } from './postgres/peers.ts'
import { figures, type Scenario, scenarios } from './postgres/scenarios.ts'
import { count, ms, table } from './report.ts'
import { withFolder } from './store.ts'

const WARM_UP_MS = 1_000
const DURATION_MS = 4_000
const SETTINGS = { fsync: 'on', shared_buffers: '512MB', max_wal_size: '4GB', autovacuum_naptime: '5s' }

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

async function measure(server: PostgresServer, scenario: Scenario, peers: Peers | undefined): Promise<Measured> {
  const { system, brokers, batch, lanes, groups, held } = scenario
  const url = await server.createDatabase(`bench_${Math.floor(performance.now())}`)
  const job: LoadJob = { url, batch, lanes, groups, warmUpMs: WARM_UP_MS, durationMs: DURATION_MS }
  const run = (over: Partial<LoadJob> = {}): Promise<LoadRates> =>
    system === 'spindle'
      ? forked('postgres-broker.ts', { ...job, ...over })
      : forked('postgres-peer.ts', { ...job, ...over, system, peers: peers?.folder }, 'well', peers?.node)
  await run({ lanes: 1, warmUpMs: 0, durationMs: 100 }) // makes schema and queue, which processes that start together would race for
  if (scenario.backlog > 0) await fillBacklog(url, system, scenario.backlog)
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  if (held) await holder.query('begin isolation level repeatable read; select count(*) from pg_class')
  const rates = await Promise.all(Array.from({ length: brokers }, () => run()))
  await holder.end()
  await server.run(`drop database "${new URL(url).pathname.slice(1)}" with (force)`)
  const rounds = Float64Array.from(rates.flatMap(({ roundsMs }) => roundsMs)).sort()
  const at = (share: number): number => rounds[Math.min(rounds.length - 1, Math.floor(rounds.length * share))] ?? 0
  const perSecond = rates.reduce((sum, { acked, elapsedMs }) => sum + (acked * 1_000) / elapsedMs, 0)
  return { perSecond, p50Ms: at(0.5), p99Ms: at(0.99) }
}

function judge(found: ReadonlyMap<string, Measured>): Verdict[] {
  const verdicts: Verdict[] = []
  const rate = (name: string, min: number): void => {
    const measured = found.get(name)
    if (measured !== undefined) verdicts.push(atLeast(name, measured.perSecond, min, 'messages/s'))
  }
  const share = (what: string, of: string, min: number): void => {
    const [one, other] = [found.get(what), found.get(of)]
    if (one === undefined || other === undefined) return
    verdicts.push(atLeast(`'${what}' to '${of}'`, one.perSecond / other.perSecond, min, 'times'))
  }
  rate('batch 10', figures.batch10)
  rate('batch 100', figures.batch100)
  rate('batch 10, synchronous standby', figures.synchronous)
  for (const name of ['batch 10', 'batch 100']) share(`${name}, held`, name, figures.heldShare)
  for (const shape of ['batch 1', 'batch 10', 'batch 100']) {
    share(shape, `pg-boss, ${shape}`, figures.timesPgBoss)
    share(shape, `graphile-worker, ${shape}`, figures.timesGraphile)
  }
  return verdicts
}

async function measureAll(pattern: RegExp, peers: Peers | undefined): Promise<Map<string, Measured>> {
  const found = new Map<string, Measured>()
  const chosen = scenarios.filter(({ name, system }) => pattern.test(name) && (system === 'spindle' || peers))
  const server = await PostgresServer.start({ settings: SETTINGS })
  let standby: Standby | undefined
  try {
    for (const scenario of chosen) {
      if (scenario.synchronous && standby === undefined) {
        standby = await standbyOf(server)
      } else if (!scenario.synchronous && standby !== undefined) {
        await server.followNobody()
        await standby.dispose()
        standby = undefined
      }
      const measured = await measure(server, scenario, peers)
      found.set(scenario.name, measured)
      const { perSecond, p50Ms, p99Ms } = measured
      console.error(`${scenario.name}: ${count(perSecond)}/s, p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}`)
    }
  } finally {
    await standby?.dispose()
    await server.dispose()
  }
  return found
}

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { peers: { type: 'string' } } })
  const pattern = new RegExp(positionals[0] ?? '')
  return withFolder(async (folder) => {
    const wantsPeers = scenarios.some(({ name, system }) => system !== 'spindle' && pattern.test(name))
    const peers = wantsPeers ? installPeers(values.peers ?? join(folder, 'peers')) : undefined
    const found = await measureAll(pattern, peers)
    console.log(describeRun())
    const rows = [...found].map(([name, { perSecond, p50Ms, p99Ms }]) => [name, count(perSecond), ms(p50Ms), ms(p99Ms)])
    console.log(`\n${table(['send + receive + ack, 256 B', 'messages/s', 'p50 of a round', 'p99'], rows)}\n`)
    const verdicts = judge(found)
    for (const { what, measured, figure, met } of verdicts)
      console.log(`${met ? 'met   ' : 'MISSED'} ${what}: ${measured} (${figure})`)
    return verdicts.every(({ met }) => met)
  })
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
process.exitCode = (await main()) ? 0 : 1
