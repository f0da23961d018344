/** The commit verb: ops, one after another, each seeing what those before it did; a failed required one takes all back. */

import type { LifeEvent } from '../../model/lifecycle.ts'
import type { AppendOutcome, Content, RefusalReason, SettleOutcome } from '../../model/message.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import {
  type AppendOp,
  type CountOp,
  type DropQueueOp,
  HOLDER_TTL_MS_DEFAULT,
  type Op,
  type Outcome,
  type PurgeOp,
  type PutQueueOp,
  type SettleOp,
  type Unit,
} from '../engine.ts'
import { bytesOf, type Entry } from './entry.ts'
import type { MemoryQueue } from './queue.ts'
import { parseReceipt } from './receipts.ts'
import type { MemoryStore } from './store.ts'

export function applyUnit(store: MemoryStore, { ops }: Unit): Outcome[] {
  const copies = new Map<Content, Content>()
  const outcomes: Outcome[] = []
  store.undo.forget()
  try {
    for (const op of ops) {
      const outcome = applyOp(store, op, copies)
      outcomes.push(outcome.value)
      if (outcome.aborts) {
        store.undo.rollBack()
        const at = outcomes.length - 1
        return ops.map((_, i): Outcome => (i === at ? outcome.value : { kind: 'aborted' }))
      }
    }
  } catch (fault) {
    store.undo.rollBack()
    throw fault
  }
  store.undo.forget()
  return outcomes
}

interface Applied {
  readonly value: Outcome
  readonly aborts: boolean
}

function applyOp(store: MemoryStore, op: Op, copies: Map<Content, Content>): Applied {
  switch (op.kind) {
    case 'append':
      return judged(append(store, op, copies), op.required)
    case 'settle':
      return judged(settle(store, op), op.required)
    case 'record':
      return judged(store.records.write(op), op.required)
    case 'putQueue':
      return judged(putQueue(store, op), op.required)
    case 'dropQueue':
      return judged(dropQueue(store, op), op.required)
    case 'purge':
      return judged(purge(store, op), false)
    case 'count':
      return count(store, op, copies)
    default:
      return op satisfies never
  }
}

function judged(value: Outcome, required: boolean | undefined): Applied {
  const { kind } = value
  const failed = kind === 'stale' || kind === 'duplicate' || kind === 'refused' || kind === 'mismatch'
  return { value, aborts: failed && required === true }
}

function append(store: MemoryStore, { queue: name, message }: AppendOp, copies: Map<Content, Content>): AppendOutcome {
  const queue = store.queues.get(name)
  if (queue === undefined) return refused('no-such-queue')
  const { policy } = queue
  const { dedupId, groupId, history = [], delayMs, ttlMs } = message
  const priority = Math.min(message.priority ?? 0, policy.priorityMax ?? Number.POSITIVE_INFINITY)
  if (bytesOf(message) > store.limits.messageBytesMax) return refused('too-large')
  if (groupId === undefined && needsGroup(policy)) return refused('group-required')
  const number = message.id === undefined ? undefined : store.numberOf(message.id)
  if (number !== undefined && store.entries.has(number)) return refused('id-in-use')
  const like = dedupId === undefined ? undefined : heldDedup(store, queue, dedupId)
  if (like !== undefined && policy.dedup.kind !== 'replace') return { kind: 'duplicate', of: store.idOf(like) }
  const old = like === undefined ? undefined : store.entries.get(like)
  const room = roomFor(store, queue, bytesOf(message), old)
  const content = copyOf(message.content, copies)
  const arrival = { content, priority, groupId, delayMs, ttlMs, history }
  if (room === 'none' && policy.overflow !== 'rejectDeadLetter') return refused('queue-full')
  if (room !== 'free') {
    // One that dies on its arrival holds no dedup key: the next one like it is judged anew.
    const dying = store.arrive(queue, { ...arrival, number, dedupId: undefined })
    store.apply(dying, { kind: 'overflow' })
    return room === 'none' ? refused('queue-full') : stored(store, dying)
  }
  if (old !== undefined) store.put(old, undefined)
  const entry = store.arrive(queue, { ...arrival, number: old?.number ?? number, dedupId })
  if (dedupId !== undefined) holdDedup(store, queue, entry, dedupId)
  return old === undefined ? stored(store, entry) : { ...stored(store, entry), replaced: true }
}

/** Do its groups have an order, so that a message without a group has no place? */
function needsGroup({ groups: { kind } }: QueuePolicy): boolean {
  return kind === 'ordered' || kind === 'sticky'
}

function stored(store: MemoryStore, { number, sequence }: Entry): Extract<AppendOutcome, { kind: 'stored' }> {
  return { kind: 'stored', id: store.idOf(number), sequence }
}

function refused(reason: RefusalReason): AppendOutcome {
  return { kind: 'refused', reason }
}

/** What is stored is the caller's bytes as they are now, whatever becomes of the array. */
function copyOf(content: Content, copies: Map<Content, Content>): Content {
  const copy = copies.get(content) ?? { body: content.body.slice(), head: content.head.slice() }
  copies.set(content, copy)
  return copy
}

function heldDedup(store: MemoryStore, queue: MemoryQueue, dedupId: string): number | undefined {
  const { kind } = queue.policy.dedup
  if (kind === 'none') return undefined
  const held = queue.dedup.get(dedupId)
  if (held === undefined || held.untilMs <= store.now.monotonicMs) return undefined
  if (kind === 'window' || kind === 'queued') return held.number
  const like = store.entries.get(held.number)
  const waits = like?.queue === queue.name && (like.life.state.kind === 'delayed' || like.life.state.kind === 'ready')
  return waits ? held.number : undefined
}

