/**
 * Deadlines in any order, by instant and then by sequence: a 4-ary heap of (monotonic instant, slot), with each slot's place + 1 kept in its
 * row. Of the rows that stand in it alone; deadlines.ts has the rest.
 */
import { CHUNK_BITS, SLOT_MASK, type Slots } from './slots.ts'

const BLOCK_BITS = 14
const BLOCK = 1 << BLOCK_BITS
const BLOCK_MASK = BLOCK - 1

export class DeadlineHeap {
  readonly #slots: Slots
  /** Blocks, so that growing never copies what is there. */
  readonly #keys: Float64Array[] = []
  readonly #members: Uint32Array[] = []
  #size = 0

  constructor(slots: Slots) {
    this.#slots = slots
  }

  get size(): number {
    return this.#size
  }

  /** Instant of the first deadline; Infinity: there is none. */
  get firstMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : ((this.#keys[0] as Float64Array)[0] as number)
  }

  /** Slot of the first deadline. */
  get first(): number {
    return this.#size === 0 ? 0 : ((this.#members[0] as Uint32Array)[0] as number)
  }

  /** Sets or moves the slot's deadline. */
  set(slot: number, atMs: number): void {
    let place = this.#placeOf(slot)
    if (place === 0) {
      place = ++this.#size
      if ((place - 1) >>> BLOCK_BITS >= this.#keys.length) {
        this.#keys.push(new Float64Array(BLOCK))
        this.#members.push(new Uint32Array(BLOCK))
      }
      this.#rise(place - 1, slot, atMs)
      return
    }
    const before = this.#keyAt(place - 1)
    if (atMs < before) this.#rise(place - 1, slot, atMs)
    else if (atMs > before) this.#sink(place - 1, slot, atMs)
  }

  /** The slot's deadline; Infinity: none. */
  get(slot: number): number {
    const place = this.#placeOf(slot)
    return place === 0 ? Number.POSITIVE_INFINITY : this.#keyAt(place - 1)
  }

  delete(slot: number): void {
    const place = this.#placeOf(slot)
    if (place === 0) return
    this.#setPlace(slot, 0)
    const last = --this.#size
    const at = place - 1
    if (at !== last) {
      const movedKey = this.#keyAt(last)
      const moved = this.#memberAt(last)
      const above = at === 0 ? Number.NEGATIVE_INFINITY : this.#keyAt((at - 1) >>> 2)
      const rises = movedKey < above || (movedKey === above && this.#comesBefore(moved, this.#memberAt((at - 1) >>> 2)))
      if (rises) this.#rise(at, moved, movedKey)
      else this.#sink(at, moved, movedKey)
    }
    if (last > 0 && (last & BLOCK_MASK) === 0 && this.#keys.length > (last >>> BLOCK_BITS) + 1) {
      this.#keys.pop()
      this.#members.pop()
    }
  }

  get bytes(): number {
    return this.#keys.length * BLOCK * 12
  }

  #rise(from: number, slot: number, key: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >>> 2
      const parentKey = this.#keyAt(parent)
      if (parentKey < key) break
      if (parentKey === key && this.#comesBefore(this.#memberAt(parent), slot)) break
      this.#put(at, this.#memberAt(parent), parentKey)
      at = parent
    }
    this.#put(at, slot, key)
  }

  #sink(from: number, slot: number, key: number): void {
    let at = from
    for (;;) {
      const firstChild = at * 4 + 1
      if (firstChild >= this.#size) break
      const lastChild = Math.min(firstChild + 3, this.#size - 1)
      let least = firstChild
      let leastKey = this.#keyAt(firstChild)
      for (let child = firstChild + 1; child <= lastChild; child++) {
        const childKey = this.#keyAt(child)
        if (
          childKey < leastKey ||
          (childKey === leastKey && this.#comesBefore(this.#memberAt(child), this.#memberAt(least)))
        ) {
          least = child
          leastKey = childKey
        }
      }
      if (leastKey > key || (leastKey === key && this.#comesBefore(slot, this.#memberAt(least)))) break
      this.#put(at, this.#memberAt(least), leastKey)
      at = least
    }
    this.#put(at, slot, key)
  }

  /** Of two that are due at one instant. */
  #comesBefore(a: number, b: number): boolean {
    return this.#slots.sequenceOf(a) < this.#slots.sequenceOf(b)
  }

  #put(at: number, slot: number, key: number): void {
    ;(this.#keys[at >>> BLOCK_BITS] as Float64Array)[at & BLOCK_MASK] = key
    ;(this.#members[at >>> BLOCK_BITS] as Uint32Array)[at & BLOCK_MASK] = slot
    this.#setPlace(slot, at + 1)
  }

  #keyAt(at: number): number {
    return (this.#keys[at >>> BLOCK_BITS] as Float64Array)[at & BLOCK_MASK] as number
  }

  #memberAt(at: number): number {
    return (this.#members[at >>> BLOCK_BITS] as Uint32Array)[at & BLOCK_MASK] as number
  }

  #placeOf(slot: number): number {
    return (this.#slots.chunks[slot >>> CHUNK_BITS]?.duePlace[slot & SLOT_MASK] as number) | 0
  }

  #setPlace(slot: number, place: number): void {
    this.#slots.chunk(slot).duePlace[slot & SLOT_MASK] = place
  }
}
