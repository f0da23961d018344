/**
 * The short way: appends, claims and acks of plain queues, gathered into one statement each (schema-plain.ts). Whatever does not fit, and
 * whatever finds a queue changed, takes the long way.
 */

import type { Now } from '../../model/lifecycle.ts'
import type { Limits } from '../../model/limits.ts'
import type { Delivery, ExtendOutcome, Receipt } from '../../model/message.ts'
import { formatId, type StoreTag } from '../../model/message-id.ts'
import type { AppendOp, LeaseRequest, Op, Outcome, QueueTotals, SettleOp, Unit } from '../engine.ts'
import { HOLDER_TTL_MS_DEFAULT } from '../engine.ts'
import { Batcher } from './batcher.ts'
import type { Catalog } from './catalog.ts'
import { Appends, arrayOf, NamedQueues } from './columns.ts'
import type { Database } from './database.ts'
import { bytesOf, type EntryRow, historyOf, priorityOf, rankOf } from './entry.ts'
import { QueueFloors } from './floors.ts'
import type { LeaseBook } from './lease-book.ts'
import type { Queue } from './queue.ts'
import { formatReceipt, parseReceipt } from './receipts.ts'
import type { Transaction } from './transaction.ts'
import { wallOf } from './views.ts'

export interface PlainParts {
  readonly database: Database
  readonly catalog: Catalog
  readonly limits: Limits
  readonly book: LeaseBook
  readonly tag: StoreTag
  readonly lockClass: number
  readonly epoch: number
  readonly now: () => Now
  readonly nextToken: () => number
  readonly count: (qid: number, total: keyof QueueTotals, by: number) => void
  /** Should a claim that finds nothing ask other brokers for a word? Then as which epoch. */
  readonly arms: (queue: Queue) => number | null
  /** A claim failed, and may have been granted all the same. */
  readonly lostTrack: () => void
  /** Something becomes due then. */
  readonly due: (atMs: number) => void
  readonly hint: (queues: Iterable<string>) => void
}

/** Messages, and bytes of them, that one statement carries. */
const BATCH_MESSAGES = 1_000
const BATCH_BYTES = 4 * 1_048_576
/** Appends keep the order of their calls, so one statement of them is under way at a time. */
const IN_ORDER = { atOnce: 1, weightMax: BATCH_MESSAGES }
const SIDE_BY_SIDE = { atOnce: 2, weightMax: BATCH_MESSAGES }

/** May calls on it go side by side? No lines, caps, pace or idleness that a call would have to see the others for. */
export function isPlain({ policy, lifetime }: Queue): boolean {
  return (
    policy.groups.kind === 'none' &&
    policy.lengthMax === null &&
    policy.lengthBytesMax === null &&
    policy.concurrency === null &&
    policy.rate === null &&
    !policy.paused &&
    lifetime.kind !== 'idle'
  )
}

/** undefined: the queue is not as it was thought to be, and nothing happened. */
type Tried<T> = T | undefined

/** Units of one kind of op. */
type Calls<O> = readonly (readonly O[])[]

type Once = <T>(attempted: string, run: (transaction: Transaction) => Promise<T>) => Promise<T>

interface Claim {
  readonly queue: Queue
  readonly max: number
  readonly leaseMs: number | undefined
  readonly holder: string | undefined
}

export class PlainWay {
  readonly #parts: PlainParts
  readonly #appends: Batcher<Calls<AppendOp>, Tried<Outcome[]>[]>
  readonly #acks: Batcher<Calls<SettleOp>, Tried<Outcome[]>[]>
  readonly #extends: Batcher<{ receipt: Receipt; leaseMs: number }, Tried<ExtendOutcome>>
  readonly #claims = new Map<string, Batcher<Claim, Tried<Delivery[]>>>()
  readonly #floors = new Map<number, QueueFloors>()

  readonly #once: Once