function holdDedup(store: MemoryStore, queue: MemoryQueue, { number }: Entry, dedupId: string): void {
  const { dedup } = queue.policy
  if (dedup.kind === 'none') return
  for (const [key, { untilMs }] of queue.dedup) {
    if (untilMs > store.now.monotonicMs) break
    store.holdDedup(queue, key, undefined)
  }
  const untilMs = dedup.kind === 'window' ? store.now.monotonicMs + dedup.windowMs : Number.POSITIVE_INFINITY
  store.holdDedup(queue, dedupId, { number, untilMs })
}

/**
 * Makes room for a message of so many bytes, in the place of `old` if that is given. `none`: the queue is full, and there is
 * no ready message to drop. `dies`: so it is, and the policy drops the new one, too.
 */
function roomFor(
  store: MemoryStore,
  queue: MemoryQueue,
  bytes: number,
  old: Entry | undefined,
): 'free' | 'none' | 'dies' {
  const { lengthMax, lengthBytesMax, lengthCounts, overflow } = queue.policy
  const fits = (counted: { readonly length: number; readonly bytes: number }): boolean =>
    (lengthMax === null || counted.length < lengthMax) &&
    (lengthBytesMax === null || counted.bytes + bytes <= lengthBytesMax)
  const { counted } = queue
  const full = overflow === 'dropHead' && lengthCounts === 'waiting' ? 'dies' : 'none'
  // A replacement makes the queue no longer, and drops nobody else.
  if (old !== undefined) return fits({ length: -1, bytes: counted.bytes - bytesOf(old) }) ? 'free' : full
  if (fits(counted)) return 'free'
  if (overflow !== 'dropHead' || !fits({ length: 0, bytes: 0 })) return full
  // Bounded: what a drop moves or tells may come back to this very queue.
  for (let left = queue.liveCount; !fits(queue.counted); left--) {
    const head = left < 0 ? undefined : queue.firstReady
    if (head === undefined) return full
    store.apply(head, { kind: 'overflow' })
  }
  return 'free'
}

function settle(store: MemoryStore, { receipt, how }: SettleOp): SettleOutcome {
  const { number, token } = parseReceipt(receipt)
  const entry = store.entries.get(number)
  if (entry === undefined) return { kind: 'stale' }
  const decision = store.decide(entry, settlementEvent(how, token))
  if (decision.kind === 'stale') return decision
  const queue = store.queueOf(entry)
  prolongClaim(store, queue, entry)
  store.enact(entry, decision)
  store.use(queue)
  if (how.kind === 'ack') {
    store.count(queue, 'acked')
    store.trimDone(queue)
  } else if (how.kind === 'release') store.count(queue, 'released')
  return { kind: 'settled' }
}

function settlementEvent(how: SettleOp['how'], token: number): LifeEvent {
  switch (how.kind) {
    case 'ack':
      return { kind: 'ack', token, keep: how.keep?.slice(), retainMs: how.retainMs }
    case 'release': {
      const { delayMs = 0, spend = true, note } = how
      return { kind: 'release', token, delayMs, spend, note: note?.slice() }
    }
    case 'bury':
      return { kind: 'bury', token, reason: how.reason, note: how.note?.slice() }
    default:
      return how satisfies never
  }
}

/** A sticky group stays with its consumer for a while after each settle. */
function prolongClaim(store: MemoryStore, queue: MemoryQueue, entry: Entry): void {
  const group = queue.groupOf(entry)
  if (group?.claim === undefined) return
  store.claim(group, { ...group.claim, untilMs: store.now.monotonicMs + queue.policy.leaseMs, told: false })
}

function putQueue(store: MemoryStore, op: PutQueueOp): Outcome {
  const { queue, policy, expect, lifetime = { kind: 'durable' } } = op
  if (expect === 'absent' && store.queues.has(queue)) return { kind: 'mismatch', version: 1 }
  if (lifetime.kind === 'holder') meetHolder(store, lifetime.holder)
  store.putQueue(queue, policy, lifetime)
  return { kind: 'done' }
}

function dropQueue(store: MemoryStore, { queue: name, ifEmpty }: DropQueueOp): Outcome {
  const queue = store.queues.get(name)
  if (queue === undefined) return { kind: 'missing' }
  if (ifEmpty === true && queue.liveCount > 0) return { kind: 'mismatch', version: 1 }
  store.dropQueue(queue)
  return { kind: 'done' }
}

function purge(store: MemoryStore, { queue: name, states = ['delayed', 'ready'] }: PurgeOp): Outcome {
  const queue = store.queues.get(name)
  if (queue === undefined) return { kind: 'missing' }
  const purged = [...new Set(states)].flatMap((state) => [...queue.in(state)])
  for (const entry of purged) store.put(entry, undefined)
  for (const key of [...queue.dedup.keys()]) store.holdDedup(queue, key, undefined)
  return { kind: 'purged', count: purged.length }
}

function count(store: MemoryStore, op: CountOp, copies: Map<Content, Content>): Applied {
  const value = counted(store.records.read(op.key)?.value) + op.by
  const fired = value >= op.at
  if (!fired) {
    store.records.write({ kind: 'record', key: op.key, value: encoder.encode(String(value)) })
    return { value: { kind: 'counted', value, fired }, aborts: false }
  }
  store.records.remove(op.key)
  for (const then of op.whenReached) {
    const applied = applyOp(store, then, copies)
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
export function meetHolder(store: MemoryStore, holder: string): void {
  if (!store.holders.has(holder)) store.holders.set(holder, store.now.monotonicMs + HOLDER_TTL_MS_DEFAULT)
}
