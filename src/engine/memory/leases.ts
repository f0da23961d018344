/** The lease verb, and what else holds or moves leases: extend, holders. */
import { SpindleError } from '../../model/errors.ts'
import type { Delivery, ExtendOutcome, MessageId, Receipt } from '../../model/message.ts'
import { spendTokens, tokensAt } from '../../model/rate.ts'
import type { LeaseRequest, LeaseTerm } from '../engine.ts'
import type { Entry } from './entry.ts'
import type { Group } from './group-lines.ts'
import type { MemoryQueue } from './queue.ts'
import { formatReceipt, parseReceipt } from './receipts.ts'
import type { MemoryStore } from './store.ts'
import { meetHolder } from './units.ts'
import { viewOf, wallOf } from './views.ts'

export function lease(store: MemoryStore, request: LeaseRequest): Delivery[] {
  const { receiveMax } = store.limits
  const { max } = request
  if (!Number.isInteger(max) || max < 1 || max > receiveMax) {
    throw new SpindleError(
      'invalid-argument',
      `lease from '${request.queue}': max is ${max} but must be 1 to ${receiveMax}`,
    )
  }
  const queue = store.queues.get(request.queue)
  if (queue === undefined) return []
  store.use(queue)
  if (request.lease.holder !== undefined) meetHolder(store, request.lease.holder)
  const deliveries: Delivery[] = []
  for (const entry of chosen(store, queue, request)) deliveries.push(grant(store, queue, entry, request))
  const { rate } = queue.policy
  if (rate !== null && (request.from ?? READY).kind === 'ready') {
    queue.fullMs = spendTokens(rate, queue.fullMs, store.now.monotonicMs, deliveries.length)
  }
  return deliveries
}

const READY = { kind: 'ready' } as const

/** How many ready ones the queue may hand out now, of `max`. */
function admitted(store: MemoryStore, queue: MemoryQueue, max: number): number {
  const { paused, concurrency, rate } = queue.policy
  if (paused) return 0
  const room = concurrency === null ? max : concurrency - queue.in('leased').size
  const tokens = rate === null ? max : tokensAt(rate, queue.fullMs, store.now.monotonicMs)
  return Math.max(0, Math.min(max, room, tokens))
}

/** Lazily, since granting one decides which comes next. */
function chosen(store: MemoryStore, queue: MemoryQueue, request: LeaseRequest): Iterable<Entry> {
  const { max, from = READY } = request
  switch (from.kind) {
    case 'ready':
      return take(admitted(store, queue, max), nextReady(store, queue, request))
    case 'delayed':
      return [...take(max, queue.in('delayed'))]
    case 'dead':
      if (from.ids === undefined) return [...take(max, queue.in('dead'))]
      return take(max, named(store, queue, from.ids, ['dead']))
    case 'ids':
      return take(max, named(store, queue, from.ids, ['ready', 'delayed']))
    default:
      return from satisfies never
  }
}

function* take(max: number, entries: Iterable<Entry>): Generator<Entry> {
  let left = max
  if (left === 0) return
  for (const entry of entries) {
    yield entry
    if (--left === 0) return
  }
}

function* named(
  store: MemoryStore,
  queue: MemoryQueue,
  ids: readonly MessageId[],
  states: readonly string[],
): Generator<Entry> {
  for (const id of ids) {
    const entry = store.entries.get(store.numberOf(id) ?? 0)
    if (entry !== undefined && entry.queue === queue.name && states.includes(entry.life.state.kind)) yield entry
  }
}

/** Messages outside of groups come by their place beside the group whose turn it is; in a fair queue by a turn of their own. */
function* nextReady(store: MemoryStore, queue: MemoryQueue, request: LeaseRequest): Generator<Entry> {
  const granted = new Set<number>()
  const admits = (group: Group): boolean => mayTake(store, queue, group, request.consumer)
  for (;;) {
    const ungrouped = queue.firstUngrouped
    const turn = queue.groups.first(granted, admits, store.now.monotonicMs)
    if (turn === undefined || (ungrouped !== undefined && queue.groups.ungroupedFirst(ungrouped, turn))) {
      if (ungrouped === undefined) return
      queue.groups.servedUngrouped()
      yield ungrouped
      continue
    }
    const { group, entry } = turn
    granted.add(entry.number)
    queue.groups.served(group, store.now.monotonicMs)
    if (queue.policy.groups.kind === 'sticky' && request.consumer !== undefined) {
      const untilMs = store.now.monotonicMs + queue.policy.leaseMs
      store.claim(group, { consumer: request.consumer, holder: request.lease.holder, untilMs, told: false })
    }
    yield entry
  }
}

function mayTake(store: MemoryStore, queue: MemoryQueue, { claim }: Group, consumer: string | undefined): boolean {
  if (queue.policy.groups.kind !== 'sticky' || claim === undefined) return true
  return claim.consumer === consumer || claim.untilMs <= store.now.monotonicMs
}

function grant(store: MemoryStore, queue: MemoryQueue, entry: Entry, request: LeaseRequest): Delivery {
  const token = store.nextToken()
  const { holder } = request.lease
  const endMs = endOf(store, queue, request.lease)
  const leased = store.apply(entry, { kind: 'lease', token, endMs, holder })
  if (leased === undefined) throw new Error('invariant: a leased message is gone')
  store.count(queue, 'delivered')
  const delivery = { ...viewOf(store, leased), state: 'leased', receipt: formatReceipt(entry.number, token) } as const
  if (request.settleOnDelivery === true) {
    store.apply(leased, { kind: 'ack', token, keep: undefined, retainMs: undefined })
    store.count(queue, 'acked')
  }
  return delivery
}

function endOf(store: MemoryStore, queue: MemoryQueue, term: LeaseTerm): number | undefined {
  return term.kind === 'holder' ? undefined : store.now.monotonicMs + (term.leaseMs ?? queue.policy.leaseMs)
}

export function extend(store: MemoryStore, receipt: Receipt, leaseMs: number): ExtendOutcome {
  const { number, token } = parseReceipt(receipt)
  const entry = store.entries.get(number)
  if (entry === undefined) return { kind: 'stale' }
  const endMs = store.now.monotonicMs + leaseMs
  const decision = store.decide(entry, { kind: 'extend', token, endMs })
  if (decision.kind === 'stale') return decision
  store.enact(entry, decision)
  return { kind: 'extended', untilMs: wallOf(store, endMs) }
}

/** Its leases end in the order of their messages, then its queues and claims go. */
export function endHolder(store: MemoryStore, holder: string, spend: boolean): void {
  if (!store.holders.delete(holder)) return
  const held = [...store.entries.values()].filter(
    ({ life: { state } }) => state.kind === 'leased' && state.holder === holder,
  )
  for (const entry of held.sort((a, b) => a.sequence - b.sequence)) loseLease(store, entry, spend)
  for (const queue of [...store.queues.values()]) {
    if (queue.lifetime.kind === 'holder' && queue.lifetime.holder === holder) store.dropQueue(queue)
    else {
      for (const group of queue.groups.groups()) {
        if (group.claim?.holder !== holder) continue
        store.claim(group, undefined)
        store.hints.add(queue.name)
      }
    }
  }
}

export function loseLease(store: MemoryStore, entry: Entry, spend: boolean): void {
  const queue = store.queueOf(entry)
  store.use(queue)
  if (spend) store.count(queue, 'lost')
  store.apply(entry, { kind: spend ? 'lost' : 'givenBack' })
}
