/**
 * Every entry of every queue is a slot: a row of columns in chunks of typed arrays, off the V8 heap and never grown by
 * copying. Columns that few messages need are allocated by chunk when the first of its slots needs one, so a plain
 * waiting message costs 51 bytes here and 4 in the number map.
 *
 *   state      free -> pending -> delayed | ready -> leased -> ... -> free
 *   pending    applied, not yet durable; no verb sees it
 *   zombie     gone, but a ready list or the batch that carries it still links to the slot; whoever unlinks it frees it
 */
import type { Death } from '../../../model/message.ts'

export const CHUNK_BITS = 12
export const CHUNK_SLOTS = 1 << CHUNK_BITS
export const SLOT_MASK = CHUNK_SLOTS - 1
/** No slot. Slot 0 is never given out. */
export const NONE = 0

export const State = { free: 0, pending: 1, delayed: 2, ready: 3, leased: 4, done: 5, dead: 6, zombie: 7 } as const

export const Flag = {
  /** Some ready list links to the slot. */
  linked: 1,
  /** `sequences` holds its place: it moved here under the id it had. */
  moved: 2,
  /** Its content is shared with other entries. */
  shared: 4,
  /** The lease of its token is over in silence, so an ack with it may still count. */
  late: 8,
  /** A batch on its way to the disk links to the slot. */
  batched: 16,
  /** Leased from the dead: without an ack it is dead again when the lease ends. */
  fromDead: 32,
  /** The lane of the dead links to the slot. */
  deadLinked: 64,
} as const

/** A slot with any of these is not free yet when its message is gone. */
export const HELD = Flag.linked | Flag.batched | Flag.deadLinked

/** One column set; `i` below is always slot & SLOT_MASK. */
export class Chunk {
  readonly number = new Float64Array(CHUNK_SLOTS)
  readonly enqueuedAt = new Float64Array(CHUNK_SLOTS)
  readonly segment = new Uint32Array(CHUNK_SLOTS)
  readonly offset = new Uint32Array(CHUNK_SLOTS)
  readonly length = new Uint32Array(CHUNK_SLOTS)
  readonly queue = new Uint32Array(CHUNK_SLOTS)
  /** Next in the ready list, group or free list. */
  readonly next = new Uint32Array(CHUNK_SLOTS)
  /** Place among the deadlines (deadlines.ts); 0: none. */
  readonly duePlace = new Uint32Array(CHUNK_SLOTS)
  readonly attempts = new Uint16Array(CHUNK_SLOTS)
  readonly deliveries = new Uint16Array(CHUNK_SLOTS)
  readonly state = new Uint8Array(CHUNK_SLOTS)
  readonly flags = new Uint8Array(CHUNK_SLOTS)
  readonly priority = new Uint8Array(CHUNK_SLOTS)

  lease: LeaseColumns | undefined
  holderLinks: HolderLinks | undefined
  sequence: Float64Array | undefined
  group: Uint32Array | undefined
  /** Monotonic instant of its end of life; 0: none. */
  expires: Float64Array | undefined
  ended: Float64Array | undefined
  /** Next in the lane of the dead: one leased from there stays linked while it stands in another line. */
  deadNext: Uint32Array | undefined
  note: BlobColumns | undefined
  kept: BlobColumns | undefined
  dedup: (string | undefined)[] | undefined
  history: (readonly Death[] | undefined)[] | undefined
}

/** What a slot needs from its first delivery, or its delay, on. */
export class LeaseColumns {
  /** epoch * 2^36 + counter; 0: never leased. */
  readonly token = new Float64Array(CHUNK_SLOTS)
  readonly firstLeasedAt = new Float64Array(CHUNK_SLOTS)
  /** Length of the clock lease, ms; -1: none (holder lease). */
  readonly term = new Float64Array(CHUNK_SLOTS)
  /** Monotonic instant of the end of its delay, lease or retention; 0: none. */
  readonly due = new Float64Array(CHUNK_SLOTS)
  /** Holder that the lease ends with; 0: none. */
  readonly holder = new Uint32Array(CHUNK_SLOTS)
}

/** The other rows of a row's holder; NONE: there is none on that side. Meaningful while `LeaseColumns.holder` is not 0. */
export class HolderLinks {
  readonly next = new Uint32Array(CHUNK_SLOTS)
  readonly before = new Uint32Array(CHUNK_SLOTS)
}

/** Where in the journal a note or kept result stands; length 0: there is none. */
export class BlobColumns {
  readonly segment = new Uint32Array(CHUNK_SLOTS)
  readonly offset = new Uint32Array(CHUNK_SLOTS)
  /** Bytes + 1. */
  readonly length = new Uint32Array(CHUNK_SLOTS)
}

export interface BlobPlace {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

export class Slots {
  readonly chunks: Chunk[] = []
  #free = NONE
  #fresh = 1
  #live = 0

  get live(): number {
    return this.#live
  }

  /** Slots ever given out: scans run from 1 to this, exclusive. */
  get end(): number {
    return this.#fresh
  }

  chunk(slot: number): Chunk {
    return this.chunks[slot >>> CHUNK_BITS] as Chunk
  }

