/**
 * Rows of the index as bytes, for checkpoints. Instants are wall ms, 0: none. Little endian.
 *
 *   row := number:f64 queue:u32 state:u8 priority:u8 bits:u16 enqueuedAt:f64 segment:u32 offset:u32 length:u32
 *          [sequence:f64] [due:f64] [expires:f64] [counts: attempts:u16 deliveries:u16]
 *          [lease: token:f64 firstLeasedAt:f64 term:f64] [holder:str] [ended:f64] [note:place] [kept:place]
 *          [group:str] [dedup:str] [history:json]
 *   place := segment:u32 offset:u32 length:u32
 *
 * `state` is 2 for everything that waits (delayed, ready, and pending, whose record is in the journal before the checkpoint);
 * whether a delay is over follows from `due`.
 */
import type { Death } from '../../model/message.ts'
import type { Core } from './core.ts'
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
} as const

/** First byte of a checkpoint's sections. */
export const Section = { header: 0, rows: 1, dedup: 2, records: 3 } as const

/** A section ends with the row, key or record that makes it this long. */
export const SECTION_BYTES = 1_048_576

/** Fixed fields and every optional one but strings and history. */
const ROW_BYTES = 36 + 8 * 3 + 4 + 24 + 8 + 24

export class RowWriter {
  #bytes = Buffer.allocUnsafeSlow(1 << 18)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

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
    if (group !== 0) bits |= this.#string(Bit.group, core.index.queueOf(slot).groups.at(group).key)
    const dedup = c.dedup?.[i]
    if (dedup !== undefined) bits |= this.#string(Bit.dedup, dedup)
    const history = slots.history(slot)
    if (history.length > 0) bits |= this.#string(Bit.history, JSON.stringify(history))
    this.#view.setUint16(start + 14, bits, true)
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

/** One row as a checkpoint tells it; instants are wall ms, 0: none. */
export interface StoredRow {
  readonly number: number
  readonly queue: number
  /** One of State; `delayed` for everything that waits. */
  readonly state: number
  readonly priority: number
  readonly enqueuedAt: number
  readonly content: BlobPlace
  readonly sequence: number
  readonly due: number
  readonly expires: number
  readonly attempts: number
  readonly deliveries: number
  readonly lease: { readonly token: number; readonly firstLeasedAt: number; readonly term: number } | undefined
  readonly holder: string | undefined
  readonly ended: number
  readonly note: BlobPlace | undefined
  readonly kept: BlobPlace | undefined
  readonly group: string | undefined
  readonly dedup: string | undefined
  readonly history: readonly Death[]
  readonly shared: boolean
  readonly late: boolean
  readonly fromDead: boolean
}

/** Reads the rows of one section; its kind is byte 0. */
export function* storedRows(bytes: Buffer): Generator<StoredRow> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 1
  const float = (): number => {
    at += 8
    return view.getFloat64(at - 8, true)
  }
  const string = (): string => {
    const length = view.getUint32(at, true)
    at += 4 + length
    return bytes.toString('utf8', at - length, at)
  }
  const place = (): BlobPlace => {
    at += 12
    return {
      segment: view.getUint32(at - 12, true),
      offset: view.getUint32(at - 8, true),
      length: view.getUint32(at - 4, true),
    }
  }
  while (at < bytes.length) {
    const start = at
    const bits = view.getUint16(start + 14, true)
    const has = (bit: number): boolean => (bits & bit) !== 0
    const number = view.getFloat64(start, true)
    at = start + 24
    const content = place()
    const sequence = has(Bit.sequence) ? float() : number
    const due = has(Bit.due) ? float() : 0
    const expires = has(Bit.expires) ? float() : 0
    let attempts = 0
    let deliveries = 0
    if (has(Bit.counts)) {
      attempts = view.getUint16(at, true)
      deliveries = view.getUint16(at + 2, true)
      at += 4
    }
    yield {
      number,
      queue: view.getUint32(start + 8, true),
      state: view.getUint8(start + 12),
      priority: view.getUint8(start + 13),
      enqueuedAt: view.getFloat64(start + 16, true),
      content,
      sequence,
      due,
      expires,
      attempts,
      deliveries,
      // Fields stand in the order in which they are evaluated here.
      lease: has(Bit.lease) ? { token: float(), firstLeasedAt: float(), term: float() } : undefined,
      holder: has(Bit.holder) ? string() : undefined,
      ended: has(Bit.ended) ? float() : 0,
      note: has(Bit.note) ? place() : undefined,
      kept: has(Bit.kept) ? place() : undefined,
      group: has(Bit.group) ? string() : undefined,
      dedup: has(Bit.dedup) ? string() : undefined,
      history: has(Bit.history) ? (JSON.parse(string()) as Death[]) : NO_HISTORY,
      shared: has(Bit.shared),
      late: has(Bit.late),
      fromDead: has(Bit.fromDead),
    }
  }
}

/** Puts the rows of one section back into the index, unlinked. Answers the numbers of those that are done, with their ends. */
export function readRows(core: Core, bytes: Buffer, done: { number: number; ended: number }[]): void {
  const { index } = core
  for (const stored of storedRows(bytes)) {
    const { number, state, content, note, kept, lease, holder, ended, group, dedup, history } = stored
    const queue = index.queues[stored.queue]
    if (queue === undefined) throw new Error(`a checkpoint has message ${number} in a queue that it lacks`)
    const row = {
      queue,
      number,
      sequence: stored.sequence,
      priority: stored.priority,
      enqueuedAtWall: stored.enqueuedAt,
      due: state === State.leased ? 0 : core.toMonotonic(stored.due),
      expires: core.toMonotonic(stored.expires),
      group,
      dedup,
      history,
    }
    const slot = index.insert(row)
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
      ended,
      lease,
      holder: holder === undefined ? 0 : core.meetHolder(holder),
    })
    if (state === State.done) done.push({ number, ended })
  }
}

const NO_HISTORY: readonly Death[] = []