  constructor(parts: PlainParts) {
    this.#parts = parts
    this.#once = (attempted, run) => parts.database.once(attempted, run)
    this.#appends = new Batcher({
      run: (calls) => ofAll(calls, (units) => this.#append(units)),
      weigh: (units) => units.reduce((sum, unit) => sum + weightOf(unit), 0),
      limits: IN_ORDER,
    })
    this.#acks = new Batcher({
      run: (calls) => ofAll(calls, (units) => this.#ack(units)),
      weigh: (units) => units.reduce((sum, unit) => sum + lengthOf(unit), 0),
      limits: SIDE_BY_SIDE,
    })
    this.#extends = new Batcher({ run: (asked) => this.#extend(asked), weigh: () => 1, limits: SIDE_BY_SIDE })
  }

  /** The outcomes, where all of the units can go this way; undefined: they cannot. */
  async commit(units: readonly Unit[]): Promise<Tried<Tried<Outcome[]>[]>> {
    if (units.length === 0) return undefined
    if (this.#areAppends(units)) return inParts(opsOf<AppendOp>(units), weightOf, (part) => this.#appends.add(part))
    if (this.#areAcks(units)) return inParts(opsOf<SettleOp>(units), lengthOf, (part) => this.#acks.add(part))
    return undefined
  }

  #areAppends(units: readonly Unit[]): boolean {
    return units.every(({ ops }) => ops.length > 0 && ops.every((op) => this.#isPlainAppend(op)))
  }

  #areAcks(units: readonly Unit[]): boolean {
    return units.every(({ ops }) => ops.length > 0 && ops.every((op) => this.#isPlainAck(op)))
  }

  #isPlainAppend(op: Op): boolean {
    if (op.kind !== 'append') return false
    const queue = this.#parts.catalog.byName(op.queue)
    if (queue === undefined || !isPlain(queue)) return false
    const { id, dedupId, history, content } = op.message
    const judged = dedupId !== undefined && queue.policy.dedup.kind !== 'none'
    const tooLarge = content.body.length + content.head.length > this.#parts.limits.messageBytesMax
    return id === undefined && !judged && (history?.length ?? 0) === 0 && !tooLarge
  }

  #isPlainAck(op: Op): boolean {
    if (op.kind !== 'settle' || op.how.kind !== 'ack' || op.how.keep !== undefined || op.required === true) return false
    const queue = this.#parts.catalog.byId(parseReceipt(op.receipt).qid)
    return queue !== undefined && isPlain(queue)
  }

  /** `late`: it commits nobody knows when, so each place is named in `returned`, and its watchers are told by that commit. */
  async #append(units: Calls<AppendOp>, once = this.#once, late = false): Promise<Tried<Outcome[]>[]> {
    const { catalog, lockClass, epoch, now, tag, due, count, hint } = this.#parts
    const at = now()
    const written = new Appends(catalog, at)
    for (const unit of units) if (!written.add(unit)) return units.map(() => undefined)
    const named = written.queues
    const [row] = await once('commit', (transaction) =>
      transaction.rows<{ nums: string | null }>(
        APPEND,
        lockClass,
        ...named.columns,
        ...written.columns(),
        at.wallMs,
        epoch,
        late,
      ),
    )
    if (row === undefined || row.nums === null) return units.map(() => undefined)
    if (written.earliestMs < Number.POSITIVE_INFINITY) due(written.earliestMs)
    for (const [qid, appended] of written.counts) count(qid, 'appended', appended)
    hint(named.names)
    const nums = row.nums.split(',')
    let next = 0
    return units.map((unit) =>
      unit.map((): Outcome => {
        const sequence = Number(nums[next++])
        return { kind: 'stored', id: formatId(tag, sequence), sequence }
      }),
    )
  }

  /** Within a transaction of the caller's: all of it on that connection, or nothing (undefined). */
  async commitWithin(units: readonly Unit[], transaction: Transaction): Promise<Tried<Outcome[][]>> {
    const here: Once = (_, run) => run(transaction)
    if (this.#areAppends(units)) {
      const appends = opsOf<AppendOp>(units)
      await this.#knowRanks(appends.flat())
      return allOf(await this.#append(appends, here, true))
    }
    if (this.#areAcks(units)) return allOf(await this.#ack(opsOf<SettleOp>(units), here))
    return undefined
  }

  /** A rank that is new to its queue is written down first, apart: their transaction would make every sender wait for that row. */
  async #knowRanks(ops: readonly AppendOp[]): Promise<void> {
    const places = ops.map(({ queue, message: { priority = 0 } }) => {
      const of = this.#parts.catalog.byName(queue)
      return { qid: of?.qid ?? 0, rank: rankOf(Math.min(priority, of?.policy.priorityMax ?? priority)) }
    })
    await this.#parts.database.read('prepare a send', (transaction) =>
      transaction.run(
        'select spindle.know_ranks($1::int[], $2::smallint[])',
        places.map(({ qid }) => qid),
        places.map(({ rank }) => rank),
      ),
    )
  }

  async #ack(units: Calls<SettleOp>, once = this.#once): Promise<Tried<Outcome[]>[]> {
    const { catalog, lockClass, count, book } = this.#parts
    const queues = new NamedQueues()
    const receipts = units.flatMap((unit) => unit.map(({ receipt }) => parseReceipt(receipt)))
    for (const { qid } of receipts) if (!queues.add(catalog.byId(qid))) return units.map(() => undefined)
    const [row] = await once('ack', (transaction) =>
      transaction.rows<{ settled: string | null }>(
        ACK,
        lockClass,
        ...queues.columns,
        arrayOf(receipts, ({ qid }) => qid),
        arrayOf(receipts, ({ number }) => number),
        arrayOf(receipts, ({ token }) => token),
        arrayOf(receipts, ({ qid }) => catalog.byId(qid)?.policy.lateAck ?? false),
      ),
    )
    if (row === undefined || row.settled === null) return units.map(() => undefined)
    const settled = row.settled === ALL ? new Set(receipts.map(({ number }) => number)) : numbersOf(row.settled)
    let next = 0
    return units.map((unit) =>
      unit.map((): Outcome => {
        const { qid, number } = receipts[next++] as { qid: number; number: number }
        // A receipt that comes twice settles once.
        if (!settled.delete(number)) return { kind: 'stale' }
        book.forget(number)
        count(qid, 'acked', 1)
        return { kind: 'settled' }
      }),
    )
  }

  /** For each receipt; undefined: its queue is not plain, or has changed. */
  extend(receipts: readonly Receipt[], leaseMs: number): Promise<Tried<ExtendOutcome>[]> {
    return Promise.all(
      receipts.map((receipt) => {
        const queue = this.#parts.catalog.byId(parseReceipt(receipt).qid)
        return queue !== undefined && isPlain(queue) ? this.#extends.add({ receipt, leaseMs }) : undefined
      }),
    )
  }

  async #extend(asked: readonly { receipt: Receipt; leaseMs: number }[]): Promise<Tried<ExtendOutcome>[]> {
    const leaseMs = asked[0]?.leaseMs
    if (leaseMs === undefined) return []
    // Nearly always all ask for the same; those that do not take the long way.
    const same = asked.filter((ask) => ask.leaseMs === leaseMs)
    const { database, catalog, lockClass, now, book, due } = this.#parts
    const receipts = same.map(({ receipt }) => parseReceipt(receipt))
    const queues = new NamedQueues()
    for (const { qid } of receipts) if (!queues.add(catalog.byId(qid))) return asked.map(() => undefined)
    let at = now()
    const [row] = await database.once('extend', (transaction) => {
      at = now()
      return transaction.rows<{ extended: string | null }>(
        EXTEND,
        lockClass,
        ...queues.columns,
        arrayOf(receipts, ({ qid }) => qid),
        arrayOf(receipts, ({ number }) => number),
        arrayOf(receipts, ({ token }) => token),
        at.monotonicMs + leaseMs,
        at.monotonicMs,
      )
    })
    const endMs = at.monotonicMs + leaseMs
    const extended = row?.extended
    if (extended === null || extended === undefined) return asked.map(() => undefined)
    const done = numbersOf(extended)
    due(endMs)
    let next = 0
    return asked.map((ask): Tried<ExtendOutcome> => {
      if (ask.leaseMs !== leaseMs) return undefined
      const { qid, number } = receipts[next++] as { qid: number; number: number }
      if (!done.has(number)) return { kind: 'stale' }
      book.note({ number, qid }, endMs)
      return { kind: 'extended', untilMs: wallOf(at, endMs) }
    })
  }

  /** undefined: not a request of this kind. */
  claim(request: LeaseRequest): Promise<Tried<Delivery[]>> | undefined {
    const queue = this.#parts.catalog.byName(request.queue)
    const { from, settleOnDelivery, lease, max } = request
    if (queue === undefined || !isPlain(queue) || settleOnDelivery === true) return undefined
    if (from !== undefined && from.kind !== 'ready') return undefined
    const leaseMs = lease.kind === 'holder' ? undefined : (lease.leaseMs ?? queue.policy.leaseMs)
    const key = `${queue.qid}.${leaseMs}.${lease.holder ?? ''}`
    let batcher = this.#claims.get(key)
    if (batcher === undefined) {
      batcher = new Batcher({
        run: (claims) => this.#claim(claims),
        weigh: (claim) => claim.max,
        limits: IN_ORDER,
      })
      this.#claims.set(key, batcher)
    }
    const of = batcher
    return of.add({ queue, max, leaseMs, holder: lease.holder }).finally(() => {
      if (of.isIdle && this.#claims.get(key) === of) this.#claims.delete(key)
    })
  }

  async #claim(claims: readonly Claim[]): Promise<Tried<Delivery[]>[]> {
    const { database, lockClass, now, tag, nextToken, count, book, due, arms } = this.#parts
    const { queue, leaseMs, holder } = claims[0] as Claim
    const max = claims.reduce((sum, claim) => sum + claim.max, 0)
    let at = now()
    const floors = this.#floorsOf(queue.qid, at.monotonicMs)
    const from = floors.begin(at.monotonicMs)
    const token = nextToken()
    const rows = await database
      .once(`lease from '${queue.name}'`, (transaction) => {
        // A server that was away is here now: the lease begins now.
        at = now()
        return transaction.rows<ClaimRow & ClaimHead>(
          CLAIM,
          lockClass,
          queue.qid,
          queue.version,
          from.ranks,
          from.floors,
          max,
          leaseMs === undefined ? null : at.monotonicMs + leaseMs,
          holder ?? null,
          token,
          at.monotonicMs + HOLDER_TTL_MS_DEFAULT,
          at.monotonicMs,
          at.wallMs,
          arms(queue),
        )
      })
      .catch((fault: unknown) => {
        floors.reset()
        this.#parts.lostTrack()
        throw fault
      })
    const endMs = leaseMs === undefined ? null : at.monotonicMs + leaseMs
    if (holder !== undefined) due(at.monotonicMs + HOLDER_TTL_MS_DEFAULT)
    const [head, ...claimed] = rows
    if (head === undefined) return claims.map(() => undefined)
    floors.claimed(from, { places: claimed, full: claimed.length >= max, oldest: head.oldest, next: head.next })
    if (endMs !== null && claimed.length > 0) due(endMs)
    count(queue.qid, 'delivered', claimed.length)
    const { qid, name } = queue
    const deliveries = claimed.map((row): Delivery => {
      if (endMs !== null) book.note({ number: row.id, qid }, endMs)
      return {
        id: formatId(tag, row.id),
        queue: name,
        state: 'leased',
        content: { head: bytesOf(row.head), body: bytesOf(row.body) },
        priority: priorityOf(row),
        sequence: row.ord,
        groupId: row.gid ?? undefined,
        dedupId: row.dedup ?? undefined,
        attempts: row.attempts,
        deliveries: row.deliveries,
        enqueuedAtMs: row.enqueued,
        dueAtMs: endMs === null ? undefined : wallOf(at, endMs),
        expiresAtMs: row.expires === null ? undefined : wallOf(at, row.expires),
        history: historyOf(row.history),
        note: bytesOf(row.note),
        kept: undefined,
        firstLeasedAtMs: row.first_leased ?? undefined,
        endedAtMs: undefined,
        receipt: formatReceipt({ qid, number: row.id, token }),
      }
    })
    let next = 0
    return claims.map(({ max: wanted }) => {
      const from = next
      next += wanted
      return deliveries.slice(from, next)
    })
  }

  #floorsOf(qid: number, nowMs: number): QueueFloors {
    let floors = this.#floors.get(qid)
    if (floors === undefined) {
      floors = new QueueFloors(nowMs)
      this.#floors.set(qid, floors)
    }
    return floors
  }

  forgetFloors(): void {
    this.#floors.clear()
  }
}

