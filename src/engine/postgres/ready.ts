/**
 * Which ready messages come next. Outside of groups that is one range of the primary key; groups take turns, and the server keeps the
 * first of each line, so that only the groups whose turn it is are read.
 */
import { nextTokenMs, type RatePolicy, spendTokens, tokensAt } from '../../model/rate.ts'
import type { LeaseRequest } from '../engine.ts'
import { byPlace, ENTRY_COLUMNS, type Entry, type EntryRow, stateCodes } from './entry.ts'
import { GROUP_COLUMNS, type Group, type GroupRow, groupOf, NEW_GROUP } from './group.ts'
import type { Image } from './image.ts'
import { groupKey } from './image-parts.ts'
import type { Queue } from './queue.ts'

const READY = `e.state = ${stateCodes.ready}`

/** The first `max` ready messages of a queue without groups, or those of one with groups that are in none. */
async function readyByPlace(image: Image, { qid, policy }: Queue, max: number): Promise<Entry[]> {
  await image.flush()
  const outside = policy.groups.kind === 'none' ? '' : 'and e.gid is null'
  const rows = await image.transaction.rows<EntryRow>(
    `select ${ENTRY_COLUMNS} from spindle.live e where e.qid = $1 and ${READY} ${outside} order by e.rank, e.ord limit $2`,
    qid,
    max,
  )
  return image.keepRows(rows)
}

/** The first ready message that none of its group holds back, in the queue's order. */
export async function firstReady(image: Image, queue: Queue): Promise<Entry | undefined> {
  const { kind } = queue.policy.groups
  await image.flush()
  const select = `select ${ENTRY_COLUMNS} from spindle.live e where e.qid = $1 and ${READY}`
  const rows =
    kind === 'none' || kind === 'fair'
      ? await image.transaction.rows<EntryRow>(`${select} order by e.rank, e.ord limit 1`, queue.qid)
      : await image.transaction.rows<EntryRow>(
          `(${select} and e.gid is null order by e.rank, e.ord limit 1)
           union all (select ${ENTRY_COLUMNS} from spindle.grp g
             join spindle.live e on e.qid = g.qid and e.rank = g.head_rank and e.ord = g.head_ord
             where g.qid = $1 and g.head_ready order by g.head_rank, g.head_ord limit 1)`,
          queue.qid,
        )
  return (await image.keepRows(rows)).sort(byPlace)[0]
}

/** A group whose turn may come, with those of its line that may go. */
interface Line {
  readonly key: string
  /** As the queue serves them; of an ordered group, up to the first that is not ready. */
  readonly members: Entry[]
  next: number
}

/** Those that a lease takes, in order, with what the taking does to turns, claims and buckets. `grant` leases each before the next is chosen. */
export async function takeReady(
  image: Image,
  queue: Queue,
  { request, max, grant }: { request: LeaseRequest; max: number; grant: (entry: Entry) => Promise<void> },
): Promise<void> {
  if (max === 0) return
  const ungrouped = await readyByPlace(image, queue, max)
  if (queue.policy.groups.kind === 'none') {
    for (const entry of ungrouped) await grant(entry)
    return
  }
  const lines = await readLines(image, queue, request, max)
  for (let left = max, lane = 0; left > 0; left--) {
    const first = ungrouped[lane]
    const turn = nextTurn(image, queue, lines)
    if (turn === undefined || (first !== undefined && isUngroupedFirst(image, queue, first, turn))) {
      if (first === undefined) return
      lane++
      serveUngrouped(image, queue)
      await grant(first)
      continue
    }
    const { line, entry } = turn
    line.next++
    serve(image, queue, line.key, request)
    await grant(entry)
  }
}

function groupRate({ policy: { groups } }: Queue): RatePolicy | null {
  return groups.kind === 'fair' || groups.kind === 'ordered' ? (groups.rate ?? null) : null
}

