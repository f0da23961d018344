/** What all verbs share: the index, the ledger, the clocks, the names. */

import type { Limits } from '../../model/limits.ts'
import type { StoreTag } from '../../model/message-id.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import type { Clock } from '../../runtime/clock.ts'
import { HOLDER_TTL_MS_DEFAULT, type QueueLifetime } from '../engine.ts'
import { CONTENT_HEADER_BYTES } from './codec.ts'
import { Holders } from './holders.ts'
import { idPrefixOf } from './ids.ts'
import { MessageIndex } from './index/message-index.ts'
import { Meter } from './index/meter.ts'
import { QueueState } from './index/queue-state.ts'
import { SLOT_MASK, State } from './index/slots.ts'
import type { Ledger } from './ledger.ts'
import type { PageCache } from './page-cache.ts'
import { Records } from './records.ts'
import { Reveals } from './reveals.ts'

/** Tokens and numbers of one opening start here times the epoch, so that none is ever given twice. */
const TOKENS_PER_EPOCH = 2 ** 36

export class Core {
  readonly index = new MessageIndex()
  readonly records = new Records()
  readonly byName = new Map<string, QueueState>()
  readonly holders: Holders
  readonly limits: Limits
  readonly clock: Clock
  /** Set when the journal is open. */
  ledger!: Ledger
  cache!: PageCache
  /** Reading of the monotonic clock for the verb under way; `wallMs` is its wall one. */
  nowMs = 0
  epoch = 0
  /** What every id of this store begins with. */
  tag = '' as StoreTag
  idPrefix = ''
  nextNumber = 1
  /** Rows of units that are not durable yet, and of those that are not written yet. */
  readonly durableReveals = new Reveals()
  readonly writtenReveals = new Reveals()
  /** No claim of a sticky group lapses untold before this. */
  claimsFirstMs = Number.POSITIVE_INFINITY
  #wallMs = 0
  #wallRead = true
  /** Queues that have a rate, or whose groups have one. */
  readonly rated = new Set<QueueState>()
  /** No token of them comes untold before this. */
  tokensFirstMs = Number.POSITIVE_INFINITY
  #token = 0
  #hint: (queue: QueueState) => void = () => {}

  constructor(parts: { clock: Clock; limits: Limits }) {
    this.clock = parts.clock
    this.limits = parts.limits
    this.holders = new Holders(this.index.slots)
    this.index.onHolder = (slot, holder, joined) =>
      joined ? this.holders.join(holder, slot) : this.holders.leave(holder, slot)
  }

  /** Reads the clocks; first thing in every verb. The wall clock waits until it is asked for: an ack never does. */
  readClocks(): void {
    this.nowMs = this.clock.monotonicMs()
    this.#wallRead = false
  }

  get wallMs(): number {
    if (!this.#wallRead) {
      this.#wallMs = this.clock.wallMs()
      this.#wallRead = true
    }
    return this.#wallMs
  }

  /** The wall instant of a monotonic one; 0 stays 0. */
  toWall(monotonicMs: number): number {
    return monotonicMs === 0 ? 0 : Math.round(this.wallMs + (monotonicMs - this.nowMs))
  }

  /** The monotonic instant of a wall one; 0 stays 0, and no instant becomes 0. */
  toMonotonic(wallMs: number): number {
    return wallMs === 0 ? 0 : instant(this.nowMs + (wallMs - this.wallMs))
  }

  setTag(tag: StoreTag): void {
    this.tag = tag
    this.idPrefix = idPrefixOf(tag)
  }

  startEpoch(epoch: number): void {
    this.epoch = epoch
    this.#token = epoch * TOKENS_PER_EPOCH
  }

  nextToken(): number {
    return ++this.#token
  }

  set onHint(hint: (queue: QueueState) => void) {
    this.#hint = hint
  }

  /** Says that the queue may have become leasable. */
  hint(queue: QueueState): void {
    if (!queue.hinted) this.#hint(queue)
  }

  /** A message left or stepped aside, so one that waited for it, in its group or for the queue's cap, may have become leasable. */
  hintGroup(queue: QueueState): void {
    if (queue.yields && queue.count(State.ready) > 0) this.hint(queue)
  }

  /** The broker publishes the dead of this queue to an exchange. */
  hintDead(queue: QueueState): void {
    if (queue.policy.onDeath.kind === 'exchange' && queue.count(State.dead) > 0) this.hint(queue)
  }

