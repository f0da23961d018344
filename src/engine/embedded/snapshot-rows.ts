/**
 * Rows of the index as bytes, for checkpoints. Instants are wall ms, 0: none. Little endian.
 *
 *   row := number:f64 queue:u32 state:u8 priority:u8 bits:u16 enqueuedAt:f64 segment:u32 offset:u32 length:u32
 *          [sequence:f64] [due:f64] [expires:f64] [counts: attempts:u16 deliveries:u16]
 *          [lease: token:f64 firstLeasedAt:f64 term:f64] [holder:str] [ended:f64] [note:place] [kept:place]
 *          [group: ref:u32 [name:str]] [dedup:str] [history:json]
 *   place := segment:u32 offset:u32 length:u32
 *
 * A group has its name in the first row of it, and a number from then on: there are more rows than groups.
 *
 * `state` is 2 for everything that waits (delayed, ready, and pending, whose record is in the journal before the checkpoint);
 * whether a delay is over follows from `due`.
 */
import type { Death } from '../../model/message.ts'
import type { Core } from './core.ts'
import type { Group } from './index/groups.ts'
import type { NewRow } from './index/message-index.ts'
import type { QueueState } from './index/queue-state.ts'
import { type BlobPlace, CHUNK_BITS, CHUNK_SLOTS, Flag, SLOT_MASK, State } from './index/slots.ts'

export const Bit = {
  sequence: 1,
  due: 2,
  expires: 4,
  counts: 8,
  lease: 16,
  holder: 32,
  ended: 64,
  note: 128,
  kept: 256,
  group: 512,
  dedup: 1_024,
  history: 2_048,
  shared: 4_096,
  late: 8_192,
  fromDead: 16_384,
  groupNamed: 32_768,
} as const

/** First byte of a checkpoint's sections. */
export const Section = { header: 0, rows: 1, dedup: 2, records: 3 } as const

/** A section ends with the row, key or record that makes it this long. */
export const SECTION_BYTES = 1_048_576

/** Fixed fields and every optional one but strings and history. */
const ROW_BYTES = 36 + 8 * 3 + 4 + 24 + 8 + 24 + 4

export class RowWriter {
  #bytes = Buffer.allocUnsafeSlow(1 << 18)
  #view = new DataView(this.#bytes.buffer)
  #at = 0
  /** Groups named in this checkpoint, and in all before it. */
  #groups = 0
  #groupsBefore = 0

  /** The next chunk is the first of a checkpoint. */
  restart(): void {
    this.#groupsBefore = this.#groups
  }

