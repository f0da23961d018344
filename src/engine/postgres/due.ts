/**
 * What time does by itself: delays end, leases run out, messages expire, retentions and holders end, idle queues go. First it is read,
 * without locks, what may be due; then its queues are locked, and each thing is judged as it stands.
 */
import { nextEvent } from '../../model/lifecycle.ts'
import { nextTokenMs, type RatePolicy } from '../../model/rate.ts'
import type { Catalog } from './catalog.ts'
import { type Entry, stateCodes } from './entry.ts'
import { Heap } from './heap.ts'
import type { Image } from './image.ts'
import type { LeaseBook } from './lease-book.ts'
import { endHolder, HELD_QUEUES, loseLease } from './leases.ts'
import type { Queue } from './queue.ts'
import { removeQueue } from './queues.ts'
import type { Transaction } from './transaction.ts'

export interface DueThings {
  /** Messages, by number. */
  readonly numbers: readonly number[]
  readonly holders: readonly string[]
  /** Queues of all of them, and those that may go for being idle. */
  readonly qids: ReadonlySet<number>
  readonly idle: readonly Queue[]
}

/** What may be due by `nowMs`, up to about `max` messages. Leases are taken out of the book. */
export async function findDue(
  transaction: Transaction,
  { catalog, book, nowMs, max }: { catalog: Catalog; book: LeaseBook; nowMs: number; max: number },
): Promise<DueThings> {
  const leases = book.takeDue(nowMs, max)
  const rows = await transaction.rows<{ number: number; qid: number }>(
    `(select e.id as number, e.qid from spindle.parked e where e.due <= $1 order by e.due limit $2)
     union all
     (select e.id, e.qid from spindle.live e where e.expires <= $1 and e.state = ${stateCodes.ready} order by e.expires limit $2)`,
    nowMs,
    max,
  )
  const holders = (
    await transaction.rows<{ name: string }>(
      'select h.name from spindle.holder h where h.until <= $1 order by h.until',
      nowMs,
    )
  ).map(({ name }) => name)
  const held = holders.length === 0 ? [] : await transaction.rows<{ qid: number }>(HELD_QUEUES, holders)
  const own = [...catalog.all()].filter(
    ({ lifetime }) => lifetime.kind === 'holder' && holders.includes(lifetime.holder),
  )
  const idle = await idleQueues(transaction, catalog, nowMs)
  const qids = [...leases, ...rows, ...held, ...own, ...idle].map(({ qid }) => qid)
  return { numbers: [...leases, ...rows].map(({ number }) => number), holders, qids: new Set(qids), idle }
}

async function idleQueues(transaction: Transaction, catalog: Catalog, nowMs: number): Promise<Queue[]> {
  const mortal = [...catalog.all()].flatMap((queue) =>
    queue.lifetime.kind === 'idle' ? [{ queue, idleMs: queue.lifetime.idleMs }] : [],
  )
  if (mortal.length === 0) return []
  const rows = await transaction.rows<{ qid: number }>(
    'select q.qid from unnest($1::int[], $2::float8[]) i(qid, ms) join spindle.queue q on q.qid = i.qid where q.used + i.ms <= $3',
    mortal.map(({ queue }) => queue.qid),
    mortal.map(({ idleMs }) => idleMs),
    nowMs,
  )
  const due = new Set(rows.map(({ qid }) => qid))
  return mortal.map(({ queue }) => queue).filter(({ qid }) => due.has(qid))
}

interface Deadline {
  readonly atMs: number
  readonly entry: Entry
}

/** Applies up to `budget` transitions that are due: those of messages by instant and sequence, then holders, then queues. */
export async function applyDue(image: Image, { numbers, holders, idle }: DueThings, budget: number): Promise<void> {
  const { monotonicMs: nowMs } = image.now
  await image.load(numbers)
  const deadlines = new Heap<Deadline>((a, b) => a.atMs - b.atMs || a.entry.sequence - b.entry.sequence)
  const note = (atMs: number, entry: Entry): void => {
    if (atMs <= nowMs) deadlines.push({ atMs, entry })
  }
  for (const number of new Set(numbers)) {
    const entry = image.entries.get(number)
    const next = entry === undefined ? undefined : nextEvent(entry.life)
    // In a queue that went elsewhere since it was found, it is looked for again.
    if (entry !== undefined && next !== undefined && image.queues.knows(entry.qid)) note(next.atMs, entry)
  }
  image.onDeadline = note
  let left = budget
  for (let due = deadlines.pop(); due !== undefined && left > 0; due = deadlines.pop()) {
    if (image.entries.get(due.entry.number) !== due.entry) continue
    left--
    await applyDeadline(image, due.entry)
  }
  image.onDeadline = undefined
  await image.loadHolders(holders)
  for (const holder of holders) {
    const untilMs = image.holders.get(holder)
    if (untilMs === undefined || untilMs > nowMs || left-- <= 0) continue
    await endHolder(image, holder, true)
  }
  for (const { qid } of idle) {
    const queue = image.queues.knows(qid) ? image.queues.get(qid) : undefined
    if (queue?.lifetime.kind !== 'idle' || queue.usedAtMs + queue.lifetime.idleMs > nowMs) continue
    if ((await image.tally(queue)).leased === 0 && left-- > 0) await removeQueue(image, queue)
  }
}

async function applyDeadline(image: Image, entry: Entry): Promise<void> {
  const next = nextEvent(entry.life)
  if (next === undefined) throw new Error('invariant: a deadline without its message')
  if (next.event.kind === 'lost') await loseLease(image, entry, true)
  else await image.apply(entry, next.event)
}

