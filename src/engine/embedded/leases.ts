/** The lease verb: which messages, in which order, and what becomes of each. */

import type { Delivery, ExtendOutcome, MessageId, Receipt } from '../../model/message.ts'
import { spendTokens, tokensAt } from '../../model/rate.ts'
import type { LeaseRequest, LeaseTerm } from '../engine.ts'
import { HOLDER_TTL_MS_DEFAULT } from '../engine.ts'
import { type Core, instant } from './core.ts'
import { acknowledge, rowFor } from './endings.ts'
import { parseId } from './ids.ts'
import type { Claim, Group } from './index/groups.ts'
import type { QueueState } from './index/queue-state.ts'
import { NONE, SLOT_MASK, State } from './index/slots.ts'
import type { Receipts } from './receipts.ts'
import { comesBefore } from './rows.ts'

interface Terms {
  readonly term: number
  readonly due: number
  readonly holder: number
  readonly holderName: string
}

/** What callers see of a row that has just been leased. */
export type Describe = (slot: number) => Delivery

/** Picks, hides and hands out. The caller seals the record. */
export function lease(core: Core, queue: QueueState, request: LeaseRequest, describe: Describe): Delivery[] {
  queue.usedAtMs = core.nowMs
  const terms = termsOf(core, queue, request.lease)
  const isReady = request.from === undefined || request.from.kind === 'ready'
  if (!queue.gated || !isReady) return pick(core, queue, request, terms, describe)
  const max = admitted(core, queue, request.max)
  const deliveries = max === 0 ? [] : pick(core, queue, { ...request, max }, terms, describe)
  const { rate } = queue.policy
  if (rate !== null) {
    queue.fullMs = spendTokens(rate, queue.fullMs, core.nowMs, deliveries.length)
    if (queue.tokenMs > core.nowMs) core.tokensFirstMs = Math.min(core.tokensFirstMs, queue.tokenMs)
  }
  return deliveries
}

function pick(core: Core, queue: QueueState, request: LeaseRequest, terms: Terms, describe: Describe): Delivery[] {
  const from = request.from ?? READY
  if (request.max === 1 && from.kind === 'ready' && queue.policy.groups.kind === 'none') {
    const slot = queue.ready.first() // the common call, without a closure and a growing array
    if (slot === NONE) return []
    queue.ready.take(slot)
    return [grant(core, queue, slot, terms, request.settleOnDelivery === true, describe)]
  }
  const deliveries: Delivery[] = []
  const give = (slot: number): void => {
    deliveries.push(grant(core, queue, slot, terms, request.settleOnDelivery === true, describe))
  }
  switch (from.kind) {
    case 'ready':
      if (queue.policy.groups.kind === 'none') takeFromLane(queue, request.max, give)
      else takeFromGroups(core, queue, request, terms, give)
      break
    case 'dead':
      if (from.ids === undefined) takeDead(queue, request.max, give)
      else takeIds(core, queue, from.ids, (state) => state === State.dead, request.max, give)
      break
    case 'delayed':
      for (const slot of delayedFirst(core, queue, request.max)) give(slot)
      break
    case 'ids':
      takeIds(core, queue, from.ids, isWaiting, request.max, give)
  }
  return deliveries
}

const READY = { kind: 'ready' } as const

/** How many ready ones the queue's own cap and rate let out now, of `max`. */
function admitted(core: Core, queue: QueueState, max: number): number {
  const { paused, concurrency, rate } = queue.policy
  if (paused) return 0
  const room = concurrency === null ? max : concurrency - queue.count(State.leased)
  const tokens = rate === null ? max : tokensAt(rate, queue.fullMs, core.nowMs)
  return Math.max(0, Math.min(max, room, tokens))
}

function takeFromLane(queue: QueueState, max: number, give: (slot: number) => void): void {
  for (let left = max; left > 0; left--) {
    const slot = queue.ready.first()
    if (slot === NONE) return
    queue.ready.take(slot)
    give(slot)
  }
}

function takeFromGroups(
  core: Core,
  queue: QueueState,
  request: LeaseRequest,
  terms: Terms,
  give: (slot: number) => void,
): void {
  const { groups } = queue
  const { kind } = queue.policy.groups
  const sticky = kind === 'sticky'
  const ordered = kind !== 'fair'
  const admits = sticky ? (group: Group) => mayTake(core, group, request.consumer) : undefined
  const served = new Set<Group>()
  for (let left = request.max; left > 0; left--) {
    const group = groups.first(admits)
    const lane = queue.ready.first()
    if (group === undefined || (lane !== NONE && groups.ungroupedFirst(lane, group))) {
      if (lane === NONE) break
      queue.ready.take(lane)
      groups.servedUngrouped()
      give(lane)
      continue
    }
    if (ordered) served.add(group)
    if (sticky && request.consumer !== undefined) group.claim = claimOf(core, queue, request.consumer, terms)
    groups.serve(group, core.nowMs, give)
  }
  for (const group of served) groups.settleTurn(group)
  core.tokensFirstMs = Math.min(core.tokensFirstMs, groups.firstTokenMs)
}

