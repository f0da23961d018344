/** The commit verb: ops, one after another, each seeing what those before it did; a failed required one takes all back. */
import type { LifeEvent } from '../../model/lifecycle.ts'
import type { AppendOutcome, Content, RefusalReason, SettleOutcome } from '../../model/message.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import {
  type AppendOp,
  type CountOp,
  HOLDER_TTL_MS_DEFAULT,
  type Op,
  type Outcome,
  type RecordOp,
  type SettleOp,
  type SimpleOp,
  type Unit,
} from '../engine.ts'
import { ENTRY_COLUMNS, type Entry, type EntryRow, rankOf, stateCodes, stateOf } from './entry.ts'
import type { Image } from './image.ts'
import { type ContentPlace, dedupKey, groupKey } from './image-parts.ts'
import { isGrouped, type Queue } from './queue.ts'
import { dropQueue, purge, putQueue } from './queues.ts'
import { firstReady } from './ready.ts'
import { parseReceipt } from './receipts.ts'

/** Loads what the units name, in a few statements for all of them. */
export async function prefetch(image: Image, units: readonly Unit[]): Promise<void> {
  const ops = units.flatMap((unit) => unit.ops.flatMap(withReached))
  const numbers: number[] = []
  const keys: { qid: number; key: string }[] = []
  const groups: { qid: number; groupId: string }[] = []
  const records: string[] = []
  let arrivals = 0
  for (const op of ops) {
    if (op.kind === 'settle') numbers.push(parseReceipt(op.receipt).number)
    else if (op.kind === 'record' || op.kind === 'count') records.push(op.key)
    else if (op.kind === 'append') {
      arrivals += 2
      const queue = image.queue(op.queue)
      const { id, dedupId, groupId } = op.message
      if (id !== undefined) numbers.push(image.numberOf(id) ?? 0)
      if (queue === undefined) continue
      if (dedupId !== undefined) keys.push({ qid: queue.qid, key: dedupId })
      if (groupId !== undefined && isGrouped(queue)) groups.push({ qid: queue.qid, groupId })
    }
  }
  await image.load(numbers)
  await image.loadDedup(keys)
  await image.loadGroups(groups)
  await image.loadRecords(records)
  if (arrivals > 0) await image.reserveNumbers(arrivals)
}

function withReached(op: Op): Op[] {
  return op.kind === 'count' ? [op, ...op.whenReached] : [op]
}

/** Ops that change many rows by a statement of their own, which cannot be taken back here. */
function changesMany(op: Op): boolean {
  return op.kind === 'putQueue' || op.kind === 'dropQueue' || op.kind === 'purge'
}

export async function applyUnit(image: Image, { ops }: Unit): Promise<Outcome[]> {
  const copies = new Map<Content, ContentPlace>()
  const outcomes: Outcome[] = []
  const all = ops.flatMap(withReached)
  const saved = all.some(changesMany) && all.some((op) => 'required' in op && op.required === true)
  if (saved) {
    await image.flush()
    await image.transaction.script('savepoint unit')
  }
  image.undo.forget()
  for (const op of ops) {
    const outcome = await applyOp(image, op, copies)
    outcomes.push(outcome.value)
    if (!outcome.aborts) continue
    image.undo.rollBack()
    if (saved) {
      await image.transaction.script('rollback to savepoint unit')
      await image.reload()
    }
    const at = outcomes.length - 1
    return ops.map((_, i): Outcome => (i === at ? outcome.value : { kind: 'aborted' }))
  }
  image.undo.forget()
  return outcomes
}

interface Applied {
  readonly value: Outcome
  readonly aborts: boolean
}