/** When the next thing is due, in the store's time; Infinity: nothing is. Also tidies up what ended without a trace. */
export async function nextDue(
  transaction: Transaction,
  { catalog, book, nowMs }: { catalog: Catalog; book: LeaseBook; nowMs: number },
): Promise<number> {
  const queues = [...catalog.all()]
  const idle = queues.flatMap(({ qid, lifetime }) => (lifetime.kind === 'idle' ? [{ qid, ms: lifetime.idleMs }] : []))
  const [row] = await transaction.rows<{ at: number | null }>(
    `select least(
       (select min(e.due) from spindle.parked e where e.due is not null),
       (select min(e.expires) from spindle.live e where e.expires is not null and e.state = ${stateCodes.ready}),
       (select min(h.until) from spindle.holder h),
       (select min(q.used + i.ms) from unnest($1::int[], $2::float8[]) i(qid, ms) join spindle.queue q on q.qid = i.qid
        where not exists (select from spindle.live e where e.qid = q.qid and e.state = ${stateCodes.leased}))
     ) as at`,
    idle.map(({ qid }) => qid),
    idle.map(({ ms }) => ms),
  )
  const lapse = await nextLapse(transaction, queues, nowMs)
  const token = await nextToken(transaction, queues, nowMs)
  const ends = [row?.at ?? undefined, book.nextMs, lapse, token].filter((at) => at !== undefined)
  return Math.min(Number.POSITIVE_INFINITY, ...ends)
}

/** Claims of sticky groups that end after `nowMs`; those before were told. */
async function nextLapse(
  transaction: Transaction,
  queues: readonly Queue[],
  nowMs: number,
): Promise<number | undefined> {
  const sticky = queues.filter(({ policy }) => policy.groups.kind === 'sticky').map(({ qid }) => qid)
  if (sticky.length === 0) return undefined
  const [row] = await transaction.rows<{ at: number | null }>(
    'select min(g.claim_until) as at from spindle.grp g where g.qid = any($1::int[]) and g.claim_until > $2',
    sticky,
    nowMs,
  )
  return row?.at ?? undefined
}

/** Buckets that get their next token after `nowMs`. */
async function nextToken(
  transaction: Transaction,
  queues: readonly Queue[],
  nowMs: number,
): Promise<number | undefined> {
  const of = queueRates(queues)
  if (of.length === 0) return undefined
  const [row] = await transaction.rows<{ at: number | null }>(
    `select min(t.at) as at from (${TOKENS}) t where t.at > $5`,
    ...of,
    nowMs,
  )
  return row?.at ?? undefined
}

/** Queues of whose claims or tokens something came between two instants: their watchers are to be told. */
export async function cameBetween(
  transaction: Transaction,
  catalog: Catalog,
  { afterMs, nowMs }: { afterMs: number; nowMs: number },
): Promise<number[]> {
  const queues = [...catalog.all()]
  const qids: number[] = []
  const of = queueRates(queues)
  if (of.length > 0) {
    const rows = await transaction.rows<{ qid: number }>(
      `select distinct t.qid from (${TOKENS}) t where t.at > $5 and t.at <= $6`,
      ...of,
      afterMs,
      nowMs,
    )
    qids.push(...rows.map(({ qid }) => qid))
  }
  const sticky = queues.filter(({ policy }) => policy.groups.kind === 'sticky').map(({ qid }) => qid)
  if (sticky.length > 0) {
    const rows = await transaction.rows<{ qid: number }>(
      'select distinct g.qid from spindle.grp g where g.qid = any($1::int[]) and g.claim_until > $2 and g.claim_until <= $3',
      sticky,
      afterMs,
      nowMs,
    )
    qids.push(...rows.map(({ qid }) => qid))
  }
  return qids
}

/** A bucket has a token from a constant after the instant at which it is full: nextTokenMs(full) = full + shift. */
const TOKENS = `
  select q.qid, q.full_ms + r.shift as at from unnest($1::int[], $2::float8[]) r(qid, shift) join spindle.queue q on q.qid = r.qid
  union all
  select g.qid, g.full_ms + r.shift from unnest($3::int[], $4::float8[]) r(qid, shift)
  join spindle.grp g on g.qid = r.qid where g.full_ms > 0`

function queueRates(queues: readonly Queue[]): [] | [number[], number[], number[], number[]] {
  const own: { qid: number; rate: RatePolicy }[] = []
  const ofGroups: { qid: number; rate: RatePolicy }[] = []
  for (const { qid, policy } of queues) {
    if (policy.rate !== null) own.push({ qid, rate: policy.rate })
    const { groups } = policy
    if ((groups.kind === 'ordered' || groups.kind === 'fair') && groups.rate) ofGroups.push({ qid, rate: groups.rate })
  }
  if (own.length + ofGroups.length === 0) return []
  const shift = ({ rate }: { rate: RatePolicy }): number => nextTokenMs(rate, 0)
  return [own.map(({ qid }) => qid), own.map(shift), ofGroups.map(({ qid }) => qid), ofGroups.map(shift)]
}

/** Removes what nobody can see any more: keys whose window is over, buckets that are full again. */
export async function tidy(transaction: Transaction, nowMs: number, max: number): Promise<void> {
  await transaction.run(
    `delete from spindle.dedup d where (d.qid, d.key) in (
       select x.qid, x.key from spindle.dedup x where x.until <= $1 limit $2 for update skip locked) and d.until <= $1`,
    nowMs,
    max,
  )
  await transaction.run('delete from spindle.grp g where g.size = 0 and g.full_ms <= $1', nowMs)
}
