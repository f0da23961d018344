/** Counts of queues. */
import type { QueueMeasure, QueueTotals } from '../engine.ts'
import { stateCodes } from './entry.ts'
import type { Queue } from './queue.ts'
import type { Transaction } from './transaction.ts'

const NO_TOTALS: QueueTotals = { appended: 0, delivered: 0, acked: 0, released: 0, lost: 0, died: 0 }

interface CountRow {
  readonly qid: number
  readonly state: number
  readonly count: number
  readonly bytes: number
}

export async function measure(
  transaction: Transaction,
  queues: readonly Queue[],
  totals: ReadonlyMap<number, QueueTotals>,
): Promise<QueueMeasure[]> {
  const qids = queues.map(({ qid }) => qid)
  const counts = new Map<string, CountRow>()
  const rows = await transaction.rows<CountRow>(
    `select e.qid, e.state, count(*) as count, sum(e.bytes)::bigint as bytes from (
       select qid, state, bytes from spindle.live where qid = any($1::int[])
       union all select qid, state, bytes from spindle.parked where qid = any($1::int[])
     ) e group by e.qid, e.state`,
    qids,
  )
  for (const row of rows) counts.set(`${row.qid}:${row.state}`, row)
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
