/** What time does by itself: delays end, leases run out, messages expire, retentions and holders end, idle queues go. */

import type { Core } from './core.ts'
import { drop, expire, loseLease } from './endings.ts'
import type { Holder } from './holders.ts'
import type { Claim } from './index/groups.ts'
import type { QueueState } from './index/queue-state.ts'
import { NONE, SLOT_MASK, State } from './index/slots.ts'
import type { UnitNotes } from './rows.ts'

/** Queues whose lifetime is `idle` are looked at when the first of them may be due. */
export class Idle {
  /** No idle queue ends before this. */
  firstMs = Number.POSITIVE_INFINITY

  /** Those that are over, and the instant of the next look. */
  ended(core: Core): QueueState[] {
    const ended: QueueState[] = []
    let first = Number.POSITIVE_INFINITY
    for (const queue of core.byName.values()) {
      if (queue.lifetime.kind !== 'idle') continue
      const at = queue.usedAtMs + queue.lifetime.idleMs
      if (at <= core.nowMs && queue.count(State.leased) === 0) ended.push(queue)
      // One in use is used again when its leases end.
      else first = Math.min(first, at <= core.nowMs ? core.nowMs + queue.lifetime.idleMs : at)
    }
    this.firstMs = first
    return ended
  }
}

/** Is there anything that `applyDue` would do? */
export function isDue({ index, holders, nowMs, claimsFirstMs, tokensFirstMs }: Core, idle: Idle): boolean {
  return Math.min(index.deadlines.firstMs, holders.firstMs, idle.firstMs, claimsFirstMs, tokensFirstMs) <= nowMs
}

/** Applies up to `budget` transitions that are due; returns how many there were. The caller seals. */
export function applyDue(core: Core, idle: Idle, budget: number, notes: UnitNotes): number {
  const { index } = core
  let applied = 0
  while (applied < budget && index.deadlines.firstMs <= core.nowMs) {
    applied++
    applyTo(core, index.deadlines.first, notes)
  }
  if (core.holders.firstMs <= core.nowMs) {
    for (const holder of core.holders.ended(core.nowMs)) {
      applied += 1 + endHolder(core, holder, budget - applied, notes)
      if (core.holders.get(holder.name) === holder) core.holders.stayDue(holder, core.nowMs)
    }
  }
  if (idle.firstMs <= core.nowMs) {
    for (const queue of idle.ended(core)) {
      applied++
      dropQueue(core, queue)
    }
  }
  if (core.claimsFirstMs <= core.nowMs) tellLapses(core)
  if (core.tokensFirstMs <= core.nowMs) tellTokens(core)
  return applied
}

function applyTo(core: Core, slot: number, notes: UnitNotes): void {
  const { index } = core
  switch (index.stateOf(slot)) {
    case State.delayed:
      if (expiresFirst(core, slot)) {
        expire(core, slot, notes)
        return
      }
      index.ripen(slot)
      core.hint(index.queueOf(slot))
      return
    case State.ready:
      expire(core, slot, notes)
      return
    case State.leased:
      loseLease(core, slot, true, notes)
      return
    default:
      drop(core, slot)
  }
}

/** Of a delayed message's two instants, is the end of its life the first? */
function expiresFirst(core: Core, slot: number): boolean {
  const c = core.index.slots.chunk(slot)
  const i = slot & SLOT_MASK
  const expires = c.expires === undefined ? 0 : (c.expires[i] as number)
  return expires !== 0 && expires <= (c.lease?.due[i] ?? 0)
}

/** Others may take the groups of sticky queues whose claims lapsed. Finds the next lapse on the way. */
function tellLapses(core: Core): void {
  let first = Number.POSITIVE_INFINITY
  for (const { queue, claim } of untoldClaims(core)) {
    if (claim.untilMs > core.nowMs) first = Math.min(first, claim.untilMs)
    else {
      claim.told = true
      core.hint(queue)
    }
  }
  core.claimsFirstMs = first
}

/** Messages that waited for a token may go. Finds the next token on the way. */
function tellTokens(core: Core): void {
  const { nowMs } = core
  for (const queue of core.rated) {
    const came = queue.groups.fillBuckets(nowMs)
    const { tokenMs } = queue
    if ((came || (tokenMs > queue.toldMs && tokenMs <= nowMs)) && queue.count(State.ready) > 0) core.hint(queue)
    queue.toldMs = nowMs
  }
  core.tokensFirstMs = firstTokenMs(core)
}

function firstTokenMs(core: Core): number {
  let first = Number.POSITIVE_INFINITY
  for (const { tokenMs, groups } of core.rated) {
    if (tokenMs > core.nowMs) first = Math.min(first, tokenMs)
    first = Math.min(first, groups.firstTokenMs)
  }
  return first
}

function* untoldClaims(core: Core): Generator<{ queue: QueueState; claim: Claim }> {
  for (const queue of core.byName.values()) {
    if (queue.policy.groups.kind !== 'sticky') continue
    for (const { claim } of queue.groups.groups()) if (claim !== undefined && !claim.told) yield { queue, claim }
  }
}

/**
 * Its leases end as lost ones do, or unspent, then its queues and claims go. Where it has more than `leasesMax`, it is still there
 * afterwards, with the rest. Returns how many ended.
 */
export function endHolder(core: Core, holder: Holder, leasesMax: number, notes: UnitNotes): number {
  const { index } = core
  const { slots } = index
  holder.ending ??= core.holders.rowsOf(holder).sort((a, b) => slots.sequenceOf(b) - slots.sequenceOf(a))
  let ended = 0
  for (let slot = NONE; ended < leasesMax; ) {
    slot = holder.ending.pop() ?? NONE
    if (slot === NONE) break
    const still = slots.chunk(slot).lease?.holder[slot & SLOT_MASK] === holder.index
    if (!still || index.stateOf(slot) !== State.leased) continue
    loseLease(core, slot, holder.spends, notes)
    ended++
  }
  if (holder.ending.length === 0) holder.ending = undefined
  // It has leases from meanwhile, too, perhaps.
  if (holder.first !== NONE) return ended
  for (const queue of [...core.byName.values()]) {
    if (queue.lifetime.kind === 'holder' && queue.lifetime.holder === holder.name) dropQueue(core, queue)
    else if (queue.policy.groups.kind === 'sticky') {
      for (const group of queue.groups.groups()) {
        if (group.claim === undefined || group.claim.holder !== holder.index) continue
        group.claim = undefined
        core.hint(queue)
      }
    }
  }
  core.holders.remove(holder)
  return ended
}

export function dropQueue(core: Core, queue: QueueState): void {
  core.ledger.scribe.drop(queue.id)
  core.removeQueue(queue)
  core.hint(queue)
}

/** Milliseconds to the next thing that time does, rounded up; null: there is none. */
export function nextDueMs(core: Core): number | null {
  core.tokensFirstMs = firstTokenMs(core)
  let first = Math.min(core.index.deadlines.firstMs, core.holders.nextEndMs(), core.tokensFirstMs)
  for (const queue of core.byName.values()) {
    const { lifetime } = queue
    if (lifetime.kind !== 'idle' || queue.count(State.leased) > 0) continue
    first = Math.min(first, queue.usedAtMs + lifetime.idleMs)
  }
  for (const { claim } of untoldClaims(core)) first = Math.min(first, claim.untilMs)
  return first === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil(first - core.nowMs))
}
