/** The groups of a queue that have a message to hand out, by turn: longest unserved first, then by that message's place. */
import { NONE, SLOT_MASK, type Slots } from './slots.ts'

export interface Turn {
  /** Serial of its latest service; 0: never. */
  turn: number
  /** The message that it would hand out. */
  next: number
  /** Place in the heap + 1; 0: it is not in it. */
  place: number
  /** Of `next`, since it was put in: with a hundred thousand groups a look at the message itself is what a comparison costs. */
  priority: number
  sequence: number
}

/** Order of a queue: priority descending, sequence ascending. NONE comes before nothing, and after nothing. */
export function comesFirst(slots: Slots, a: number, b: number): boolean {
  if (a === NONE || b === NONE) return false
  const priorityA = slots.chunk(a).priority[a & SLOT_MASK] as number
  const priorityB = slots.chunk(b).priority[b & SLOT_MASK] as number
  return priorityA === priorityB ? slots.sequenceOf(a) < slots.sequenceOf(b) : priorityA > priorityB
}

/** Children of one node: half the levels of a binary heap, and those of a node lie side by side. */
const ARITY = 4

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
    group.priority = this.#slots.chunk(group.next).priority[group.next & SLOT_MASK] as number
    group.sequence = this.#slots.sequenceOf(group.next)
    if (group.place === 0) {
      this.#heap.push(group)
      group.place = this.#heap.length
    }
    this.#settle(group)
  }

  drop(group: T): void {
    if (group.place === 0) return
    const moved = this.#heap.pop() as T
    if (moved !== group) {
      moved.place = group.place
      this.#settle(moved)
    }
    group.place = 0
  }

  clear(): void {
    for (const group of this.#heap) group.place = 0
    this.#heap.length = 0
  }

  isSooner(a: T, b: T): boolean {
    if (a.turn !== b.turn) return a.turn < b.turn
    return a.priority === b.priority ? a.sequence < b.sequence : a.priority > b.priority
  }

  /** Moves it up or down from its place to where it belongs; those that it passes move the other way. */
  #settle(group: T): void {
    const heap = this.#heap
    let at = group.place - 1
    while (at > 0) {
      const above = Math.floor((at - 1) / ARITY)
      if (!this.isSooner(group, heap[above] as T)) break
      this.#stand(heap[above] as T, at)
      at = above
    }
    for (;;) {
      const first = at * ARITY + 1
      let below = first
      for (let other = first + 1; other < first + ARITY && other < heap.length; other++) {
        if (this.isSooner(heap[other] as T, heap[below] as T)) below = other
      }
      if (below >= heap.length || !this.isSooner(heap[below] as T, group)) break
      this.#stand(heap[below] as T, at)
      at = below
    }
    this.#stand(group, at)
  }

  #stand(group: T, at: number): void {
    this.#heap[at] = group
    group.place = at + 1
  }
}
