/** What time does by itself: delays end, leases run out, messages expire, retentions and holders end, idle queues go. */
import type { UnitNotes } from './appends.ts'
import type { Core } from './core.ts'
import { drop, expire, isExpired, loseLease } from './endings.ts'
import type { Holder } from './holders.ts'
import type { QueueState } from './index/queue-state.ts'
import { State } from './index/slots.ts'

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
      else first = Math.min(first, Math.max(at, core.nowMs + 1))
    }
    this.firstMs = first
    return ended
  }
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
      applied++
      endHolder(core, holder, true, notes)
    }
  }
  if (idle.firstMs <= core.nowMs) {
    for (const queue of idle.ended(core)) {
      applied++
      dropQueue(core, queue)
    }
  }
  return applied
}

function applyTo(core: Core, slot: number, notes: UnitNotes): void {
  const { index } = core
  switch (index.stateOf(slot)) {
    case State.delayed:
      if (isExpired(core, slot)) {
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

/** Its leases end as lost ones do (`spend: false`: unspent), its queues and claims go. */
export function endHolder(core: Core, holder: Holder, spend: boolean, notes: UnitNotes): void {
  const { index } = core
  const slots = [...holder.slots].sort((a, b) => index.slots.sequenceOf(a) - index.slots.sequenceOf(b))
  for (const slot of slots) {
    if (holder.slots.has(slot) && index.stateOf(slot) === State.leased) loseLease(core, slot, spend, notes)
  }
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
}

export function dropQueue(core: Core, queue: QueueState): void {
  core.ledger.scribe.drop(queue.id)
  core.removeQueue(queue)
}

/** Milliseconds to the next thing that time does; null: there is none. */
export function nextDueMs(core: Core, idle: Idle): number | null {
  const first = Math.min(core.index.deadlines.firstMs, core.holders.firstMs, idle.firstMs)
  return first === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil(first - core.nowMs))
}