async function applyOp(image: Image, op: Op, copies: Map<Content, ContentPlace>): Promise<Applied> {
  switch (op.kind) {
    case 'append':
      return judged(await append(image, op, copies), op.required)
    case 'settle':
      return judged(await settle(image, op), op.required)
    case 'record':
      return judged(await writeRecord(image, op), op.required)
    case 'putQueue':
      if (op.lifetime?.kind === 'holder' && !(op.expect === 'absent' && image.queue(op.queue) !== undefined)) {
        await meetHolder(image, op.lifetime.holder)
      }
      return judged(await putQueue(image, op), op.required)
    case 'dropQueue':
      return judged(await dropQueue(image, op), op.required)
    case 'purge':
      return judged(await purge(image, op), false)
    case 'count':
      return count(image, op, copies)
    default:
      return op satisfies never
  }
}

function judged(value: Outcome, required: boolean | undefined): Applied {
  const { kind } = value
  const failed = kind === 'stale' || kind === 'duplicate' || kind === 'refused' || kind === 'mismatch'
  return { value, aborts: failed && required === true }
}

async function append(
  image: Image,
  { queue: name, message }: AppendOp,
  copies: Map<Content, ContentPlace>,
): Promise<AppendOutcome> {
  const queue = image.queue(name)
  if (queue === undefined) return refused('no-such-queue')
  const { policy } = queue
  const { dedupId, groupId, history = [], delayMs, ttlMs, content: given } = message
  const rank = rankOf(Math.min(message.priority ?? 0, policy.priorityMax ?? Number.POSITIVE_INFINITY))
  const bytes = given.body.length + given.head.length
  if (bytes > image.limits.messageBytesMax) return refused('too-large')
  if (groupId === undefined && needsGroup(policy)) return refused('group-required')
  const number = await ownNumber(image, message.id)
  if (number === 'in use') return refused('id-in-use')
  const like = dedupId === undefined ? undefined : await heldDedup(image, queue, dedupId)
  if (like !== undefined && policy.dedup.kind !== 'replace') return { kind: 'duplicate', of: image.idOf(like) }
  const old = like === undefined ? undefined : image.entries.get(like)
  const room = await roomFor(image, queue, bytes, old)
  if (room === 'none' && policy.overflow !== 'rejectDeadLetter') return refused('queue-full')
  const content = copies.get(given) ?? (await image.placeContent(given))
  copies.set(given, content)
  const arrival = { content, rank, groupId, delayMs, ttlMs, history }
  if (room !== 'free') {
    // One that dies on its arrival holds no dedup key: the next one like it is judged anew.
    const dying = await image.arrive(queue, { ...arrival, number, dedupId: undefined })
    await image.apply(dying, { kind: 'overflow' })
    return room === 'none' ? refused('queue-full') : stored(image, dying)
  }
  if (old !== undefined) image.put(old, undefined)
  const entry = await image.arrive(queue, { ...arrival, number: old?.number ?? number, dedupId })
  if (dedupId !== undefined) holdDedup(image, queue, entry, dedupId)
  return old === undefined ? stored(image, entry) : { ...stored(image, entry), replaced: true }
}

/** The number of an id that this store gave before; undefined: the message gets a new one. */
async function ownNumber(image: Image, id: AppendOp['message']['id']): Promise<number | undefined | 'in use'> {
  const number = id === undefined ? undefined : image.numberOf(id)
  if (number === undefined || !(await image.wasGiven(number))) return undefined
  await image.load([number])
  return image.entries.get(number) === undefined ? number : 'in use'
}

/** Do its groups have an order, so that a message without a group has no place? */
function needsGroup({ groups: { kind } }: QueuePolicy): boolean {
  return kind === 'ordered' || kind === 'sticky'
}

function stored(image: Image, { number, sequence }: Entry): Extract<AppendOutcome, { kind: 'stored' }> {
  return { kind: 'stored', id: image.idOf(number), sequence }
}

function refused(reason: RefusalReason): AppendOutcome {
  return { kind: 'refused', reason }
}

