/**
 * `npm run soak:postgres [-- --minutes N]`: two brokers over one PostgreSQL at half of their top rate, 30 minutes by default; in the
 * middle half of it another session holds a snapshot. Prints rate and sizes as they go. Exits 1 when the rate sags, when what a held
 * snapshot leaves behind is more than so many bytes a message, or when tables grow although nobody holds one.
 */
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { PostgresServer } from '../test/postgres/server.ts'
import { atLeast, atMost, type Verdict } from './figures.ts'
import { forked } from './fresh-process.ts'
import { describeRun } from './machine.ts'
import type { LoadJob, LoadRates } from './postgres/load.ts'
import { count, table } from './report.ts'

const BROKERS = 2
const SETTINGS = { fsync: 'on', shared_buffers: '512MB', max_wal_size: '4GB', autovacuum_naptime: '5s' }
const LOOKS = 30
/** Until the brokers are at work. */
const STARTING_MS = 15_000
/** Share of the pace that every stretch of the run must reach. */
const SAG_SHARE_MIN = 0.8
/** What a message may leave in tables and indexes while nothing can be removed. */
const HELD_BYTES_MAX = 900
/** Growth of the whole once the snapshot is gone, over its size then. */
const GROWTH_MAX = 1.1

interface Look {
  readonly atS: number
  readonly held: boolean
  readonly acked: number
  readonly perSecond: number
  readonly tableMb: number
  readonly indexMb: number
  readonly bodyMb: number
}

const SIZES = `
  select coalesce(sum(pg_table_size(c.oid)) filter (where c.relname !~ '^body'), 0)::float8 / 1048576 as table,
    coalesce(sum(pg_indexes_size(c.oid)) filter (where c.relname !~ '^body'), 0)::float8 / 1048576 as index,
    coalesce(sum(pg_total_relation_size(c.oid)) filter (where c.relname ~ '^body'), 0)::float8 / 1048576 as body,
    (select n_tup_del from pg_stat_user_tables where relname = 'live')::float8 as acked
  from pg_class c where c.relnamespace = 'spindle'::regnamespace and c.relkind = 'r'`

interface Sizes {
  readonly table: number
  readonly index: number
  readonly body: number
  readonly acked: number
}

async function soak(server: PostgresServer, minutes: number): Promise<{ pace: number; looks: Look[] }> {
  const url = await server.createDatabase('soak')
  const job: LoadJob = { url, batch: 10, lanes: 32, groups: 0, warmUpMs: 1_500, durationMs: 8_000 }
  const all = (of: LoadJob): Promise<LoadRates[]> =>
    Promise.all(Array.from({ length: BROKERS }, () => forked<LoadRates>('postgres-broker.ts', of)))
  await forked('postgres-broker.ts', { ...job, lanes: 1, durationMs: 100 })
  const top = (await all(job)).reduce((sum, { acked, elapsedMs }) => sum + (acked * 1_000) / elapsedMs, 0)
  const pace = top / 2
  console.error(`top rate ${count(top)}/s, so ${count(pace)}/s for ${minutes} minutes`)
  const client = new pg.Client({ connectionString: url })
  const holder = new pg.Client({ connectionString: url })
  await client.connect()
  await holder.connect()
  const durationMs = minutes * 60_000
  // A little longer than it is looked at: it has to begin first.
  const running = all({ ...job, perSecond: pace / BROKERS, durationMs: durationMs + STARTING_MS })
  await new Promise((resolve) => setTimeout(resolve, STARTING_MS))
  const looks: Look[] = []
  let before: { readonly atMs: number; readonly acked: number } | undefined
  const beganMs = performance.now()
  for (let i = 0; i < LOOKS; i++) {
    if (i === Math.floor(LOOKS / 4)) {
      await holder.query('begin isolation level repeatable read; select count(*) from pg_class')
    }
    if (i === Math.floor((LOOKS * 3) / 4)) await holder.query('rollback')
    const { rows } = await client.query<Sizes>(SIZES)
    const { table, index, body, acked } = rows[0] as Sizes
    const atMs = performance.now()
    if (before !== undefined) {
      const look: Look = {
        atS: (atMs - beganMs) / 1_000,
        held: i > Math.floor(LOOKS / 4) && i <= Math.floor((LOOKS * 3) / 4),
        acked: acked - before.acked,
        perSecond: ((acked - before.acked) * 1_000) / (atMs - before.atMs),
        tableMb: table,
        indexMb: index,
        bodyMb: body,
      }
      looks.push(look)
      console.error(rowOf(look).join('  '))
    }
    before = { atMs, acked }
    await new Promise((resolve) => setTimeout(resolve, durationMs / LOOKS))
  }
  await running
  await client.end()
  await holder.end()
  return { pace, looks }
}

function rowOf({ atS, held, perSecond, tableMb, indexMb, bodyMb }: Look): string[] {
  return [
    `${atS.toFixed(0)} s`,
    held ? 'held' : '',
    count(perSecond),
    ...[tableMb, indexMb, bodyMb].map((mb) => mb.toFixed(0)),
  ]
}

function judge(pace: number, looks: readonly Look[]): Verdict[] {
  const slowest = Math.min(...looks.map(({ perSecond }) => perSecond))
  const held = looks.filter((look) => look.held)
  const after = looks.filter(({ held: was, atS }) => !was && atS > (held.at(-1)?.atS ?? 0))
  const whole = (look: Look | undefined): number => (look === undefined ? 0 : look.tableMb + look.indexMb)
  const left = whole(held.at(-1)) - whole(looks.filter(({ atS }) => atS < (held[0]?.atS ?? 0)).at(-1))
  const moved = held.reduce((sum, { acked }) => sum + acked, 0)
  return [
    atLeast('slowest stretch, of the pace', slowest / pace, SAG_SHARE_MIN, 'times'),
    atMost('tables and indexes under the snapshot, a message', (left * 1_048_576) / moved, HELD_BYTES_MAX, 'bytes'),
    atMost(
      'tables and indexes in the end, of their size under the snapshot',
      whole(after.at(-1)) / whole(held.at(-1)),
      GROWTH_MAX,
      'times',
    ),
    atMost('bodies', Math.max(...looks.map(({ bodyMb }) => bodyMb)), 1_024, 'MiB'),
  ]
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } })
  const server = await PostgresServer.start({ settings: SETTINGS })
  try {
    const { pace, looks } = await soak(server, Number(values.minutes))
    console.log(describeRun())
    const head = ['after', 'snapshot', 'messages/s', 'tables, MiB', 'indexes, MiB', 'bodies, MiB']
    console.log(`\n${table(head, looks.map(rowOf))}\n`)
    const verdicts = judge(pace, looks)
    for (const { what, measured, figure, met } of verdicts)
      console.log(`${met ? 'met   ' : 'MISSED'} ${what}: ${measured} (${figure})`)
    return verdicts.every(({ met }) => met)
  } finally {
    await server.dispose()
  }
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
process.exitCode = (await main()) ? 0 : 1
