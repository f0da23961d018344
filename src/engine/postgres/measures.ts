/** Counts of queues: exact while that is cheap, else estimates that say so. */
import type { QueueMeasure, QueueTotals } from '../engine.ts'
import { stateCodes } from './entry.ts'
import type { Queue } from './queue.ts'
import type { Transaction } from './transaction.ts'

const NO_TOTALS: QueueTotals = { appended: 0, delivered: 0, acked: 0, released: 0, lost: 0, died: 0 }

/** Messages of a queue that are counted one by one, in each table; of more, a sample says how many there are. */
const COUNTED_MAX = 50_000
/** Pages that a sample reads. */
const SAMPLE_PAGES = 2_000

interface CountRow {
  readonly qid: number
  readonly state: number
  readonly count: number
  readonly bytes: number
}

interface Counts {
  readonly rows: readonly CountRow[]
  /** Queues of which the rows are estimates. */
  readonly estimated: ReadonlySet<number>
}

async function counted(transaction: Transaction, table: 'live' | 'parked', qids: readonly number[]): Promise<Counts> {
  const rows = await transaction.rows<CountRow>(COUNT[table], qids, COUNTED_MAX)
  const sums = new Map<number, number>()
  for (const { qid, count } of rows) sums.set(qid, (sums.get(qid) ?? 0) + count)
  const large = [...sums].flatMap(([qid, sum]) => (sum >= COUNTED_MAX ? [qid] : []))
  if (large.length === 0) return { rows, estimated: new Set() }
  const exact = rows.filter(({ qid }) => !large.includes(qid))
  return { rows: [...exact, ...(await transaction.rows<CountRow>(SAMPLE[table], large))], estimated: new Set(large) }
}

const countOf = (table: string): string => `
  select w.qid, e.state, count(*) as count, sum(e.bytes)::bigint as bytes from unnest($1::int[]) w(qid)
  cross join lateral (select x.state, x.bytes from spindle.${table} x where x.qid = w.qid limit $2) e group by w.qid, e.state`
const COUNT = { live: countOf('live'), parked: countOf('parked') }

/** Counts what stands in some pages of the table, as if the others were like them. */
const sampleOf = (table: string): string => `
  with p as materialized (
    select least(100, 100.0 * ${SAMPLE_PAGES} / greatest(1, pg_relation_size('spindle.${table}') / current_setting('block_size')::int)) as share)
  select e.qid, e.state, round(count(*) * 100 / p.share)::bigint as count, round(sum(e.bytes) * 100 / p.share)::bigint as bytes
  from p, lateral (select x.qid, x.state, x.bytes from spindle.${table} x tablesample system (p.share)) e
  where e.qid = any($1::int[]) group by e.qid, e.state, p.share`
const SAMPLE = { live: sampleOf('live'), parked: sampleOf('parked') }

export async function measure(
  transaction: Transaction,
  queues: readonly Queue[],
  totals: ReadonlyMap<number, QueueTotals>,
): Promise<QueueMeasure[]> {
  const qids = queues.map(({ qid }) => qid)
  const counts = new Map<string, CountRow>()
  // What lives is in one of them, what has ended or waits for its time in the other; each state in one alone.
  const found = [await counted(transaction, 'live', qids), await counted(transaction, 'parked', qids)]
  for (const { rows } of found) for (const row of rows) counts.set(`${row.qid}:${row.state}`, row)
  const oldest = await oldestReady(transaction, queues)
  return queues.map(({ qid, name, policy, lifetime }): QueueMeasure => {
    const of = (state: keyof typeof stateCodes): number => counts.get(`${qid}:${stateCodes[state]}`)?.count ?? 0
    const bytes = Object.values(stateCodes).reduce<number>(
      (sum, code) => sum + (counts.get(`${qid}:${code}`)?.bytes ?? 0),
      0,
    )
    return {
      queue: name,
      policy,
      lifetime,
      delayed: of('delayed'),
      ready: of('ready'),
      leased: of('leased'),
      done: of('done'),
      dead: of('dead'),
      bytes,
      ...(found.some(({ estimated }) => estimated.has(qid)) ? { estimated: true } : {}),
      oldestReadyAtMs: oldest.get(qid),
      totals: { ...NO_TOTALS, ...totals.get(qid) },
    }
  })
}

/** When the first ready message of each queue was appended; where groups have an order, the first that none of its group holds back. */
async function oldestReady(transaction: Transaction, queues: readonly Queue[]): Promise<Map<number, number>> {
  const ordered = queues.filter(({ policy: { groups } }) => groups.kind === 'ordered' || groups.kind === 'sticky')
  const others = queues.filter((queue) => !ordered.includes(queue))
  const first = (outside: string): string => `
    select w.qid, e.enqueued, e.rank, e.ord from unnest($1::int[]) w(qid) cross join lateral (
      select e.enqueued, e.rank, e.ord from spindle.live e where e.qid = w.qid and e.state = ${stateCodes.ready} ${outside}
      order by e.rank, e.ord limit 1) e`
  const heads = `
    select w.qid, e.enqueued, e.rank, e.ord from unnest($1::int[]) w(qid) cross join lateral (
      select e.enqueued, e.rank, e.ord from spindle.grp g
      join spindle.live e on e.qid = g.qid and e.rank = g.head_rank and e.ord = g.head_ord
      where g.qid = w.qid and g.head_ready order by g.head_rank, g.head_ord limit 1) e`
  const oldest = new Map<number, number>()
  const keep = (rows: readonly { qid: number; enqueued: number }[]): void => {
    for (const { qid, enqueued } of rows) oldest.set(qid, enqueued)
  }
  if (others.length > 0)
    keep(
      await transaction.rows(
        first(''),
        others.map(({ qid }) => qid),
      ),
    )
  if (ordered.length > 0) {
    keep(
      await transaction.rows(
        `select distinct on (u.qid) u.qid, u.enqueued from (${first('and e.gid is null')} union all ${heads}) u
         order by u.qid, u.rank, u.ord`,
        ordered.map(({ qid }) => qid),
      ),
    )
  }
  return oldest
}
