/**
 * Would a unit with required ops go through? Its ops are judged in order against the index and what the ones before them
 * would have changed; nothing is written. So an aborted unit leaves no trace, and applying needs no way back.
 */

import type { QueuePolicy } from '../../model/policy.ts'
import type {
  AppendOp,
  CountOp,
  DropQueueOp,
  Op,
  Outcome,
  PurgeOp,
  PutQueueOp,
  RecordOp,
  SettleOp,
  Unit,
} from '../engine.ts'
import { bytesCounted, countToDrop, hasOrder } from './appends.ts'
import { CONTENT_HEADER_BYTES } from './codec.ts'
import type { Core } from './core.ts'
import { decodeCount, encodeCount } from './counters.ts'
import { isExpired, rowFor } from './endings.ts'
import { formatId, givenNumber } from './ids.ts'
import { type Chunk, NONE, SLOT_MASK, State } from './index/slots.ts'
import { statesToPurge } from './purges.ts'
import type { RecordValue } from './records.ts'
import type { UnitTools } from './unit-tools.ts'

export interface Failure {
  /** Which op of the unit. */
  readonly at: number
  readonly outcome: Outcome
}

interface QueueShadow {
  policy: QueuePolicy | undefined
  /** Delayed, ready and leased that it would hold; rather too many than too few, as all counts of what is in the way. */
  waiting: number
  /** Those of them that are leased; rather too few. */
  leased: number
  /** Bytes that count for its cap; Infinity: nobody knows. */
  bytes: number
  /** Appended by the unit and ready at once. */
  ready: number
  /** Dropped to make room. */
  dropped: number
  /** Forgot its entries and keys since the unit began. */
  emptied: boolean
  /** States whose entries are gone, those from before the unit at least. */
  readonly goneStates: Set<number>
  readonly keys: Map<string, number>
}

/** The first required op that fails; undefined: the unit goes through. */
export function rehearse(tools: UnitTools, unit: Unit, diskFull: boolean): Failure | undefined {
  const rehearsal = new Rehearsal(tools, diskFull)
  for (const [at, op] of unit.ops.entries()) {
    const failed = rehearsal.run(op)
    if (failed !== undefined) return { at, outcome: failed }
  }
  return undefined
}

class Rehearsal {
  readonly #tools: UnitTools
  readonly #core: Core
  readonly #diskFull: boolean
  readonly #queues = new Map<string, QueueShadow>()
  /** Records that the unit would have written; undefined: removed. A counter is one of them. */
  readonly #records = new Map<string, RecordValue | undefined>()
  /** Numbers whose receipts are over. */
  readonly #over = new Set<number>()
  /** Those of them that are no longer queued. */
  readonly #settled = new Set<number>()
  /** Numbers that are free again, or taken. */
  readonly #taken = new Map<number, boolean>()

  constructor(tools: UnitTools, diskFull: boolean) {
    this.#tools = tools
    this.#core = tools.core
    this.#diskFull = diskFull
  }

