/** Ops that make, change and empty queues: statements over all their rows, since a queue may hold millions. */
import type { MessageState } from '../../model/message.ts'
import { type RatePolicy, rerated } from '../../model/rate.ts'
import type { DropQueueOp, Outcome, PurgeOp, PutQueueOp } from '../engine.ts'
import { stateCodes } from './entry.ts'
import type { Image } from './image.ts'
import { QUEUE_COLUMNS, type Queue, type QueueRow, queueOf, sameOrder } from './queue.ts'

export async function putQueue(image: Image, op: PutQueueOp): Promise<Outcome> {
  const { queue: name, policy, expect, lifetime = { kind: 'durable' } } = op
  const before = image.queue(name)
  if (expect === 'absent' && before !== undefined) return { kind: 'mismatch', version: 1 }
  const version = await nextVersion(image)
  const rules = [JSON.stringify(policy), JSON.stringify(lifetime), version]
  const nowMs = image.now.monotonicMs
  if (before === undefined) {
    const [row] = await image.transaction.rows<QueueRow>(
      `insert into spindle.queue as q (qid, name, policy, lifetime, version, used)
       values (nextval('spindle.qid_seq'), $1, $2, $3, $4, $5) returning ${QUEUE_COLUMNS}`,
      name,
      ...rules,
      nowMs,
    )
    if (row === undefined) throw new Error('invariant: an insert without a row')
    image.setQueue(queueOf(row))
    return { kind: 'done' }
  }
  await image.flush()
  const after: Queue = {
    ...before,
    policy: queueOf({ ...EMPTY_ROW, policy: JSON.stringify(policy) }).policy,
    lifetime,
    version,
    usedAtMs: nowMs,
    fullMs: policy.rate === null || policy.rate === undefined ? 0 : rerated(policy.rate, before.fullMs, nowMs),
    ungroupedTurn: sameOrder(before.policy, policy) ? before.ungroupedTurn : 0,
  }
  await image.transaction.run(
    'update spindle.queue q set policy = $2, lifetime = $3, version = $4 where q.qid = $1',
    before.qid,
    ...rules,
  )
  image.setQueue(after)
  await regroup(image, before, after)
  image.hints.add(name)
  return { kind: 'done' }
}

const EMPTY_ROW: QueueRow = {
  qid: 0,
  name: '',
  policy: '{}',
  lifetime: '{"kind":"durable"}',
  version: 0,
  used: 0,
  full_ms: 0,
  turns: 0,
  ungrouped_turn: 0,
}

async function nextVersion(image: Image): Promise<number> {
  const [row] = await image.transaction.rows<{ version: number }>(
    'update spindle.catalog set version = version + 1 returning version',
  )
  if (row === undefined) throw new Error('invariant: a store without a catalog')
  return row.version
}

/** Brings the groups of a queue in line with its rules and its messages. */
async function regroup(image: Image, before: Queue, after: Queue): Promise<void> {
  const { groups } = after.policy
  const rate: RatePolicy | null = groups.kind === 'ordered' || groups.kind === 'fair' ? (groups.rate ?? null) : null
  const nowMs = image.now.monotonicMs
  const bucketMax = rate === null ? null : rerated(rate, Number.POSITIVE_INFINITY, nowMs)
  await image.flush()
  await image.transaction.run(
    'select spindle.regroup($1::int, $2::text, $3::boolean, $4::boolean, $5::float8, $6::float8)',
    after.qid,
    groups.kind,
    sameOrder(before.policy, after.policy),
    groups.kind === 'sticky',
    bucketMax,
    nowMs,
  )
  image.forgetRows()
}

export async function dropQueue(image: Image, { queue: name, ifEmpty }: DropQueueOp): Promise<Outcome> {
  const queue = image.queue(name)
  if (queue === undefined) return { kind: 'missing' }
  if (ifEmpty === true) {
    const { delayed, ready, leased } = await image.tally(queue)
    if (delayed + ready + leased > 0) return { kind: 'mismatch', version: 1 }
  }
  await removeQueue(image, queue)
  return { kind: 'done' }
}

export async function removeQueue(image: Image, queue: Queue): Promise<void> {
  await image.flush()
  await nextVersion(image)
  for (const statement of REMOVALS) await image.transaction.run(statement, queue.qid)
  image.forgetRows()
  image.forgetQueue(queue)
  image.hints.add(queue.name)
}

const REMOVALS = ['live', 'parked', 'returned', 'grp', 'dedup', 'queue'].map(
  (table) => `delete from spindle.${table} where qid = $1`,
)

export async function purge(image: Image, { queue: name, states = ['delayed', 'ready'] }: PurgeOp): Promise<Outcome> {
  const queue = image.queue(name)
  if (queue === undefined) return { kind: 'missing' }
  await image.flush()
  const codes = [...new Set<MessageState>(states)].map((state) => stateCodes[state])
  const counts = [
    await image.transaction.run(
      'delete from spindle.live where qid = $1 and state = any($2::smallint[])',
      queue.qid,
      codes,
    ),
    await image.transaction.run(
      'delete from spindle.parked where qid = $1 and state = any($2::smallint[])',
      queue.qid,
      codes,
    ),
  ]
  await image.transaction.run('delete from spindle.dedup where qid = $1', queue.qid)
  image.forgetRows()
  await regroup(image, queue, queue)
  return { kind: 'purged', count: counts.reduce((sum, count) => sum + count, 0) }
}
