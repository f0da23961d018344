/** What time does by itself: delays end, leases run out, messages expire, retentions and holders end, idle queues go. */
import { nextEvent } from '../../model/lifecycle.ts'
import { nextTokenMs } from '../../model/rate.ts'
import { endHolder, loseLease } from './leases.ts'
import type { MemoryQueue } from './queue.ts'
import type { MemoryStore } from './store.ts'

/** Applies up to `budget` transitions that are due: those of messages by instant and sequence, then holders, then queues. */
export function applyDue(store: MemoryStore, budget: number): void {
  const nowMs = store.now.monotonicMs
  let left = budget
  for (; left > 0; left--) {
    const deadline = store.deadlines.first
    if (deadline === undefined || deadline.atMs > nowMs) break
    applyDeadline(store, deadline.number)
  }
  for (const [holder, untilMs] of [...store.holders].sort((a, b) => a[1] - b[1])) {
    if (untilMs > nowMs || left-- <= 0) break
    endHolder(store, holder, true)
  }
  for (const queue of [...store.queues.values()]) {
    if ((idleEndMs(queue) ?? Number.POSITIVE_INFINITY) <= nowMs && left-- > 0) store.dropQueue(queue)
    else {
      tellLapses(store, queue)
      tellTokens(store, queue)
    }
  }
  store.undo.forget()
}

function applyDeadline(store: MemoryStore, number: number): void {
  const entry = store.entries.get(number)
  const next = entry === undefined ? undefined : nextEvent(entry.life)
  if (entry === undefined || next === undefined) throw new Error('invariant: a deadline without its message')
  if (next.event.kind === 'lost') loseLease(store, entry, true)
  else store.apply(entry, next.event)
}

/** Others may take the groups of a sticky queue whose claims lapsed. */
function tellLapses(store: MemoryStore, queue: MemoryQueue): void {
  if (queue.policy.groups.kind !== 'sticky') return
  for (const group of queue.groups.groups()) {
    const { claim } = group
    if (claim === undefined || claim.told || claim.untilMs > store.now.monotonicMs) continue
    store.claim(group, { ...claim, told: true })
    store.hints.add(queue.name)
  }
}

/** A message that waited for a token may go. */
function tellTokens(store: MemoryStore, queue: MemoryQueue): void {
  const nowMs = store.now.monotonicMs
  for (const atMs of tokensOf(queue)) {
    if (atMs > queue.toldMs && atMs <= nowMs && queue.in('ready').size > 0) store.hints.add(queue.name)
  }
  queue.toldMs = nowMs
  queue.groups.sweep(nowMs)
}

/** The instants at which empty buckets get, or got, a token. */
function* tokensOf(queue: MemoryQueue): Generator<number> {
  const { rate } = queue.policy
  if (rate !== null) yield nextTokenMs(rate, queue.fullMs)
  yield* queue.groups.tokens()
}

/** When the queue ends by idleness; undefined: it does not, or it is in use. */
function idleEndMs(queue: MemoryQueue): number | undefined {
  const { lifetime } = queue
  return lifetime.kind === 'idle' && queue.in('leased').size === 0 ? queue.usedAtMs + lifetime.idleMs : undefined
}

/** Milliseconds to the next thing that time does, rounded up; null: there is none. */
export function nextDueMs(store: MemoryStore): number | null {
  let first = store.deadlines.first?.atMs ?? Number.POSITIVE_INFINITY
  for (const untilMs of store.holders.values()) first = Math.min(first, untilMs)
  for (const queue of store.queues.values()) {
    first = Math.min(first, idleEndMs(queue) ?? first)
    for (const atMs of tokensOf(queue)) if (atMs > store.now.monotonicMs) first = Math.min(first, atMs)
    if (queue.policy.groups.kind !== 'sticky') continue
    for (const { claim } of queue.groups.groups()) {
      if (claim !== undefined && !claim.told) first = Math.min(first, claim.untilMs)
    }
  }
  return first === Number.POSITIVE_INFINITY ? null : Math.max(0, Math.ceil(first - store.now.monotonicMs))
}