  /** Dead messages that are on their way to an exchange wait for somebody who watches. */
  hintAllDead(): void {
    for (const queue of this.byName.values()) this.hintDead(queue)
  }

  addQueue(id: number, name: string, policy: QueuePolicy, lifetime: QueueLifetime): QueueState {
    const queue = new QueueState(this.index.slots, id, name, policy, lifetime)
    queue.usedAtMs = this.nowMs
    this.index.queues[id] = queue
    this.byName.set(name, queue)
    this.#follow(queue)
    if (this.index.linking) this.meter(queue)
    return queue
  }

  /** Gives a queue that exists other rules. */
  govern(queue: QueueState, policy: QueuePolicy): void {
    const before = orderOf(queue.policy)
    queue.govern(policy, this.nowMs)
    this.#follow(queue)
    if (!this.index.linking) return
    if (orderOf(policy) !== before) this.relink(queue)
    else queue.groups.refreshAll()
    this.meter(queue)
  }

  #follow(queue: QueueState): void {
    if (queue.rated) this.rated.add(queue)
    else this.rated.delete(queue)
    // The next verb looks when its next token comes.
    if (queue.rated) this.tokensFirstMs = Number.NEGATIVE_INFINITY
  }

  /** Starts or ends the queue's meter, as its policy says. */
  meter(queue: QueueState): void {
    if (queue.policy.lengthBytesMax === null) queue.meter = undefined
    else if (queue.meter === undefined) {
      const meter = new Meter()
      this.eachSlot(queue, anyState, (slot) => {
        const c = this.index.slots.chunk(slot)
        const i = slot & SLOT_MASK
        meter.enter(c.state[i] as number, (c.length[i] as number) - CONTENT_HEADER_BYTES)
      })
      queue.meter = meter
    }
  }

  /** The holder of that name, known or new; its index. */
  meetHolder(name: string): number {
    return this.holders.meet(name, this.nowMs + HOLDER_TTL_MS_DEFAULT).index
  }

  /** A number for a queue that is new. Ids are not given twice: rows of a queue that was dropped may still be zombies. */
  nextQueueId(): number {
    return this.index.queues.length
  }

  /** Forgets the queue and every entry of it, pending ones too. */
  removeQueue(queue: QueueState): void {
    const { index } = this
    if (index.linking) {
      queue.ready.clear()
      queue.dead.clear()
      queue.groups.clearLines()
    }
    this.eachSlot(queue, anyState, (slot) => this.removeRow(slot))
    queue.dropped = true
    this.index.queues[queue.id] = undefined
    this.byName.delete(queue.name)
    this.rated.delete(queue)
  }

  removeRow(slot: number): void {
    this.ledger.unlocate(slot)
    this.index.remove(slot)
  }

  /** Visits the queue's rows in slot order; stops when it has met as many as the queue counts. */
  eachSlot(queue: QueueState, wanted: (state: number) => boolean, visit: (slot: number) => void): void {
    const { slots } = this.index
    let left = 0
    for (let state = State.pending; state <= State.dead; state++) if (wanted(state)) left += queue.count(state)
    const end = slots.end
    for (let slot = 1; slot < end && left > 0; slot++) {
      const c = slots.chunk(slot)
      const i = slot & SLOT_MASK
      if (c.queue[i] !== queue.id) continue
      const state = c.state[i] as number
      if (state === State.free || state === State.zombie || !wanted(state)) continue
      left--
      visit(slot)
    }
  }

  /** Links every row of the queue anew, when its policy's kind of order changed. */
  relink(queue: QueueState): void {
    queue.ready.clear()
    queue.dead.clear()
    queue.groups.clearLines()
    const rows: number[] = []
    this.eachSlot(
      queue,
      (state) => state !== State.pending,
      (slot) => rows.push(slot),
    )
    rows.sort((a, b) => this.index.slots.sequenceOf(a) - this.index.slots.sequenceOf(b))
    for (const slot of rows) this.index.link(slot)
  }
}

/** 0 means none, so an instant that happens to be 0 is the one just after. */
export function instant(monotonicMs: number): number {
  return monotonicMs === 0 ? Number.MIN_VALUE : monotonicMs
}

/** Which lines the policy has: none, those of ordered groups, or lanes of fair ones. */
function orderOf({ groups: { kind } }: QueuePolicy): string {
  return kind === 'sticky' ? 'ordered' : kind
}

function anyState(): boolean {
  return true
}