async function heldDedup(image: Image, queue: Queue, dedupId: string): Promise<number | undefined> {
  const { kind } = queue.policy.dedup
  if (kind === 'none') return undefined
  await image.loadDedup([{ qid: queue.qid, key: dedupId }])
  const held = image.dedup.get(dedupKey(queue.qid, dedupId))
  if (held === undefined) return undefined
  if (held.untilMs !== undefined && held.untilMs <= image.now.monotonicMs) return undefined
  if (kind === 'window' || kind === 'queued') return held.number
  await image.load([held.number])
  const like = image.entries.get(held.number)
  if (like === undefined || like.qid !== queue.qid) return undefined
  const state = stateOf(like)
  return state === 'delayed' || state === 'ready' ? held.number : undefined
}

function holdDedup(image: Image, queue: Queue, { number }: Entry, dedupId: string): void {
  const { dedup } = queue.policy
  if (dedup.kind === 'none') return
  const untilMs = dedup.kind === 'window' ? image.now.monotonicMs + dedup.windowMs : undefined
  image.dedup.set(dedupKey(queue.qid, dedupId), { number, untilMs })
}

/**
 * Makes room for a message of so many bytes, in the place of `old` if that is given. `none`: the queue is full, and there is
 * no ready message to drop. `dies`: so it is, and the policy drops the new one, too.
 */
async function roomFor(
  image: Image,
  queue: Queue,
  bytes: number,
  old: Entry | undefined,
): Promise<'free' | 'none' | 'dies'> {
  const { lengthMax, lengthBytesMax, lengthCounts, overflow } = queue.policy
  if (lengthMax === null && lengthBytesMax === null) return 'free'
  const tally = await image.tally(queue)
  const counted = (): { length: number; bytes: number } => {
    const leased = lengthCounts === 'live' ? 1 : 0
    return {
      length: tally.delayed + tally.ready + leased * tally.leased,
      bytes: tally.delayedBytes + tally.readyBytes + leased * tally.leasedBytes,
    }
  }
  const fits = (of: { readonly length: number; readonly bytes: number }): boolean =>
    (lengthMax === null || of.length < lengthMax) && (lengthBytesMax === null || of.bytes + bytes <= lengthBytesMax)
  const full = overflow === 'dropHead' && lengthCounts === 'waiting' ? 'dies' : 'none'
  // A replacement makes the queue no longer, and drops nobody else.
  if (old !== undefined) return fits({ length: -1, bytes: counted().bytes - old.bytes }) ? 'free' : full
  if (fits(counted())) return 'free'
  if (overflow !== 'dropHead' || !fits({ length: 0, bytes: 0 })) return full
  // Bounded: what a drop moves or tells may come back to this very queue.
  for (let left = tally.delayed + tally.ready + tally.leased; !fits(counted()); left--) {
    const head = left < 0 ? undefined : await firstReady(image, queue)
    if (head === undefined) return full
    await image.apply(head, { kind: 'overflow' })
  }
  return 'free'
}

async function settle(image: Image, { receipt, how }: SettleOp): Promise<SettleOutcome> {
  const { qid, number, token } = parseReceipt(receipt)
  await image.load([number])
  const entry = image.entries.get(number)
  // A message that moved to another queue remembers no token of this one.
  if (entry === undefined || entry.qid !== qid) return { kind: 'stale' }
  const decision = image.decide(entry, settlementEvent(how, token))
  if (decision.kind === 'stale') return decision
  const queue = image.queueOf(entry)
  prolongClaim(image, queue, entry)
  await image.enact(entry, decision)
  image.use(qid)
  if (how.kind === 'ack') {
    image.count(qid, 'acked')
    await trimDone(image, queue)
  } else if (how.kind === 'release') image.count(qid, 'released')
  return { kind: 'settled' }
}

function settlementEvent(how: SettleOp['how'], token: number): LifeEvent {
  switch (how.kind) {
    case 'ack':
      return { kind: 'ack', token, keep: how.keep, retainMs: how.retainMs }
    case 'release': {
      const { delayMs = 0, spend = true, note } = how
      return { kind: 'release', token, delayMs, spend, note }
    }
    case 'bury':
      return { kind: 'bury', token, reason: how.reason, note: how.note }
    default:
      return how satisfies never
  }
}

