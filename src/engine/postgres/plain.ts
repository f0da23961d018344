/**
 * The short way: appends, claims and acks of plain queues, gathered into one statement each (schema-plain.ts). Whatever does not fit, and
 * whatever finds a queue changed, takes the long way.
 */

import type { Now } from '../../model/lifecycle.ts'
import type { Limits } from '../../model/limits.ts'
import type { Delivery, ExtendOutcome, Receipt } from '../../model/message.ts'
import { formatId, type StoreTag } from '../../model/message-id.ts'
import { lifeUnder } from '../../model/policy.ts'
import type { AppendOp, LeaseRequest, Op, Outcome, QueueTotals, SettleOp, Unit } from '../engine.ts'
import { HOLDER_TTL_MS_DEFAULT } from '../engine.ts'
import { Batcher } from './batcher.ts'
import type { Catalog } from './catalog.ts'
import type { Database } from './database.ts'
import { bytesOf, type EntryRow, entryOf, rankOf } from './entry.ts'
import { QueueFloors } from './floors.ts'
import type { LeaseBook } from './lease-book.ts'
import type { Queue } from './queue.ts'
import { formatReceipt, parseReceipt } from './receipts.ts'
import type { Transaction } from './transaction.ts'
import { viewOf, wallOf } from './views.ts'

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

type Once = <T>(attempted: string, run: (transaction: Transaction) => Promise<T>) => Promise<T>

interface Claim {
  readonly queue: Queue
  readonly max: number
  readonly leaseMs: number | undefined
  readonly holder: string | undefined
}

export class PlainWay {
  readonly #parts: PlainParts
  readonly #appends: Batcher<readonly AppendOp[], Tried<Outcome[]>>
  readonly #acks: Batcher<readonly SettleOp[], Tried<Outcome[]>>
  readonly #extends: Batcher<{ receipt: Receipt; leaseMs: number }, Tried<ExtendOutcome>>
  readonly #claims = new Map<string, Batcher<Claim, Tried<Delivery[]>>>()
  readonly #floors = new Map<number, QueueFloors>()

  readonly #once: Once

  constructor(parts: PlainParts) {
    this.#parts = parts
    this.#once = (attempted, run) => parts.database.once(attempted, run)
    this.#appends = new Batcher({ run: (units) => this.#append(units), weigh: weightOf, limits: IN_ORDER })
    this.#acks = new Batcher({ run: (units) => this.#ack(units), weigh: ({ length }) => length, limits: SIDE_BY_SIDE })
    this.#extends = new Batcher({ run: (asked) => this.#extend(asked), weigh: () => 1, limits: SIDE_BY_SIDE })
  }

