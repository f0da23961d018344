/** The groups of a queue that have a message to hand out, by turn: longest unserved first, then by that message's place. */
import { NONE, SLOT_MASK, type Slots } from './slots.ts'

export interface Turn {
  /** Serial of its latest service; 0: never. */
  turn: number
  /** The message that it would hand out. */
  next: number
  /** Place in the heap + 1; 0: it is not in it. */
  place: number
}

/** Order of a queue: priority descending, sequence ascending. NONE comes before nothing, and after nothing. */
export function comesFirst(slots: Slots, a: number, b: number): boolean {
  if (a === NONE || b === NONE) return false
  const priorityA = slots.chunk(a).priority[a & SLOT_MASK] as number
  const priorityB = slots.chunk(b).priority[b & SLOT_MASK] as number
  return priorityA === priorityB ? slots.sequenceOf(a) < slots.sequenceOf(b) : priorityA > priorityB
}

export class TurnHeap<T extends Turn> {
  readonly #slots: Slots
  readonly #heap: T[] = []

  constructor(slots: Slots) {
    this.#slots = slots
  }

  get first(): T | undefined {
    return this.#heap[0]
  }

  /** In no order. */
  all(): readonly T[] {
    return this.#heap
  }

  /** Puts it in, or where it belongs after its turn or its next message changed. */
  put(group: T): void {
    if (group.place === 0) {
      this.#heap.push(group)
      group.place = this.#heap.length
    }
    this.#rise(group)
    this.#sink(group)
  }

  drop(group: T): void {
    if (group.place === 0) return
    const moved = this.#heap.pop() as T
    if (moved !== group) {
      moved.place = group.place
      this.#heap[moved.place - 1] = moved
      this.#rise(moved)
      this.#sink(moved)
    }
    group.place = 0
  }

  clear(): void {
    for (const group of this.#heap) group.place = 0
    this.#heap.length = 0
  }

  isSooner(a: T, b: T): boolean {
    return a.turn === b.turn ? comesFirst(this.#slots, a.next, b.next) : a.turn < b.turn
  }

  #rise(group: T): void {
    while (group.place > 1) {
      const above = this.#heap[(group.place >>> 1) - 1] as T
      if (!this.isSooner(group, above)) return
      this.#swap(above, group)
    }
  }

  #sink(group: T): void {
    for (;;) {
      let below = this.#heap[group.place * 2 - 1]
      const right = this.#heap[group.place * 2]
      if (below === undefined) return
      if (right !== undefined && this.isSooner(right, below)) below = right
      if (!this.isSooner(below, group)) return
      this.#swap(group, below)
    }
  }

  #swap(above: T, below: T): void {
    const place = above.place
    above.place = below.place
    below.place = place
    this.#heap[above.place - 1] = above
    this.#heap[below.place - 1] = below
  }
}
