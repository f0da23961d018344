/** Journal bytes -> index: reads the effects of a record (codec.ts) and applies each as it was decided then. */

import { SpindleError } from '../../model/errors.ts'
import type { Death } from '../../model/message.ts'
import { defaultPolicy, type QueuePolicy } from '../../model/policy.ts'
import type { QueueLifetime } from '../engine.ts'
import { HOLDER_TTL_MS_DEFAULT } from '../engine.ts'
import { AppendFlag, CONTENT_HEADER_BYTES, Effect } from './codec.ts'
import { type Core, instant } from './core.ts'
import type { NewRow } from './index/message-index.ts'
import { Meter } from './index/meter.ts'
import type { QueueState } from './index/queue-state.ts'
import { type BlobPlace, Flag, NONE, SLOT_MASK, State } from './index/slots.ts'
import { holdDedup } from './rows.ts'

export interface QueueRules {
  readonly name: string
  readonly policy: QueuePolicy
  readonly lifetime: QueueLifetime
}

export class Replay {
  readonly #core: Core
  #bytes: Buffer = Buffer.alloc(0)
  #view: DataView<ArrayBufferLike> = new DataView(new ArrayBuffer(0))
  #at = 0
  #start = 0
  #segment = 0
  #offset = 0
  /** Contents of the record under way that a later append may share: place -> first slot. */
  readonly #contents = new Map<number, number>()
  identity: unknown

  constructor(core: Core) {
    this.#core = core
  }