  /** The live rows of a chunk, as sections; copies. */
  chunk(core: Core, chunk: number): Buffer[] {
    const sections: Buffer[] = []
    this.#begin()
    const { slots } = core.index
    const states = slots.chunks[chunk]?.state ?? new Uint8Array(0)
    for (let i = 0; i < CHUNK_SLOTS; i++) {
      const state = states[i] as number
      if (state === State.free || state === State.zombie) continue
      this.#row(core, (chunk << CHUNK_BITS) | i)
      if (this.#at < SECTION_BYTES) continue
      sections.push(Buffer.from(this.#bytes.subarray(0, this.#at)))
      this.#begin()
    }
    if (this.#at > 1) sections.push(Buffer.from(this.#bytes.subarray(0, this.#at)))
    return sections
  }

  #begin(): void {
    this.#bytes[0] = Section.rows
    this.#at = 1
  }

  #row(core: Core, slot: number): void {
    const { slots } = core.index
    const c = slots.chunk(slot)
    const i = slot & SLOT_MASK
    this.#room(ROW_BYTES)
    const state = c.state[i] as number
    const flags = c.flags[i] as number
    const waits = state !== State.leased && state !== State.done && state !== State.dead
    const { lease } = c
    const v = this.#view
    const start = this.#at
    v.setFloat64(start, c.number[i] as number, true)
    v.setUint32(start + 8, c.queue[i] as number, true)
    v.setUint8(start + 12, waits ? State.delayed : state)
    v.setUint8(start + 13, c.priority[i] as number)
    v.setFloat64(start + 16, c.enqueuedAt[i] as number, true)
    v.setUint32(start + 24, c.segment[i] as number, true)
    v.setUint32(start + 28, c.offset[i] as number, true)
    v.setUint32(start + 32, c.length[i] as number, true)
    this.#at = start + 36
    let bits = 0
    if ((flags & Flag.shared) !== 0) bits |= Bit.shared
    if ((flags & Flag.late) !== 0) bits |= Bit.late
    if ((flags & Flag.fromDead) !== 0) bits |= Bit.fromDead
    if ((flags & Flag.moved) !== 0) bits |= this.#float(Bit.sequence, slots.sequenceOf(slot))
    const due = lease === undefined || state === State.leased ? 0 : (lease.due[i] as number)
    if (due !== 0) bits |= this.#float(Bit.due, core.toWall(due))
    const expires = c.expires === undefined ? 0 : (c.expires[i] as number)
    if (expires !== 0) bits |= this.#float(Bit.expires, core.toWall(expires))
    if ((c.deliveries[i] as number) > 0) {
      bits |= Bit.counts
      v.setUint16(this.#at, c.attempts[i] as number, true)
      v.setUint16(this.#at + 2, c.deliveries[i] as number, true)
      this.#at += 4
    }
    if (lease !== undefined && (lease.firstLeasedAt[i] as number) !== 0) {
      bits |= Bit.lease
      v.setFloat64(this.#at, lease.token[i] as number, true)
      v.setFloat64(this.#at + 8, lease.firstLeasedAt[i] as number, true)
      v.setFloat64(this.#at + 16, lease.term[i] as number, true)
      this.#at += 24
      const holder = lease.holder[i] as number
      if (holder !== 0) bits |= this.#string(Bit.holder, core.holders.at(holder).name)
    }
    const ended = state === State.done || state === State.dead ? (c.ended?.[i] ?? 0) : 0
    if (ended !== 0) bits |= this.#float(Bit.ended, ended)
    if (c.note !== undefined) bits |= this.#place(Bit.note, core, slot, 'note')
    if (c.kept !== undefined) bits |= this.#place(Bit.kept, core, slot, 'kept')
    const group = c.group === undefined ? 0 : (c.group[i] as number)
    if (group !== 0) bits |= this.#group(core.index.queueOf(slot).groups.at(group))
    const dedup = c.dedup?.[i]
    if (dedup !== undefined) bits |= this.#string(Bit.dedup, dedup)
    const history = slots.history(slot)
    if (history.length > 0) bits |= this.#string(Bit.history, JSON.stringify(history))
    this.#view.setUint16(start + 14, bits, true)
  }

  #group(group: Group): number {
    const isNew = group.savedAs < this.#groupsBefore
    if (isNew) group.savedAs = this.#groups++
    this.#view.setUint32(this.#at, group.savedAs - this.#groupsBefore, true)
    this.#at += 4
    return Bit.group | (isNew ? this.#string(Bit.groupNamed, group.key) : 0)
  }

  #float(bit: number, value: number): number {
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
    return bit
  }

  #place(bit: number, core: Core, slot: number, which: 'note' | 'kept'): number {
    const place = core.index.slots.blob(slot, which)
    if (place === undefined) return 0
    this.#view.setUint32(this.#at, place.segment, true)
    this.#view.setUint32(this.#at + 4, place.offset, true)
    this.#view.setUint32(this.#at + 8, place.length, true)
    this.#at += 12
    return bit
  }

  /** All later fields of the row have room, too. */
  #string(bit: number, value: string): number {
    this.#room(4 + value.length * 3 + ROW_BYTES)
    const length = this.#bytes.write(value, this.#at + 4, 'utf8')
    this.#view.setUint32(this.#at, length, true)
    this.#at += 4 + length
    return bit
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const before = this.#bytes
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(before.length * 2, this.#at + bytes))
    before.copy(this.#bytes, 0, 0, this.#at)
    this.#view = new DataView(this.#bytes.buffer)
  }
}

/** Reads the rows of a checkpoint's sections, all in order. Its fields tell the row under it; instants are wall ms, 0: none. */
export class RowReader {
  number = 0
  queue = 0
  /** One of State; `delayed` for everything that waits. */
  state = 0
  priority = 0
  enqueuedAt = 0
  readonly content = { segment: 0, offset: 0, length: 0 }
  sequence = 0
  due = 0
  expires = 0
  attempts = 0
  deliveries = 0
  lease: { readonly token: number; readonly firstLeasedAt: number; readonly term: number } | undefined
  holder: string | undefined
  ended = 0
  note: BlobPlace | undefined
  kept: BlobPlace | undefined
  /** Number of its group in this checkpoint; -1: it has none. */
  groupRef = -1
  /** Its name; also undefined where the section that has it is damaged and was passed over. */
  group: string | undefined
  dedup: string | undefined
  history: readonly Death[] = NO_HISTORY
  shared = false
  late = false
  fromDead = false
  readonly #groups: (string | undefined)[] = []
  #bytes: Buffer = Buffer.alloc(0)
  #view: DataView<ArrayBufferLike> = new DataView(new ArrayBuffer(0))
  #at = 0

  /** Goes to before the first row of a section; its kind is byte 0. */
  section(bytes: Buffer): void {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#at = 1
  }

  /** Goes to the next row; false: there is none. */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false
    const view = this.#view
    const start = this.#at
    const bits = view.getUint16(start + 14, true)
    this.number = view.getFloat64(start, true)
    this.queue = view.getUint32(start + 8, true)
    this.state = view.getUint8(start + 12)
    this.priority = view.getUint8(start + 13)
    this.enqueuedAt = view.getFloat64(start + 16, true)
    const { content } = this
    content.segment = view.getUint32(start + 24, true)
    content.offset = view.getUint32(start + 28, true)
    content.length = view.getUint32(start + 32, true)
    this.#at = start + 36
    this.sequence = (bits & Bit.sequence) === 0 ? this.number : this.#float()
    this.due = (bits & Bit.due) === 0 ? 0 : this.#float()
    this.expires = (bits & Bit.expires) === 0 ? 0 : this.#float()
    const counted = (bits & Bit.counts) !== 0
    this.attempts = counted ? view.getUint16(this.#at, true) : 0
    this.deliveries = counted ? view.getUint16(this.#at + 2, true) : 0
    if (counted) this.#at += 4
    this.lease =
      (bits & Bit.lease) === 0 ? undefined : { token: this.#float(), firstLeasedAt: this.#float(), term: this.#float() }
    this.holder = (bits & Bit.holder) === 0 ? undefined : this.#string()
    this.ended = (bits & Bit.ended) === 0 ? 0 : this.#float()
    this.note = (bits & Bit.note) === 0 ? undefined : this.#place()
    this.kept = (bits & Bit.kept) === 0 ? undefined : this.#place()
    this.groupRef = (bits & Bit.group) === 0 ? -1 : this.#uint32()
    if ((bits & Bit.groupNamed) !== 0) this.#groups[this.groupRef] = this.#string()
    this.group = this.groupRef < 0 ? undefined : this.#groups[this.groupRef]
    this.dedup = (bits & Bit.dedup) === 0 ? undefined : this.#string()
    this.history = (bits & Bit.history) === 0 ? NO_HISTORY : (JSON.parse(this.#string()) as Death[])
    this.shared = (bits & Bit.shared) !== 0
    this.late = (bits & Bit.late) !== 0
    this.fromDead = (bits & Bit.fromDead) !== 0
    return true
  }

  #uint32(): number {
    this.#at += 4
    return this.#view.getUint32(this.#at - 4, true)
  }

  #float(): number {
    this.#at += 8
    return this.#view.getFloat64(this.#at - 8, true)
  }

  #string(): string {
    const length = this.#uint32()
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  #place(): BlobPlace {
    return { segment: this.#uint32(), offset: this.#uint32(), length: this.#uint32() }
  }
}

/** Puts the rows of a checkpoint back into an index, unlinked. */
export class RowLoader {
  readonly #core: Core
  readonly #stored = new RowReader()
  /** Index of each group by its number in the checkpoint. */
  readonly #groups: (number | undefined)[] = []
  readonly #row = {} as NewRow
  /** Those that are done, with their ends. */
  readonly done: { readonly number: number; readonly ended: number }[] = []

  constructor(core: Core) {
    this.#core = core
  }

  section(bytes: Buffer): void {
    const stored = this.#stored
    stored.section(bytes)
    while (stored.next()) this.#load(stored)
  }

  #load(stored: RowReader): void {
    const core = this.#core
    const { index } = core
    const { number, state, content, note, kept, holder } = stored
    const queue = index.queues[stored.queue]
    if (queue === undefined) throw new Error(`a checkpoint has message ${number} in a queue that it lacks`)
    const row = this.#row
    row.queue = queue
    row.number = number
    row.sequence = stored.sequence
    row.priority = stored.priority
    row.enqueuedAtWall = stored.enqueuedAt
    row.due = state === State.leased ? 0 : core.toMonotonic(stored.due)
    row.expires = core.toMonotonic(stored.expires)
    row.dedup = stored.dedup
    row.history = stored.history
    const slot = index.insert(row)
    if (stored.groupRef >= 0) index.slots.setGroup(slot, this.#groupOf(queue, stored))
    index.place(slot, content, stored.shared ? index.usage.usersOf(content.segment, content.offset) : -1)
    if (note !== undefined) index.setBlob(slot, 'note', note)
    if (kept !== undefined) index.setBlob(slot, 'kept', kept)
    let flags = 0
    if (stored.late) flags |= Flag.late
    if (stored.fromDead) flags |= Flag.fromDead
    index.restore(slot, {
      state,
      attempts: stored.attempts,
      deliveries: stored.deliveries,
      flags,
      ended: stored.ended,
      lease: stored.lease,
      holder: holder === undefined ? 0 : core.meetHolder(holder),
    })
    if (state === State.done) this.done.push({ number, ended: stored.ended })
  }

  #groupOf({ groups }: QueueState, { groupRef, group }: RowReader): number {
    const known = this.#groups[groupRef]
    if (known !== undefined) {
      groups.enterAgain(known)
      return known
    }
    if (group === undefined) throw new Error(`a checkpoint does not name its group ${groupRef}`)
    const index = groups.enter(group)
    this.#groups[groupRef] = index
    return index
  }
}

const NO_HISTORY: readonly Death[] = []