/** The first row of a claim: no message, but the oldest running transaction and the next one. */
interface ClaimHead {
  readonly oldest: number
  readonly next: number
}

interface ClaimRow
  extends Omit<EntryRow, 'qid' | 'slot' | 'content' | 'bytes' | 'state' | 'until' | 'token' | 'holder'> {
  readonly head: Buffer
  readonly body: Buffer
}

const APPEND = `select spindle.append_plain($1::int, $2::int[], $3::bigint[], $4::bytea, $5::int[], $6::int[], $7::int[], $8::int[],
  $9::int[], $10::smallint[], $11::int[], $12::text[], $13::text[], $14::float8[], $15::float8[], $16::float8, $17::bigint, $18::boolean) as nums`
const CLAIM = `select * from spindle.claim_plain($1::int, $2::int, $3::bigint, $4::smallint[], $5::bigint[], $6::int, $7::float8, $8::text,
  $9::bigint, $10::float8, $11::float8, $12::float8, $13::bigint)`
const ACK = `select spindle.ack_plain($1::int, $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::bigint[], $7::boolean[]) as settled`
const EXTEND = `select spindle.extend_plain($1::int, $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::bigint[], $7::float8, $8::float8)
  as extended`

/** What a statement answers in the place of a list of all that it was given. */
const ALL = '*'