  record(bytes: Buffer, start: number, end: number, segment: number, offset: number): void {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    this.#at = start
    this.#start = start
    this.#segment = segment
    this.#offset = offset
    if (this.#contents.size > 0) this.#contents.clear()
    while (this.#at < end) this.#effect()
    if (this.#at !== end) throw this.#corrupt('a record ends inside an effect')
  }

  /** Turns rows into queues again; after the last record. */
  finish(): void {
    const core = this.#core
    const { index } = core
    const { slots } = index
    index.linking = true
    for (const queue of core.byName.values()) {
      if (queue.policy.lengthBytesMax !== null) queue.meter = new Meter()
    }
    const moved: number[] = []
    index.numbers.each((slot) => {
      const c = slots.chunk(slot)
      const i = slot & SLOT_MASK
      if (c.state[i] === State.leased && c.lease !== undefined) {
        const term = c.lease.term[i] as number
        c.lease.due[i] = term < 0 ? 0 : instant(core.nowMs + term)
      }
      index.queueOf(slot).meter?.enter(c.state[i] as number, (c.length[i] as number) - CONTENT_HEADER_BYTES)
      if (((c.flags[i] as number) & Flag.moved) !== 0) moved.push(slot)
      else index.link(slot)
    })
    moved.sort((a, b) => slots.sequenceOf(a) - slots.sequenceOf(b))
    for (const slot of moved) index.link(slot)
  }

  #effect(): void {
    const { index } = this.#core
    const effect = this.#bytes[this.#at++] as number
    switch (effect) {
      case Effect.append:
        this.#append()
        return
      case Effect.lease: {
        const slot = this.#slot()
        const token = this.#float()
        const wall = this.#float()
        const term = this.#float()
        const name = this.#string()
        if (slot === NONE) return
        const holder = name === '' ? 0 : this.#holder(name)
        index.lease(slot, { token, wall, term, due: 0, holder })
        return
      }
      case Effect.extend: {
        const slot = this.#slot()
        const term = this.#float()
        if (slot !== NONE) index.extend(slot, term, 0)
        return
      }
      case Effect.remove: {
        const slot = this.#slot()
        if (slot !== NONE) index.remove(slot)
        return
      }
      case Effect.keep: {
        const slot = this.#slot()
        const wall = this.#float()
        const until = this.#core.toMonotonic(this.#float())
        const kept = this.#blob()
        if (slot === NONE) return
        index.end(slot, State.done, wall, until)
        index.setBlob(slot, 'kept', kept)
        return
      }
      case Effect.return: {
        const slot = this.#slot()
        const attempts = this.#view.getUint16(this.#at, true)
        const fence = this.#bytes[this.#at + 2] as number
        this.#at += 3
        const due = this.#core.toMonotonic(this.#float())
        const note = this.#note()
        if (slot !== NONE) index.return(slot, attempts, fence, due, note)
        return
      }
      case Effect.die: {
        const slot = this.#slot()
        const wall = this.#float()
        const until = this.#core.toMonotonic(this.#float())
        const history = this.#json() as Death[]
        const note = this.#note()
        if (slot === NONE) return
        index.end(slot, State.dead, wall, until, history)
        if (note !== undefined) index.setBlob(slot, 'note', note)
        return
      }
      case Effect.move:
        this.#move()
        return
      case Effect.record:
        this.#record()
        return
      case Effect.putQueue:
        this.putQueue(this.#uint32(), this.#json() as QueueRules)
        return
      case Effect.drop: {
        const queue = index.queues[this.#uint32()]
        if (queue !== undefined) this.#core.removeQueue(queue)
        return
      }
      case Effect.purge: {
        const queue = index.queues[this.#uint32()]
        for (let left = this.#uint32(); left > 0; left--) {
          const slot = this.#slot()
          if (slot !== NONE) index.remove(slot)
        }
        queue?.dedup.clear()
        return
      }
      case Effect.open: {
        const core = this.#core
        core.startEpoch(Math.max(core.epoch, this.#float()))
        core.nextNumber = Math.max(core.nextNumber, this.#float())
        this.identity = this.#json()
        return
      }
      case Effect.copy:
        this.#copy()
        return
      case Effect.place: {
        const slot = this.#slot()
        const place = { segment: this.#uint32(), offset: this.#uint32(), length: this.#uint32() }
        if (slot !== NONE) index.replace(slot, place, true)
        return
      }
      default:
        throw this.#corrupt(`effect ${effect} is unknown`)
    }
  }

  #append(): void {
    const core = this.#core
    const flags = this.#bytes[this.#at] as number
    this.#at++
    const id = this.#uint32()
    const queue = core.index.queues[id]
    if (queue === undefined) throw this.#corrupt(`an append to the unknown queue ${id}`)
    row.queue = queue
    row.number = this.#float()
    row.enqueuedAtWall = this.#float()
    row.priority = this.#bytes[this.#at++] as number
    row.sequence = (flags & AppendFlag.sequence) === 0 ? row.number : this.#float()
    row.due = (flags & AppendFlag.due) === 0 ? 0 : core.toMonotonic(this.#float())
    row.expires = (flags & AppendFlag.expires) === 0 ? 0 : core.toMonotonic(this.#float())
    row.group = (flags & AppendFlag.group) === 0 ? undefined : this.#string()
    row.dedup = (flags & AppendFlag.dedup) === 0 ? undefined : this.#string()
    row.history = (flags & AppendFlag.history) === 0 ? NO_HISTORY : (this.#json() as Death[])
    const slot = core.index.insert(row)
    core.nextNumber = Math.max(core.nextNumber, row.number + 1, row.sequence + 1)
    holdDedup(core, queue, row)
    if ((flags & AppendFlag.shared) === 0) {
      this.#contents.set(this.#at - this.#start, slot)
      core.index.place(slot, this.#blob(), -1)
    } else {
      const back = this.#uint32()
      const first = this.#contents.get(back)
      if (first === undefined) throw this.#corrupt('an append shares a content that is not there')
      core.index.shareContent(first)
      core.index.place(slot, core.index.contentOf(first), 1)
    }
    core.index.reveal(slot, core.nowMs)
  }

  #move(): void {
    const core = this.#core
    const slot = this.#slot()
    const id = this.#uint32()
    const sequence = this.#float()
    const wall = this.#float()
    const due = core.toMonotonic(this.#float())
    const expires = core.toMonotonic(this.#float())
    const history = this.#json() as Death[]
    const note = this.#note()
    const queue = core.index.queues[id]
    core.nextNumber = Math.max(core.nextNumber, sequence + 1)
    if (slot === NONE) return
    if (queue === undefined) throw this.#corrupt(`a move to the unknown queue ${id}`)
    const moved = core.index.move(slot, { queue, sequence, due, expires, wall }, history)
    if (note !== undefined) core.index.setBlob(moved, 'note', note)
    core.index.reveal(moved, core.nowMs)
  }

  #record(): void {
    const key = this.#long()
    const version = this.#float()
    if (this.#bytes[this.#at++] === 0) {
      this.#core.records.delete(key)
      return
    }
    const length = this.#uint32()
    const value = new Uint8Array(this.#bytes.subarray(this.#at, this.#at + length))
    this.#at += length
    this.#core.records.set(key, { value, version })
  }

  putQueue(id: number, rules: QueueRules): QueueState {
    const core = this.#core
    let queue = core.index.queues[id]
    // A store that is older than a rule gets the rule's default.
    const policy = { ...defaultPolicy, ...rules.policy }
    if (queue === undefined) queue = core.addQueue(id, rules.name, policy, rules.lifetime)
    else {
      core.govern(queue, policy)
      queue.lifetime = rules.lifetime
    }
    if (rules.lifetime.kind === 'holder') this.#holder(rules.lifetime.holder)
    return queue
  }

  #copy(): void {
    const { index } = this.#core
    const slot = this.#slot()
    const which = this.#bytes[this.#at++] as number
    this.#at += 4
    const place = this.#blob()
    if (slot === NONE) return
    if (which === 0 || which === 3) index.replace(slot, place, which === 3)
    else index.setBlob(slot, which === 1 ? 'note' : 'kept', place)
  }

  #holder(name: string): number {
    return this.#core.holders.meet(name, this.#core.nowMs + HOLDER_TTL_MS_DEFAULT).index
  }

  #slot(): number {
    return this.#core.index.numbers.get(this.#float())
  }

  #note(): BlobPlace | undefined {
    return this.#bytes[this.#at++] === 0 ? undefined : this.#blob()
  }

  #blob(): BlobPlace {
    const from = this.#at
    const length = CONTENT_HEADER_BYTES + this.#view.getUint32(from + 4, true) + this.#view.getUint32(from + 8, true)
    this.#at += length
    return { segment: this.#segment, offset: this.#offset + (from - this.#start), length }
  }

  #uint32(): number {
    const value = this.#view.getUint32(this.#at, true)
    this.#at += 4
    return value
  }

  #float(): number {
    const value = this.#view.getFloat64(this.#at, true)
    this.#at += 8
    return value
  }

  #string(): string {
    const length = this.#view.getUint16(this.#at, true)
    this.#at += 2 + length
    return length === 0 ? '' : this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  #long(): string {
    const length = this.#uint32()
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  #json(): unknown {
    return JSON.parse(this.#long())
  }

  #corrupt(what: string): SpindleError {
    const place = this.#offset + (this.#at - this.#start)
    return new SpindleError('corrupt', `replay of segment ${this.#segment} at ${place} (${what})`)
  }
}

const NO_HISTORY: NewRow['history'] = []
/** Reused from append to append; nothing keeps it. */
const row = { history: NO_HISTORY } as NewRow