/** A sticky group stays with its consumer for a while after each settle. */
function prolongClaim(image: Image, queue: Queue, { groupId }: Entry): void {
  if (groupId === undefined || !isGrouped(queue)) return
  const key = groupKey(queue.qid, groupId)
  const group = image.groups.get(key)
  if (group?.claim === undefined) return
  const untilMs = image.now.monotonicMs + queue.policy.leaseMs
  image.groups.set(key, { ...group, claim: { ...group.claim, untilMs } })
}

/** Keeps at most `doneMax` results, the oldest out first. */
async function trimDone(image: Image, queue: Queue): Promise<void> {
  const { doneMax } = queue.policy
  if (doneMax === null) return
  await image.flush()
  const rows = await image.transaction.rows<EntryRow>(
    `select ${ENTRY_COLUMNS} from spindle.parked e where e.qid = $1 and e.state = ${stateCodes.done}
     order by e.change desc offset $2`,
    queue.qid,
    doneMax,
  )
  for (const entry of await image.keepRows(rows)) await image.apply(entry, { kind: 'retentionEnded' })
}

async function writeRecord(image: Image, { key, value, expect }: RecordOp): Promise<Outcome> {
  await image.loadRecords([key])
  const version = image.records.get(key)?.version ?? 0
  if (expect !== undefined && expect !== version) return { kind: 'mismatch', version }
  if (value === null) {
    image.records.set(key, undefined)
    return { kind: 'written', version: 0 }
  }
  image.records.set(key, { value, version: version + 1 })
  return { kind: 'written', version: version + 1 }
}

async function count(image: Image, op: CountOp, copies: Map<Content, ContentPlace>): Promise<Applied> {
  await image.loadRecords([op.key])
  const value = counted(image.records.get(op.key)?.value) + op.by
  const fired = value >= op.at
  if (!fired) {
    await writeRecord(image, { kind: 'record', key: op.key, value: encoder.encode(String(value)) })
    return { value: { kind: 'counted', value, fired }, aborts: false }
  }
  image.records.set(op.key, undefined)
  for (const then of op.whenReached) {
    const applied = await applyOp(image, then, copies)
    if (applied.aborts) return applied
  }
  return { value: { kind: 'counted', value, fired }, aborts: false }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A counter is kept as decimal text. Whatever else stands under the key counts as 0. */
function counted(value: Uint8Array | undefined): number {
  const number = value === undefined ? 0 : Number(decoder.decode(value))
  return Number.isFinite(number) ? number : 0
}

/** A holder that nobody renewed lives for a while from where it is first named. */
export async function meetHolder(image: Image, holder: string): Promise<void> {
  await image.loadHolders([holder])
  if (image.holders.get(holder) === undefined) {
    image.holders.set(holder, image.now.monotonicMs + HOLDER_TTL_MS_DEFAULT)
  }
}

/** Queues that the ops name, and those of their receipts by number: what has to be locked. */
export function namedBy(units: readonly Unit[]): { readonly names: Set<string>; readonly qids: Set<number> } {
  const names = new Set<string>()
  const qids = new Set<number>()
  const visit = (op: SimpleOp): void => {
    if (op.kind === 'settle') qids.add(parseReceipt(op.receipt).qid)
    else if (op.kind !== 'record') names.add(op.queue)
  }
  for (const { ops } of units) for (const op of ops.flatMap(withReached)) if (op.kind !== 'count') visit(op)
  return { names, qids }
}

/** Does any of them make, change or drop a queue? Then nobody else may decide by the catalog meanwhile. */
export function changesCatalog(units: readonly Unit[]): boolean {
  return units.some(
    ({ ops, catalog = false }) =>
      catalog || ops.flatMap(withReached).some(({ kind }) => kind === 'putQueue' || kind === 'dropQueue'),
  )
}
