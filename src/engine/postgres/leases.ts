/** The lease verb, and what else holds or moves leases: extend, holders. */
import { SpindleError } from '../../model/errors.ts'
import type { Delivery, ExtendOutcome, MessageId, MessageState, Receipt } from '../../model/message.ts'
import { spendTokens, tokensAt } from '../../model/rate.ts'
import type { LeaseRequest, LeaseTerm } from '../engine.ts'
import { ENTRY_COLUMNS, type Entry, type EntryRow, stateCodes, stateOf } from './entry.ts'
import { GROUP_COLUMNS, type GroupRow, groupOf } from './group.ts'
import type { Image } from './image.ts'
import { groupKey } from './image-parts.ts'
import type { Queue } from './queue.ts'
import { removeQueue } from './queues.ts'
import { takeReady } from './ready.ts'
import { formatReceipt, parseReceipt } from './receipts.ts'
import { meetHolder } from './units.ts'
import { contentsOf, viewOf, wallOf } from './views.ts'

export function checkLease({ queue, max }: LeaseRequest, receiveMax: number): void {
  if (Number.isInteger(max) && max >= 1 && max <= receiveMax) return
  throw new SpindleError('invalid-argument', `lease from '${queue}': max is ${max} but must be 1 to ${receiveMax}`)
}

interface Granted {
  readonly entry: Entry
  readonly receipt: Receipt
}

const FROM_READY = { kind: 'ready' } as const

export async function lease(image: Image, request: LeaseRequest): Promise<Delivery[]> {
  const queue = image.queue(request.queue)
  if (queue === undefined) return []
  image.use(queue.qid)
  if (request.lease.holder !== undefined) await meetHolder(image, request.lease.holder)
  const granted: Granted[] = []
  const grant = async (entry: Entry): Promise<void> => {
    granted.push(await grantOne(image, queue, entry, request))
  }
  const { max, from = FROM_READY } = request
  if (from.kind === 'ready') {
    await takeReady(image, queue, { request, max: await admitted(image, queue, max), grant })
    const { rate } = queue.policy
    if (rate !== null) {
      const current = image.queueOf(queue)
      const fullMs = spendTokens(rate, current.fullMs, image.now.monotonicMs, granted.length)
      image.queues.set(queue.qid, { ...current, fullMs })
    }
  } else {
    for (const entry of await chosen(image, queue, request)) await grant(entry)
  }
  const contents = await contentsOf(
    image.transaction,
    granted.map(({ entry }) => entry),
  )
  const { name } = queue
  return granted.map(({ entry, receipt }) => ({
    ...viewOf(image, { name, entry, content: contents.of(entry) }),
    state: 'leased' as const,
    receipt,
  }))
}

/** How many ready ones the queue may hand out now, of `max`. */
async function admitted(image: Image, queue: Queue, max: number): Promise<number> {
  const { paused, concurrency, rate } = queue.policy
  if (paused) return 0
  const room = concurrency === null ? max : concurrency - (await image.tally(queue)).leased
  const tokens = rate === null ? max : tokensAt(rate, image.queueOf(queue).fullMs, image.now.monotonicMs)
  return Math.max(0, Math.min(max, room, tokens))
}

/** Of sources that no pace binds. */
async function chosen(image: Image, queue: Queue, { max, from = FROM_READY }: LeaseRequest): Promise<Entry[]> {
  switch (from.kind) {
    case 'ready':
      throw new Error('invariant: ready ones are taken by turns')
    case 'delayed':
      return parked(image, queue, 'delayed', max)
    case 'dead':
      return from.ids === undefined ? parked(image, queue, 'dead', max) : named(image, queue, from.ids, ['dead'], max)
    case 'ids':
      return named(image, queue, from.ids, ['ready', 'delayed'], max)
    default:
      return from satisfies never
  }
}

async function parked(image: Image, { qid }: Queue, state: 'delayed' | 'dead', max: number): Promise<Entry[]> {
  await image.flush()
  const rows = await image.transaction.rows<EntryRow>(
    `select ${ENTRY_COLUMNS} from spindle.parked e where e.qid = $1 and e.state = $2 order by e.rank, e.ord limit $3`,
    qid,
    stateCodes[state],
    max,
  )
  return image.keepRows(rows)
}

