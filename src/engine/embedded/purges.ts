/** The purge op. */
import type { Outcome, PurgeOp } from '../engine.ts'
import type { Core } from './core.ts'
import { SLOT_MASK, State } from './index/slots.ts'

const PURGED_BY_DEFAULT = ['delayed', 'ready'] as const
const stateOfName = { delayed: State.delayed, ready: State.ready, done: State.done, dead: State.dead } as const

/** What it removes, by `State`. */
export function statesToPurge(op: PurgeOp): Set<number> {
  return new Set((op.states ?? PURGED_BY_DEFAULT).map((state) => stateOfName[state]))
}

function isPurgeable(state: number): boolean {
  return state !== State.leased
}

export function purge(core: Core, op: PurgeOp): Outcome {
  const queue = core.byName.get(op.queue)
  if (queue === undefined) return { kind: 'missing' }
  const wanted = statesToPurge(op)
  const slots: number[] = []
  core.eachSlot(queue, isPurgeable, (slot) => {
    const c = core.index.slots.chunk(slot)
    const state = c.state[slot & SLOT_MASK] as number
    // A pending append comes before this unit, so it counts as what it will be.
    const due = state === State.pending ? (c.lease?.due[slot & SLOT_MASK] ?? 0) : 0
    const as = state !== State.pending ? state : due > core.nowMs ? State.delayed : State.ready
    if (wanted.has(as)) slots.push(slot)
  })
  const numbers = slots.map((slot) => core.index.slots.chunk(slot).number[slot & SLOT_MASK] as number)
  core.ledger.scribe.purge(queue.id, numbers)
  for (const slot of slots) core.removeRow(slot)
  queue.dedup.clear()
  core.hintGroup(queue)
  return { kind: 'purged', count: numbers.length }
}