  allocate(): number {
    this.#live++
    const slot = this.#free
    if (slot !== NONE) {
      this.#free = this.chunk(slot).next[slot & SLOT_MASK] as number
      return slot
    }
    if (this.#fresh >>> CHUNK_BITS >= this.chunks.length) this.chunks.push(new Chunk())
    return this.#fresh++
  }

  /** Forgets everything about the slot. */
  release(slot: number): void {
    const c = this.chunk(slot)
    const i = slot & SLOT_MASK
    c.state[i] = State.free
    c.flags[i] = 0
    c.attempts[i] = 0
    c.deliveries[i] = 0
    c.next[i] = this.#free
    const { lease } = c
    if (lease !== undefined) {
      lease.token[i] = 0
      lease.firstLeasedAt[i] = 0
      lease.due[i] = 0
      lease.holder[i] = 0
    }
    if (c.group !== undefined) c.group[i] = 0
    if (c.expires !== undefined) c.expires[i] = 0
    if (c.ended !== undefined) c.ended[i] = 0
    if (c.note !== undefined) c.note.length[i] = 0
    if (c.kept !== undefined) c.kept.length[i] = 0
    if (c.dedup !== undefined) c.dedup[i] = undefined
    if (c.history !== undefined) c.history[i] = undefined
    this.#free = slot
    this.#live--
  }

  lease(c: Chunk): LeaseColumns {
    c.lease ??= new LeaseColumns()
    return c.lease
  }

  /** Of a row whose lease ends with a holder. */
  holderLinks(slot: number): HolderLinks {
    const c = this.chunk(slot)
    c.holderLinks ??= new HolderLinks()
    return c.holderLinks
  }

  sequenceOf(slot: number): number {
    const c = this.chunk(slot)
    const i = slot & SLOT_MASK
    return ((c.flags[i] as number) & Flag.moved) === 0
      ? (c.number[i] as number)
      : ((c.sequence as Float64Array)[i] as number)
  }

  setSequence(slot: number, sequence: number): void {
    const c = this.chunk(slot)
    const i = slot & SLOT_MASK
    if (sequence === c.number[i]) {
      c.flags[i] = (c.flags[i] as number) & ~Flag.moved
      return
    }
    c.sequence ??= new Float64Array(CHUNK_SLOTS)
    c.sequence[i] = sequence
    c.flags[i] = (c.flags[i] as number) | Flag.moved
  }

  setBlob(slot: number, which: 'note' | 'kept', place: BlobPlace | undefined): void {
    const c = this.chunk(slot)
    if (place === undefined && c[which] === undefined) return
    c[which] ??= new BlobColumns()
    const columns = c[which]
    const i = slot & SLOT_MASK
    columns.segment[i] = place?.segment ?? 0
    columns.offset[i] = place?.offset ?? 0
    columns.length[i] = place === undefined ? 0 : place.length + 1
  }

  blob(slot: number, which: 'note' | 'kept'): BlobPlace | undefined {
    const columns = this.chunk(slot)[which]
    const i = slot & SLOT_MASK
    const length = columns === undefined ? 0 : (columns.length[i] as number)
    if (columns === undefined || length === 0) return undefined
    return { segment: columns.segment[i] as number, offset: columns.offset[i] as number, length: length - 1 }
  }

  setHistory(slot: number, history: readonly Death[]): void {
    const c = this.chunk(slot)
    if (history.length === 0 && c.history === undefined) return
    c.history ??= new Array(CHUNK_SLOTS)
    c.history[slot & SLOT_MASK] = history.length === 0 ? undefined : history
  }

  history(slot: number): readonly Death[] {
    return this.chunk(slot).history?.[slot & SLOT_MASK] ?? NO_HISTORY
  }

  setDedup(slot: number, key: string | undefined): void {
    const c = this.chunk(slot)
    if (key === undefined && c.dedup === undefined) return
    c.dedup ??= new Array(CHUNK_SLOTS)
    c.dedup[slot & SLOT_MASK] = key
  }

  setExpires(slot: number, monotonicMs: number): void {
    const c = this.chunk(slot)
    if (monotonicMs === 0 && c.expires === undefined) return
    c.expires ??= new Float64Array(CHUNK_SLOTS)
    c.expires[slot & SLOT_MASK] = monotonicMs
  }

  setEnded(slot: number, wallMs: number): void {
    const c = this.chunk(slot)
    c.ended ??= new Float64Array(CHUNK_SLOTS)
    c.ended[slot & SLOT_MASK] = wallMs
  }

  setGroup(slot: number, group: number): void {
    const c = this.chunk(slot)
    if (group === 0 && c.group === undefined) return
    c.group ??= new Uint32Array(CHUNK_SLOTS)
    c.group[slot & SLOT_MASK] = group
  }

  groupOf(slot: number): number {
    return this.chunk(slot).group?.[slot & SLOT_MASK] ?? 0
  }

  /** Bytes of typed arrays held. */
  get bytes(): number {
    let total = 0
    for (const c of this.chunks) {
      let each = 51
      if (c.lease !== undefined) each += 36
      if (c.holderLinks !== undefined) each += 8
      if (c.sequence !== undefined) each += 8
      if (c.group !== undefined) each += 4
      if (c.expires !== undefined) each += 8
      if (c.ended !== undefined) each += 8
      if (c.deadNext !== undefined) each += 4
      if (c.note !== undefined) each += 12
      if (c.kept !== undefined) each += 12
      if (c.dedup !== undefined) each += 8
      if (c.history !== undefined) each += 8
      total += each * CHUNK_SLOTS
    }
    return total
  }
}

const NO_HISTORY: readonly Death[] = []