  /** The outcomes, where all of the units can go this way; undefined: they cannot. */
  commit(units: readonly Unit[]): Promise<Tried<Outcome[]>[]> | undefined {
    if (units.length === 0) return undefined
    if (units.every(({ ops }) => ops.length > 0 && ops.every((op) => this.#isPlainAppend(op)))) {
      return Promise.all(units.map(({ ops }) => this.#appends.add(ops as readonly AppendOp[])))
    }
    if (units.every(({ ops }) => ops.length > 0 && ops.every((op) => this.#isPlainAck(op)))) {
      return Promise.all(units.map(({ ops }) => this.#acks.add(ops as readonly SettleOp[])))
    }
    return undefined
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
  async #append(units: readonly (readonly AppendOp[])[], once = this.#once, late = false): Promise<Tried<Outcome[]>[]> {
    const { catalog, lockClass, epoch, now, tag, due, count, hint } = this.#parts
    const queues = new Map<number, Queue>()
    const columns = {
      qid: [] as number[],
      rank: [] as number[],
      content: [] as number[],
      bytes: [] as number[],
      gid: [] as (string | null)[],
      dedup: [] as (string | null)[],
      expires: [] as (number | null)[],
      due: [] as (number | null)[],
    }
    const firsts: number[] = []
    const heads: Uint8Array[] = []
    const bodies: Uint8Array[] = []
    const at = now()
    let earliestMs = Number.POSITIVE_INFINITY
    for (const unit of units) {
      const places = new Map<object, number>()
      for (const { queue: name, message } of unit) {
        const queue = catalog.byName(name)
        if (queue === undefined) return units.map(() => undefined)
        queues.set(queue.qid, queue)
        const { content, priority = 0, groupId, dedupId, delayMs = queue.policy.delayMs, ttlMs } = message
        let place = places.get(content)
        if (place === undefined) {
          firsts.push(columns.qid.length + 1)
          heads.push(content.head)
          place = bodies.push(content.body)
          places.set(content, place)
        }
        const life = lifeUnder(queue.policy, ttlMs)
        const expires = life === null ? null : at.monotonicMs + life
        const dueMs = delayMs > 0 ? at.monotonicMs + delayMs : null
        columns.qid.push(queue.qid)
        columns.rank.push(rankOf(Math.min(priority, queue.policy.priorityMax ?? Number.POSITIVE_INFINITY)))
        columns.content.push(place)
        columns.bytes.push(content.body.length + content.head.length)
        columns.gid.push(groupId ?? null)
        columns.dedup.push(dedupId ?? null)
        columns.expires.push(expires)
        columns.due.push(dueMs)
        earliestMs = Math.min(earliestMs, expires ?? earliestMs, dueMs ?? earliestMs)
      }
    }
    const named = [...queues.values()].sort((a, b) => a.qid - b.qid)
    const [row] = await once('commit', (transaction) =>
      transaction.rows<{ nums: number[] | null }>(
        `select spindle.append_plain($1::int, $2::int[], $3::bigint[], $4::int[], $5::bytea[], $6::bytea[], $7::int[], $8::smallint[],
           $9::int[], $10::int[], $11::text[], $12::text[], $13::float8[], $14::float8[], $15::float8, $16::bigint, $17::boolean)::float8[] as nums`,
        lockClass,
        named.map(({ qid }) => qid),
        named.map(({ version }) => version),
        firsts,
        heads,
        bodies,
        columns.qid,
        columns.rank,
        columns.content,
        columns.bytes,
        columns.gid,
        columns.dedup,
        columns.expires,
        columns.due,
        at.wallMs,
        epoch,
        late,
      ),
    )
    const nums = row?.nums
    if (nums === null || nums === undefined) return units.map(() => undefined)
    if (earliestMs < Number.POSITIVE_INFINITY) due(earliestMs)
    for (const qid of columns.qid) count(qid, 'appended', 1)
    hint(named.map(({ name }) => name))
    let next = 0
    return units.map((unit) =>
      unit.map((): Outcome => {
        const sequence = nums[next++] as number
        return { kind: 'stored', id: formatId(tag, sequence), sequence }
      }),
    )
  }

  /** Within a transaction of the caller's: all of it on that connection, or nothing (undefined). */
  async commitWithin(units: readonly Unit[], transaction: Transaction): Promise<Tried<Outcome[][]>> {
    const here: Once = (_, run) => run(transaction)
    if (units.every(({ ops }) => ops.length > 0 && ops.every((op) => this.#isPlainAppend(op)))) {
      await this.#knowRanks(units.flatMap(({ ops }) => ops as readonly AppendOp[]))
      return allOf(
        await this.#append(
          units.map(({ ops }) => ops as readonly AppendOp[]),
          here,
          true,
        ),
      )
    }
    if (units.every(({ ops }) => ops.length > 0 && ops.every((op) => this.#isPlainAck(op)))) {
      return allOf(
        await this.#ack(
          units.map(({ ops }) => ops as readonly SettleOp[]),
          here,
        ),
      )
    }
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

  async #ack(units: readonly (readonly SettleOp[])[], once = this.#once): Promise<Tried<Outcome[]>[]> {
    const { catalog, lockClass, count, book } = this.#parts
    const queues = new Map<number, Queue>()
    const receipts = units.flat().map(({ receipt }) => parseReceipt(receipt))
    for (const { qid } of receipts) {
      const queue = catalog.byId(qid)
      if (queue === undefined) return units.map(() => undefined)
      queues.set(qid, queue)
    }
    const named = [...queues.values()].sort((a, b) => a.qid - b.qid)
    const [row] = await once('ack', (transaction) =>
      transaction.rows<{ settled: number[] | null }>(
        `select spindle.ack_plain($1::int, $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::bigint[], $7::boolean[])::float8[] as settled`,
        lockClass,
        named.map(({ qid }) => qid),
        named.map(({ version }) => version),
        receipts.map(({ qid }) => qid),
        receipts.map(({ number }) => number),
        receipts.map(({ token }) => token),
        receipts.map(({ qid }) => queues.get(qid)?.policy.lateAck ?? false),
      ),
    )
    if (row?.settled === null || row?.settled === undefined) return units.map(() => undefined)
    const settled = new Set(row.settled)
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
    const queues = new Map<number, Queue>()
    for (const { qid } of receipts) {
      const queue = catalog.byId(qid)
      if (queue === undefined) return asked.map(() => undefined)
      queues.set(qid, queue)
    }
    const named = [...queues.values()].sort((a, b) => a.qid - b.qid)
    const at = now()
    const endMs = at.monotonicMs + leaseMs
    const [row] = await database.once('extend', (transaction) =>
      transaction.rows<{ extended: number[] | null }>(
        `select spindle.extend_plain($1::int, $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::bigint[], $7::float8, $8::float8)::float8[]
           as extended`,
        lockClass,
        named.map(({ qid }) => qid),
        named.map(({ version }) => version),
        receipts.map(({ qid }) => qid),
        receipts.map(({ number }) => number),
        receipts.map(({ token }) => token),
        endMs,
        at.monotonicMs,
      ),
    )
    const extended = row?.extended
    if (extended === null || extended === undefined) return asked.map(() => undefined)
    const done = new Set(extended)
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
    const at = now()
    const endMs = leaseMs === undefined ? null : at.monotonicMs + leaseMs
    const holderEndMs = at.monotonicMs + HOLDER_TTL_MS_DEFAULT
    if (holder !== undefined) due(holderEndMs)
    const floors = this.#floorsOf(queue.qid, at.monotonicMs)
    const from = floors.begin(at.monotonicMs)
    const token = nextToken()
    const rows = await database
      .once(`lease from '${queue.name}'`, (transaction) =>
        transaction.rows<ClaimRow>(
          `select * from spindle.claim_plain($1::int, $2::int, $3::bigint, $4::smallint[], $5::bigint[], $6::int, $7::float8, $8::text,
             $9::bigint, $10::float8, $11::float8, $12::float8, $13::bigint)`,
          lockClass,
          queue.qid,
          queue.version,
          from.ranks,
          from.floors,
          max,
          endMs,
          holder ?? null,
          token,
          holderEndMs,
          at.monotonicMs,
          at.wallMs,
          arms(queue),
        ),
      )
      .catch((fault: unknown) => {
        floors.reset()
        this.#parts.lostTrack()
        throw fault
      })
    const [head, ...claimed] = rows
    if (head === undefined) return claims.map(() => undefined)
    floors.claimed(from, { places: claimed, full: claimed.length >= max, oldest: head.oldest, next: head.next })
    if (endMs !== null && claimed.length > 0) due(endMs)
    count(queue.qid, 'delivered', claimed.length)
    const deliveries = claimed.map((row): Delivery => {
      const entry = entryOf({ ...row, ...LEASED, qid: queue.qid, until: endMs, token, holder: holder ?? null })
      if (endMs !== null) book.note(entry, endMs)
      const content = { head: bytesOf(row.head), body: bytesOf(row.body) }
      const receipt = formatReceipt({ qid: queue.qid, number: row.id, token })
      return { ...viewOf({ now: at, tag }, { name: queue.name, entry, content }), state: 'leased', receipt }
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

type ClaimRow = EntryRow & {
  readonly oldest: number
  readonly next: number
  readonly head: Buffer
  readonly body: Buffer
}

const LEASED = { state: 1, from_dead: false, kept: null, ended: null, change: null }

function weightOf(unit: readonly AppendOp[]): number {
  const bytes = unit.reduce((sum, { message: { content } }) => sum + content.body.length + content.head.length, 0)
  return Math.max(unit.length, (bytes / BATCH_BYTES) * BATCH_MESSAGES)
}

function allOf<T>(answers: readonly Tried<T>[]): Tried<T[]> {
  return answers.includes(undefined) ? undefined : (answers as T[])
}