/** The groups whose turn comes first, at most as many as messages are wanted, each with the members it can give. */
async function readLines(image: Image, queue: Queue, request: LeaseRequest, max: number): Promise<Line[]> {
  const { groups } = queue.policy
  const rate = groupRate(queue)
  const nowMs = image.now.monotonicMs
  // A bucket has a token from nextTokenMs(full) on; that is full plus a constant.
  const fullMax = rate === null ? null : nowMs - nextTokenMs(rate, 0)
  const concurrency = groups.kind === 'fair' ? groups.concurrency : null
  const chosen = await image.transaction.rows<GroupRow>(
    `select ${GROUP_COLUMNS} from spindle.grp g where g.qid = $1 and g.head_ready
       and ($2::float8 is null or g.full_ms <= $2) and ($3::int is null or g.leased < $3)
       and (not $4::boolean or g.claim_until is null or g.claim_until <= $5 or g.claim_consumer = $6::text)
     order by g.turn, g.head_rank, g.head_ord limit $7`,
    queue.qid,
    fullMax,
    concurrency,
    groups.kind === 'sticky',
    nowMs,
    request.consumer ?? null,
    max,
  )
  if (chosen.length === 0) return []
  for (const row of chosen) image.groups.loaded(groupKey(row.qid, row.gid), groupOf(row))
  const each = chosen.length >= max ? 1 : max
  const fair = groups.kind === 'fair'
  const ready = `select ${ENTRY_COLUMNS} from spindle.live e where e.qid = $1 and e.gid = c.gid and e.gid is not null`
  const order = 'order by e.rank, e.ord limit $3'
  const rows = await image.transaction.rows<EntryRow>(
    fair
      ? `select e.* from unnest($2::text[]) c(gid) cross join lateral (${ready} and ${READY} ${order}) e`
      : `select e.* from unnest($2::text[]) c(gid) cross join lateral (
           select * from ((${ready} ${order}) union all
             (select ${ENTRY_COLUMNS} from spindle.parked e
              where e.qid = $1 and e.gid = c.gid and e.gid is not null and e.state = ${stateCodes.delayed} ${order})) e ${order}
         ) e`,
    queue.qid,
    chosen.map(({ gid }) => gid),
    each,
  )
  const members = new Map<string | undefined, Entry[]>(chosen.map(({ gid }) => [gid, []]))
  for (const entry of await image.keepRows(rows)) members.get(entry.groupId)?.push(entry)
  return chosen.map(({ gid }) => {
    const line = (members.get(gid) ?? []).sort(byPlace)
    const blocked = line.findIndex(({ life }) => life.state.kind !== 'ready')
    return { key: groupKey(queue.qid, gid), members: blocked < 0 ? line : line.slice(0, blocked), next: 0 }
  })
}

/** The member that comes next by turns. */
function nextTurn(image: Image, queue: Queue, lines: readonly Line[]): { line: Line; entry: Entry } | undefined {
  const { groups } = queue.policy
  const rate = groupRate(queue)
  const concurrency = groups.kind === 'fair' ? groups.concurrency : null
  let best: { line: Line; entry: Entry; turn: number } | undefined
  for (const line of lines) {
    const entry = line.members[line.next]
    const group = image.groups.get(line.key)
    if (entry === undefined || group === undefined) continue
    if (concurrency !== null && group.leased >= concurrency) continue
    if (rate !== null && tokensAt(rate, group.fullMs, image.now.monotonicMs) === 0) continue
    const { turn } = group
    if (best === undefined || turn < best.turn || (turn === best.turn && byPlace(entry, best.entry) < 0)) {
      best = { line, entry, turn }
    }
  }
  return best
}

/** Is it the turn of those without a group? In a queue that is not fair they come by place. */
function isUngroupedFirst(
  image: Image,
  queue: Queue,
  first: Entry,
  { line, entry }: { line: Line; entry: Entry },
): boolean {
  const { ungroupedTurn } = image.queueOf(queue)
  const turns = queue.policy.groups.kind === 'fair' ? ungroupedTurn - (image.groups.get(line.key)?.turn ?? 0) : 0
  return turns < 0 || (turns === 0 && byPlace(first, entry) < 0)
}

function serve(image: Image, queue: Queue, key: string, request: LeaseRequest): void {
  const current = image.queueOf(queue)
  const turn = current.turns + 1
  image.queues.set(queue.qid, { ...current, turns: turn })
  const group = image.groups.get(key) ?? NEW_GROUP(queue.qid, key)
  const rate = groupRate(queue)
  const nowMs = image.now.monotonicMs
  const served: Group = {
    ...group,
    turn,
    fullMs: rate === null ? group.fullMs : spendTokens(rate, group.fullMs, nowMs, 1),
    claim:
      queue.policy.groups.kind === 'sticky' && request.consumer !== undefined
        ? { consumer: request.consumer, holder: request.lease.holder, untilMs: nowMs + queue.policy.leaseMs }
        : group.claim,
  }
  image.groups.set(key, served)
}

function serveUngrouped(image: Image, queue: Queue): void {
  if (queue.policy.groups.kind !== 'fair') return
  const current = image.queueOf(queue)
  const turn = current.turns + 1
  image.queues.set(queue.qid, { ...current, turns: turn, ungroupedTurn: turn })
}
