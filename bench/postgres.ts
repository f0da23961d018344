/**
 * `npm run bench:postgres`: brokers over one PostgreSQL, with pg-boss and graphile-worker in the same run, on the same server settings
 * (fsync on), with the same bodies (256 B). Exits 1 when a figure is missed. The peers are installed into a temporary folder; one that
 * cannot be is named and left out.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { PostgresEngine } from '../src/engine/postgres/engine.ts'
import { defaultPolicy } from '../src/model/policy.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { systemRandom } from '../src/runtime/random.ts'
import { PostgresServer } from '../test/postgres/server.ts'
import { atLeast, type Verdict } from './figures.ts'
import { forked } from './fresh-process.ts'
import { describeRun } from './machine.ts'
import type { PostgresJob, PostgresRates } from './postgres-child.ts'
import { count, ms, table } from './report.ts'
import { withFolder } from './store.ts'

const PEERS = { 'pg-boss': '10.4.2', 'graphile-worker': '0.16.6' } as const
const DURATION_MS = 5_000
const SETTINGS = { fsync: 'on', shared_buffers: '512MB', max_wal_size: '4GB', autovacuum_naptime: '5s' }

/** Messages a second, at least: shared/POSTGRES.md. */
const FIGURES = { batch10: 10_000, batch100: 30_000, heldShare: 0.8, timesPgBoss: 5, timesGraphile: 2 }

interface Scenario {
  readonly name: string
  readonly system?: PostgresJob['system']
  readonly brokers: number
  readonly batch: number
  readonly lanes: number
  readonly groups?: number
  readonly backlog?: number
  readonly held?: boolean
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'batch 1', brokers: 2, batch: 1, lanes: 16 },
  { name: 'batch 10, 1 broker', brokers: 1, batch: 10, lanes: 16 },
  { name: 'batch 10', brokers: 2, batch: 10, lanes: 16 },
  { name: 'batch 10, 4 brokers', brokers: 4, batch: 10, lanes: 8 },
  { name: 'batch 100', brokers: 2, batch: 100, lanes: 8 },
  { name: 'batch 10, held', brokers: 2, batch: 10, lanes: 16, held: true },
  { name: 'batch 100, held', brokers: 2, batch: 100, lanes: 8, held: true },
  { name: 'batch 10, 1,000 groups', brokers: 2, batch: 10, lanes: 16, groups: 1_000 },
  { name: 'batch 10, backlog of 1 M', brokers: 2, batch: 10, lanes: 16, backlog: 1_000_000 },
  { name: 'pg-boss, batch 10', system: 'pg-boss', brokers: 2, batch: 10, lanes: 16 },
  { name: 'graphile-worker, batch 10', system: 'graphile-worker', brokers: 2, batch: 10, lanes: 16 },
]

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

function install(peers: string): Set<string> {
  const present = new Set<string>()
  for (const [name, version] of Object.entries(PEERS)) {
    const folder = join(peers, name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{}')
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, `${name}@${version}`]
    const npm = spawnSync('npm', args, { encoding: 'utf8', cwd: folder })
    if (npm.status === 0) present.add(name)
    else console.log(`left out: ${name}@${version} cannot be installed here: ${npm.stderr.trim().slice(-300)}`)
  }
  return present
}

async function prepare(url: string, { groups = 0, backlog = 0 }: Scenario): Promise<void> {
  const engine = new PostgresEngine({ url, clock: systemClock, random: systemRandom })
  await engine.open()
  const policy = { ...defaultPolicy, ...(groups > 0 ? { groups: { kind: 'ordered' as const } } : {}) }
  await engine.commit([{ ops: [{ kind: 'putQueue', queue: 'q', policy }] }])
  const message = { content: { body: new Uint8Array(256), head: new Uint8Array(0) } }
  for (let left = backlog; left > 0; left -= 1_000) {
    await engine.commit(
      Array.from({ length: 1_000 }, () => ({ ops: [{ kind: 'append' as const, queue: 'q', message }] })),
    )
  }
  await engine.close()
}

async function measure(server: PostgresServer, scenario: Scenario, peers: string): Promise<Measured> {
  const { system = 'spindle', brokers, batch, lanes, groups = 0 } = scenario
  const url = await server.createDatabase(`bench_${Math.floor(performance.now())}`)
  if (system === 'spindle') await prepare(url, scenario)
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  if (scenario.held === true) await holder.query('begin isolation level repeatable read; select count(*) from pg_class')
  const job: PostgresJob = { system, url, peers, batch, lanes, groups, durationMs: DURATION_MS }
  const rates = await Promise.all(
    Array.from({ length: brokers }, () => forked<PostgresRates>('postgres-child.ts', job)),
  )
  await holder.end()
  const rounds = rates.flatMap(({ roundsMs }) => roundsMs).sort((a, b) => a - b)
  const at = (share: number): number => rounds[Math.min(rounds.length - 1, Math.floor(rounds.length * share))] ?? 0
  const perSecond = rates.reduce((sum, { acked, elapsedMs }) => sum + (acked * 1_000) / elapsedMs, 0)
  return { perSecond, p50Ms: at(0.5), p99Ms: at(0.99) }
}

function judge(found: ReadonlyMap<string, Measured>): Verdict[] {
  const rate = (name: string): number => found.get(name)?.perSecond ?? 0
  const unit = 'messages/s'
  const held = (name: string): Verdict =>
    atLeast(`${name}, held, of its rate without`, rate(`${name}, held`) / rate(name), FIGURES.heldShare, 'times')
  const times = (peer: string, figure: number): Verdict[] =>
    found.has(`${peer}, batch 10`)
      ? [atLeast(`of ${peer}`, rate('batch 10') / rate(`${peer}, batch 10`), figure, 'times')]
      : []
  return [
    atLeast('batch 10', rate('batch 10'), FIGURES.batch10, unit),
    atLeast('batch 100', rate('batch 100'), FIGURES.batch100, unit),
    held('batch 10'),
    held('batch 100'),
    ...times('pg-boss', FIGURES.timesPgBoss),
    ...times('graphile-worker', FIGURES.timesGraphile),
  ]
}

async function main(): Promise<boolean> {
  const only = process.argv[2]
  return withFolder(async (peers) => {
    const present = install(peers)
    const server = await PostgresServer.start({ settings: SETTINGS })
    const found = new Map<string, Measured>()
    try {
      for (const scenario of SCENARIOS) {
        if (scenario.system !== undefined && !present.has(scenario.system)) continue
        if (only !== undefined && !scenario.name.includes(only)) continue
        console.error(scenario.name)
        found.set(scenario.name, await measure(server, scenario, peers))
      }
    } finally {
      await server.dispose()
    }
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