  /** The outcome of a required op that fails; undefined otherwise. */
  run(op: Op): Outcome | undefined {
    switch (op.kind) {
      case 'append':
        return required(op, this.#append(op))
      case 'settle':
        return required(op, this.#settle(op))
      case 'record':
        return required(op, this.#record(op))
      case 'putQueue':
        return required(op, this.#putQueue(op))
      case 'dropQueue':
        return required(op, this.#dropQueue(op))
      case 'count':
        return this.#count(op)
      case 'purge':
        this.#purge(op)
        return undefined
      default:
        return op satisfies never
    }
  }

  /** undefined: it would be stored. */
  #append(op: AppendOp): Outcome | undefined {
    const { message } = op
    const shadow = this.#queue(op.queue)
    const { policy } = shadow
    if (policy === undefined) return { kind: 'refused', reason: 'no-such-queue' }
    if (this.#diskFull) return { kind: 'refused', reason: 'disk-full' }
    const bytes = message.content.body.length + message.content.head.length
    if (bytes > this.#core.limits.messageBytesMax) return { kind: 'refused', reason: 'too-large' }
    if (message.groupId === undefined && hasOrder(policy)) return { kind: 'refused', reason: 'group-required' }
    const number = message.id === undefined ? 0 : givenNumber(this.#core, message.id)
    if (number > 0) {
      if (this.#taken.get(number) ?? this.#isHeld(number)) {
        return { kind: 'refused', reason: 'id-in-use' }
      }
    }
    if (message.dedupId !== undefined && policy.dedup.kind !== 'none' && policy.dedup.kind !== 'replace') {
      const first = this.#firstOf(op.queue, shadow, message.dedupId)
      if (first !== undefined) return { kind: 'duplicate', of: formatId(this.#core, first) }
    }
    // What it may replace is not judged: it needs room of its own here, so that it is refused rather than let in wrongly.
    const room = this.#room(op.queue, shadow, policy, bytes)
    if (room === 'none') {
      if (policy.overflow === 'rejectDeadLetter') this.#tellDeaths(policy, 1)
      return { kind: 'refused', reason: 'queue-full' }
    }
    shadow.bytes += bytes
    if (room === 'dropped') return undefined
    if (message.dedupId !== undefined && policy.dedup.kind !== 'none') shadow.keys.set(message.dedupId, number)
    if (number > 0) this.#taken.set(number, true)
    shadow.waiting++
    // One that replaces a ready one adds none, and takes one away if it is delayed.
    const replaces = message.dedupId !== undefined && policy.dedup.kind === 'replace'
    if ((message.delayMs ?? policy.delayMs) > 0) shadow.dropped += replaces ? 1 : 0
    else if (!replaces && !hasOrder(policy)) shadow.ready++
    return undefined
  }

  /** `dropped`: heads are, or it is itself, so that the queue is no longer than before. */
  #room(name: string, shadow: QueueShadow, policy: QueuePolicy, bytes: number): 'free' | 'dropped' | 'none' {
    const { lengthMax, lengthBytesMax, lengthCounts, overflow } = policy
    const counted = lengthCounts === 'live' ? shadow.waiting : shadow.waiting - shadow.leased
    const tooLong = lengthMax !== null && counted >= lengthMax
    const tooBig = lengthBytesMax !== null && shadow.bytes + bytes > lengthBytesMax
    if (!tooLong && !tooBig) return 'free'
    if (overflow !== 'dropHead') return 'none'
    if (lengthCounts === 'waiting') {
      shadow.dropped += shadow.ready + (this.#core.byName.get(name)?.count(State.ready) ?? 0)
      this.#tellDeaths(policy, shadow.dropped + 1)
      return 'dropped'
    }
    // How many bytes the heads would free is not judged.
    if (tooBig || lengthMax === null || lengthMax === 0) return 'none'
    const excess = counted - lengthMax + 1
    if (this.#heads(name, shadow, policy) < excess) return 'none'
    shadow.waiting -= excess
    shadow.dropped += excess
    this.#tellDeaths(policy, excess)
    return 'free'
  }

  /** Does an entry from before the unit still have the number? */
  #isHeld(number: number): boolean {
    const { index } = this.#core
    const slot = index.numbers.get(number)
    return slot !== NONE && !this.#queue(index.queueOf(slot).name).goneStates.has(index.stateOf(slot))
  }

  #firstOf(queue: string, shadow: QueueShadow, key: string): number | undefined {
    const here = shadow.keys.get(key)
    if (here !== undefined || shadow.emptied) return here
    const first = this.#core.byName.get(queue)?.dedup.get(key, this.#core.nowMs)
    if (first === undefined) return undefined
    if (shadow.policy?.dedup.kind === 'afterRunning' && !this.#mayWait(queue, first.number)) return undefined
    return first.untilMs === Number.POSITIVE_INFINITY && this.#settled.has(first.number) ? undefined : first.number
  }

  /** May it be delayed or ready in that queue after what the unit did so far? */
  #mayWait(queue: string, number: number): boolean {
    const { index } = this.#core
    const slot = index.numbers.get(number)
    if (slot === NONE || this.#settled.has(number) || index.queueOf(slot).name !== queue) return false
    const state = index.stateOf(slot)
    return state === State.pending || isWaiting(state) || (state === State.leased && this.#over.has(number))
  }

  /** How many ready messages would there be to drop, one after another? */
  #heads(name: string, shadow: QueueShadow, policy: QueuePolicy): number {
    // What comes back to the queue itself makes no room for sure.
    if (policy.onDeath.kind === 'deadLetter' && policy.onDeath.queue === name) return 0
    if (policy.failedEventsTo.includes(name)) return 0
    const queue = shadow.goneStates.has(State.ready) ? undefined : this.#core.byName.get(name)
    return shadow.ready - shadow.dropped + (queue === undefined ? 0 : countToDrop(this.#core, queue))
  }

  #settle(op: SettleOp): Outcome | undefined {
    const { index } = this.#core
    const parsed = this.#tools.receipts.parse(op.receipt)
    const slot = rowFor(this.#core, parsed, op.how.kind)
    if (slot === NONE || parsed === undefined || this.#over.has(parsed.number)) return { kind: 'stale' }
    this.#over.add(parsed.number)
    const queue = index.queueOf(slot)
    const shadow = this.#queue(queue.name)
    if (shadow.goneStates.has(index.stateOf(slot))) return { kind: 'stale' }
    const c = index.slots.chunk(slot)
    if (c.state[slot & SLOT_MASK] === State.ready) shadow.dropped++
    const fate = this.#fateOf(slot, op.how)
    const { policy } = queue
    if (fate === 'waits') {
      // In a group it may be held back, which is not judged here: an append that needs its place is then refused, never wrongly let in.
      const delayed = op.how.kind === 'release' && (op.how.delayMs ?? 0) > 0
      if (!delayed && !hasOrder(policy)) shadow.ready++
      if (policy.lengthCounts === 'waiting') shadow.bytes += bytesOf(c, slot)
      shadow.leased--
      return undefined
    }
    this.#settled.add(parsed.number)
    shadow.waiting--
    const wasLeased = c.state[slot & SLOT_MASK] === State.leased
    if (wasLeased) shadow.leased--
    if (!wasLeased || policy.lengthCounts === 'live') shadow.bytes -= bytesOf(c, slot)
    if (fate === 'dies') this.#tellDeaths(policy, 1)
    if (fate === 'gone' || (fate === 'dies' && policy.onDeath.kind === 'discard')) this.#taken.set(parsed.number, false)
    return undefined
  }

  /** Deaths arrive elsewhere, as dead letters and as events. */
  #tellDeaths(policy: QueuePolicy, deaths: number): void {
    const { onDeath, failedEventsTo } = policy
    for (const name of onDeath.kind === 'deadLetter' ? [onDeath.queue, ...failedEventsTo] : failedEventsTo) {
      const shadow = this.#queue(name)
      shadow.waiting += deaths
      shadow.bytes = Number.POSITIVE_INFINITY
    }
  }

  #fateOf(slot: number, how: SettleOp['how']): 'waits' | 'dies' | 'gone' | 'held' {
    const { index } = this.#core
    const { policy } = index.queueOf(slot)
    if (how.kind === 'ack') return how.keep === undefined ? 'gone' : 'held'
    if (how.kind === 'bury') return 'dies'
    if (index.isFromDead(slot)) return 'held'
    const attempts = index.slots.chunk(slot).attempts[slot & SLOT_MASK] as number
    if (how.spend !== false && policy.attemptsMax !== null && attempts >= policy.attemptsMax) return 'dies'
    if (isExpired(this.#core, slot)) return policy.onExpired === 'die' ? 'dies' : 'gone'
    return 'waits'
  }

  #record(op: RecordOp): Outcome | undefined {
    const before = this.#recordOf(op.key)?.version ?? 0
    if (op.expect !== undefined && op.expect !== before) return { kind: 'mismatch', version: before }
    this.#records.set(op.key, op.value === null ? undefined : { value: op.value, version: before + 1 })
    return undefined
  }

  #recordOf(key: string): RecordValue | undefined {
    return this.#records.has(key) ? this.#records.get(key) : this.#core.records.get(key)
  }

  #count(op: CountOp): Outcome | undefined {
    const record = this.#recordOf(op.key)
    const value = (record === undefined ? 0 : decodeCount(record.value)) + op.by
    const counted = { value: encodeCount(value), version: (record?.version ?? 0) + 1 }
    this.#records.set(op.key, value < op.at ? counted : undefined)
    if (value < op.at) return undefined
    for (const reached of op.whenReached) {
      const failed = this.run(reached)
      if (failed !== undefined) return failed
    }
    return undefined
  }

  #putQueue(op: PutQueueOp): Outcome | undefined {
    const shadow = this.#queue(op.queue)
    if (op.expect === 'absent' && shadow.policy !== undefined) return { kind: 'mismatch', version: 1 }
    const { lengthBytesMax, lengthCounts } = shadow.policy ?? op.policy
    if (lengthBytesMax === null || lengthCounts !== op.policy.lengthCounts) shadow.bytes = Number.POSITIVE_INFINITY
    if (shadow.policy === undefined) shadow.bytes = 0
    shadow.policy = op.policy
    return undefined
  }

  #dropQueue(op: DropQueueOp): Outcome | undefined {
    const shadow = this.#queue(op.queue)
    if (shadow.policy === undefined) return undefined
    if (op.ifEmpty === true && shadow.waiting > 0) return { kind: 'mismatch', version: 1 }
    shadow.policy = undefined
    for (let state = State.pending; state <= State.dead; state++) shadow.goneStates.add(state)
    shadow.waiting = 0
    shadow.leased = 0
    shadow.bytes = 0
    shadow.ready = 0
    shadow.dropped = 0
    shadow.keys.clear()
    shadow.emptied = true
    return undefined
  }

  #purge(op: PurgeOp): void {
    const shadow = this.#queue(op.queue)
    const queue = this.#core.byName.get(op.queue)
    const states = statesToPurge(op)
    for (const state of states) {
      if (!shadow.goneStates.has(state) && isWaiting(state)) shadow.waiting -= queue?.count(state) ?? 0
      shadow.goneStates.add(state)
    }
    shadow.keys.clear()
    shadow.emptied = true
    if (states.has(State.ready)) {
      shadow.waiting -= shadow.ready - shadow.dropped
      shadow.ready = 0
      shadow.dropped = 0
    }
  }

  #queue(name: string): QueueShadow {
    let shadow = this.#queues.get(name)
    if (shadow === undefined) {
      const queue = this.#core.byName.get(name)
      shadow = {
        policy: queue?.policy,
        waiting: queue?.waiting ?? 0,
        leased: queue?.count(State.leased) ?? 0,
        bytes: queue === undefined ? 0 : bytesCounted(queue),
        ready: 0,
        dropped: 0,
        emptied: false,
        goneStates: new Set(),
        keys: new Map(),
      }
      this.#queues.set(name, shadow)
    }
    return shadow
  }
}

function bytesOf(c: Chunk, slot: number): number {
  return (c.length[slot & SLOT_MASK] as number) - CONTENT_HEADER_BYTES
}

function isWaiting(state: number): boolean {
  return state === State.delayed || state === State.ready
}

function required(op: { readonly required?: boolean }, failure: Outcome | undefined): Outcome | undefined {
  return op.required === true ? failure : undefined
}
