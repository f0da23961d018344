/**
 * What is due next, by instant and then by sequence. A slot has one deadline at a time, and its place is kept in its row, so that an
 * ack removes it at once and no stale entry is ever met.
 *
 * Nearly all deadlines are leases of one length: each comes after those before it, and goes before those behind it. They stand in a run, where that
 * costs a few stores; what comes out of order goes to a heap. So does the head of a run that has more holes behind it than
 * entries: a few old leases pin no memory.
 */
import { DeadlineHeap } from './deadline-heap.ts'
import { NONE, SLOT_MASK, type Slots } from './slots.ts'

/** In a row's place: it stands in the run, at this position modulo 2^31. */
const RUN = 0x8000_0000
const POSITION_MASK = 0x7fff_ffff
const BLOCK_BITS = 12
const BLOCK = 1 << BLOCK_BITS
const BLOCK_MASK = BLOCK - 1
/** Holes that are worth no move. */
const HOLES_MIN = BLOCK
/** Heads moved by one removal at most. */
const MOVES_MAX = 2

interface Block {
  readonly instants: Float64Array
  /** NONE: a hole. */
  readonly slots: Uint32Array
}

export class Deadlines {
  readonly #slots: Slots
  readonly #heap: DeadlineHeap
  /** From the head's block to the tail's. */
  readonly #blocks: Block[] = []
  /** A block let go: a fresh one every few thousand leases would be garbage. */
  #idle: Block | undefined
  /** Of the head and behind the tail, counted from the first block. */
  #head = 0
  #end = 0
  /** Positions before the first block. */
  #gone = 0
  #live = 0
  #lastMs = 0
  #lastSequence = 0

  constructor(slots: Slots) {
    this.#slots = slots
    this.#heap = new DeadlineHeap(slots)
  }

  get size(): number {
    return this.#heap.size + this.#live
  }

  /** Instant of the first deadline; Infinity: there is none. */
  get firstMs(): number {
    const head = this.#live === 0 ? Number.POSITIVE_INFINITY : this.#instantAt(this.#head)
    return Math.min(head, this.#heap.firstMs)
  }

  /** Slot of the first deadline; NONE. */
  get first(): number {
    if (this.#live === 0) return this.#heap.first
    const head = this.#slotAt(this.#head)
    const headMs = this.#instantAt(this.#head)
    const { first, firstMs } = this.#heap
    if (firstMs !== headMs) return firstMs < headMs ? first : head
    return this.#slots.sequenceOf(first) < this.#slots.sequenceOf(head) ? first : head
  }

  /** Sets or moves the slot's deadline. */
  set(slot: number, atMs: number): void {
    const place = this.#placeOf(slot)
    if (place >= RUN) {
      if (this.#instantAt(this.#indexOf(place)) === atMs) return
      this.#leave(place)
    } else if (place !== 0) {
      this.#heap.set(slot, atMs)
      return
    }
    const sequence = this.#slots.sequenceOf(slot)
    const inOrder = this.#live === 0 || atMs > this.#lastMs || (atMs === this.#lastMs && sequence > this.#lastSequence)
    if (inOrder) this.#append(slot, atMs, sequence)
    else {
      this.#setPlace(slot, 0)
      this.#heap.set(slot, atMs)
    }
  }

  /** The slot's deadline; Infinity: none. */
  get(slot: number): number {
    const place = this.#placeOf(slot)
    return place >= RUN ? this.#instantAt(this.#indexOf(place)) : this.#heap.get(slot)
  }

  delete(slot: number): void {
    const place = this.#placeOf(slot)
    if (place < RUN) {
      this.#heap.delete(slot)
      return
    }
    this.#setPlace(slot, 0)
    this.#leave(place)
  }

  get bytes(): number {
    return this.#heap.bytes + (this.#blocks.length + (this.#idle === undefined ? 0 : 1)) * BLOCK * 12
  }

  #append(slot: number, atMs: number, sequence: number): void {
    const at = this.#end++
    if (at >>> BLOCK_BITS >= this.#blocks.length) this.#addBlock()
    const block = this.#blocks[at >>> BLOCK_BITS] as Block
    block.instants[at & BLOCK_MASK] = atMs
    block.slots[at & BLOCK_MASK] = slot
    this.#setPlace(slot, RUN + ((this.#gone + at) & POSITION_MASK))
    this.#lastMs = atMs
    this.#lastSequence = sequence
    this.#live++
  }

  /** The entry becomes a hole; the head is never one. */
  #leave(place: number): void {
    const index = this.#indexOf(place)
    ;(this.#blocks[index >>> BLOCK_BITS] as Block).slots[index & BLOCK_MASK] = NONE
    this.#live--
    if (index === this.#head) this.#skipHoles()
    for (let moves = 0; moves < MOVES_MAX && this.#end - this.#head > 2 * this.#live + HOLES_MIN; moves++)
      this.#moveHead()
  }

  #skipHoles(): void {
    while (this.#head < this.#end && this.#slotAt(this.#head) === NONE) {
      this.#head++
      if (this.#head === BLOCK) this.#dropBlock()
    }
  }

  #moveHead(): void {
    const slot = this.#slotAt(this.#head)
    const atMs = this.#instantAt(this.#head)
    this.#setPlace(slot, 0)
    this.#heap.set(slot, atMs)
    ;(this.#blocks[0] as Block).slots[this.#head] = NONE
    this.#live--
    this.#skipHoles()
  }

  #addBlock(): void {
    this.#blocks.push(this.#idle ?? { instants: new Float64Array(BLOCK), slots: new Uint32Array(BLOCK) })
    this.#idle = undefined
  }

  #dropBlock(): void {
    this.#idle = this.#blocks.shift()
    this.#head -= BLOCK
    this.#end -= BLOCK
    this.#gone = (this.#gone + BLOCK) & POSITION_MASK
  }

  #indexOf(place: number): number {
    return (place - RUN - this.#gone) & POSITION_MASK
  }

  #instantAt(index: number): number {
    return (this.#blocks[index >>> BLOCK_BITS] as Block).instants[index & BLOCK_MASK] as number
  }

  #slotAt(index: number): number {
    return (this.#blocks[index >>> BLOCK_BITS] as Block).slots[index & BLOCK_MASK] as number
  }

  #placeOf(slot: number): number {
    return this.#slots.chunk(slot).duePlace[slot & SLOT_MASK] as number
  }

  #setPlace(slot: number, place: number): void {
    this.#slots.chunk(slot).duePlace[slot & SLOT_MASK] = place
  }
}