function mayTake(core: Core, group: Group, consumer: string | undefined): boolean {
  const { claim } = group
  return claim === undefined || claim.untilMs <= core.nowMs || claim.consumer === consumer
}

function claimOf(core: Core, queue: QueueState, consumer: string, terms: Terms): Claim {
  const untilMs = core.nowMs + queue.policy.leaseMs
  core.claimsFirstMs = Math.min(core.claimsFirstMs, untilMs)
  return { consumer, holder: terms.holder, untilMs, told: false }
}

function takeDead(queue: QueueState, max: number, give: (slot: number) => void): void {
  for (let left = max; left > 0; left--) {
    const slot = queue.dead.first()
    if (slot === NONE) return
    queue.dead.take(slot)
    give(slot)
  }
}

/** The first `max` delayed ones in the queue's order. */
function delayedFirst(core: Core, queue: QueueState, max: number): number[] {
  const rows: number[] = []
  core.eachSlot(
    queue,
    (state) => state === State.delayed,
    (slot) => rows.push(slot),
  )
  return rows.sort((a, b) => (comesBefore(core, a, b) ? -1 : 1)).slice(0, max)
}

function takeIds(
  core: Core,
  queue: QueueState,
  ids: readonly MessageId[],
  wanted: (state: number) => boolean,
  max: number,
  give: (slot: number) => void,
): void {
  let left = max
  for (const id of ids) {
    if (left === 0) return
    const number = parseId(core, id)
    const slot = number > 0 ? core.index.numbers.get(number) : NONE
    if (slot === NONE || core.index.queueOf(slot) !== queue) continue
    if (!wanted(core.index.stateOf(slot))) continue
    left--
    give(slot)
  }
}

function isWaiting(state: number): boolean {
  return state === State.ready || state === State.delayed
}

function grant(
  core: Core,
  queue: QueueState,
  slot: number,
  terms: Terms,
  settleOnDelivery: boolean,
  describe: Describe,
): Delivery {
  const { index, ledger } = core
  const number = index.slots.chunk(slot).number[slot & SLOT_MASK] as number
  const token = core.nextToken()
  ledger.scribe.lease(number, token, core.wallMs, terms.term, terms.holderName)
  granted.token = token
  granted.wall = core.wallMs
  granted.term = terms.term
  granted.due = terms.due
  granted.holder = terms.holder
  index.lease(slot, granted)
  queue.totals.delivered++
  const delivery = describe(slot)
  if (!settleOnDelivery) return delivery
  queue.totals.acked++
  acknowledge(core, queue, slot, undefined, undefined)
  return delivery
}

function termsOf(core: Core, queue: QueueState, lease: LeaseTerm): Terms {
  const holder =
    lease.holder === undefined ? undefined : core.holders.meet(lease.holder, core.nowMs + HOLDER_TTL_MS_DEFAULT)
  const term = lease.kind === 'clock' ? (lease.leaseMs ?? queue.policy.leaseMs) : -1
  return {
    term,
    due: term < 0 ? 0 : instant(core.nowMs + term),
    holder: holder?.index ?? 0,
    holderName: holder?.name ?? '',
  }
}

/** Reused from lease to lease; nothing keeps it. */
const granted = { token: 0, wall: 0, term: 0, due: 0, holder: 0 }

/** Of its record, one extend. */
export const EXTEND_BYTES = 17

/** Moves the ends of leases. The caller seals the record. */
export function extend(core: Core, receipts: Receipts, extended: readonly Receipt[], leaseMs: number): ExtendOutcome[] {
  const due = instant(core.nowMs + leaseMs)
  return extended.map((receipt): ExtendOutcome => {
    const slot = rowFor(core, receipts.parse(receipt), 'extend')
    if (slot === NONE) return { kind: 'stale' }
    core.ledger.scribe.extend(core.index.slots.chunk(slot).number[slot & SLOT_MASK] as number, leaseMs)
    core.index.extend(slot, leaseMs, due)
    return { kind: 'extended', untilMs: core.toWall(due) }
  })
}