async function named(
  image: Image,
  queue: Queue,
  ids: readonly MessageId[],
  states: readonly MessageState[],
  max: number,
): Promise<Entry[]> {
  const numbers = [...new Set(ids.map((id) => image.numberOf(id) ?? 0))]
  await image.load(numbers)
  return numbers
    .map((number) => image.entries.get(number))
    .filter((entry) => entry !== undefined && entry.qid === queue.qid && states.includes(stateOf(entry)))
    .slice(0, max) as Entry[]
}

async function grantOne(image: Image, queue: Queue, entry: Entry, request: LeaseRequest): Promise<Granted> {
  const token = image.nextToken()
  const { holder } = request.lease
  const leased = await image.apply(entry, { kind: 'lease', token, endMs: endOf(image, queue, request.lease), holder })
  if (leased === undefined) throw new Error('invariant: a leased message is gone')
  image.count(queue.qid, 'delivered')
  if (request.settleOnDelivery === true) {
    await image.apply(leased, { kind: 'ack', token, keep: undefined, retainMs: undefined })
    image.count(queue.qid, 'acked')
  }
  return { entry: leased, receipt: formatReceipt({ qid: queue.qid, number: entry.number, token }) }
}

function endOf(image: Image, queue: Queue, term: LeaseTerm): number | undefined {
  return term.kind === 'holder' ? undefined : image.now.monotonicMs + (term.leaseMs ?? queue.policy.leaseMs)
}

export async function extend(image: Image, receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]> {
  await image.load(receipts.map((receipt) => parseReceipt(receipt).number))
  const endMs = image.now.monotonicMs + leaseMs
  const outcomes: ExtendOutcome[] = []
  for (const receipt of receipts) {
    const { qid, number, token } = parseReceipt(receipt)
    const entry = image.entries.get(number)
    const decision =
      entry === undefined || entry.qid !== qid ? undefined : image.decide(entry, { kind: 'extend', token, endMs })
    if (entry === undefined || decision?.kind !== 'next') {
      outcomes.push({ kind: 'stale' })
      continue
    }
    await image.enact(entry, decision)
    outcomes.push({ kind: 'extended', untilMs: wallOf(image.now, endMs) })
  }
  return outcomes
}

/**
 * Its leases end in the order of their messages, then its queues and claims go. false: something of it is in a queue that is not locked
 * here, since it came after the queues were looked for; nothing was done.
 */
export async function endHolder(image: Image, holder: string, spend: boolean): Promise<boolean> {
  await image.loadHolders([holder])
  if (image.holders.get(holder) === undefined) return true
  await image.flush()
  const rows = await image.transaction.rows<EntryRow>(
    `select ${ENTRY_COLUMNS} from spindle.live e where e.state = ${stateCodes.leased} and e.holder = $1 order by e.ord`,
    holder,
  )
  if (rows.some(({ qid }) => !image.queues.knows(qid))) return false
  image.holders.set(holder, undefined)
  for (const entry of await image.keepRows(rows)) await loseLease(image, entry, spend)
  await releaseClaims(image, holder)
  for (const queue of [...image.queues.values()]) {
    if (queue?.lifetime.kind === 'holder' && queue.lifetime.holder === holder) await removeQueue(image, queue)
  }
  return true
}

async function releaseClaims(image: Image, holder: string): Promise<void> {
  await image.flush()
  const rows = await image.transaction.rows<GroupRow>(
    `select ${GROUP_COLUMNS} from spindle.grp g where g.claim_holder = $1 and g.claim_until is not null`,
    holder,
  )
  for (const row of rows) {
    // A claim made a moment ago, of a queue that is not locked, lapses by itself.
    if (!image.queues.knows(row.qid)) continue
    const key = groupKey(row.qid, row.gid)
    image.groups.loaded(key, groupOf(row))
    const group = image.groups.get(key)
    if (group?.claim === undefined) continue
    image.groups.set(key, { ...group, claim: undefined })
    image.hints.add(image.queueOf(group).name)
  }
}

/** What has to be locked before a holder ends. */
export const HELD_QUEUES = `
  select distinct e.qid from spindle.live e where e.state = ${stateCodes.leased} and e.holder = any($1::text[])
  union select g.qid from spindle.grp g where g.claim_holder = any($1::text[])`

export async function loseLease(image: Image, entry: Entry, spend: boolean): Promise<void> {
  image.use(entry.qid)
  if (spend) image.count(entry.qid, 'lost')
  await image.apply(entry, { kind: spend ? 'lost' : 'givenBack' })
}