function numbersOf(list: string): Set<number> {
  return new Set(list === '' ? [] : list.split(',').map(Number))
}

function opsOf<O extends Op>(units: readonly Unit[]): Calls<O> {
  return units.map(({ ops }) => ops as readonly O[])
}

function lengthOf({ length }: readonly Op[]): number {
  return length
}

function weightOf(unit: readonly AppendOp[]): number {
  let bytes = 0
  for (const { message } of unit) bytes += message.content.body.length + message.content.head.length
  return Math.max(unit.length, (bytes / BATCH_BYTES) * BATCH_MESSAGES)
}

/** One call, in parts that one statement can carry each. */
async function inParts<O extends Op>(
  units: Calls<O>,
  weigh: (unit: readonly O[]) => number,
  add: (part: Calls<O>) => Promise<Tried<Outcome[]>[]>,
): Promise<Tried<Outcome[]>[]> {
  const parts: (readonly O[])[][] = []
  let weight = Number.POSITIVE_INFINITY
  for (const unit of units) {
    const own = weigh(unit)
    weight += own
    if (weight > BATCH_MESSAGES) {
      parts.push([])
      weight = own
    }
    parts.at(-1)?.push(unit)
  }
  return parts.length === 1 ? add(units) : (await Promise.all(parts.map(add))).flat()
}

/** The units of several calls, run together; the answers, call by call. */
async function ofAll<O>(
  calls: readonly Calls<O>[],
  run: (units: Calls<O>) => Promise<Tried<Outcome[]>[]>,
): Promise<Tried<Outcome[]>[][]> {
  const [first] = calls
  const answers = await run(calls.length === 1 && first !== undefined ? first : calls.flat())
  let next = 0
  return calls.map(({ length }) => {
    const from = next
    next += length
    return answers.slice(from, next)
  })
}

function allOf<T>(answers: readonly Tried<T>[]): Tried<T[]> {
  return answers.includes(undefined) ? undefined : (answers as T[])
}
