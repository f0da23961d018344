/** The ready lists of a queue by priority, highest first. `State.dead` lanes keep the held dead in the same order. */
import { ReadyList } from './ready-list.ts'
import { Flag, NONE, SLOT_MASK, type Slots, State } from './slots.ts'

const NO_LISTS: readonly ReadyList[] = []

export class Lane {
  readonly #slots: Slots
  readonly #state: number
  readonly #flag: number
  /** Sorted by priority, descending. */
  #lists: readonly ReadyList[] = NO_LISTS

  constructor(slots: Slots, state: number) {
    this.#slots = slots
    this.#state = state
    this.#flag = state === State.dead ? Flag.deadLinked : Flag.linked
  }

  add(slot: number): void {
    this.#list(this.#slots.chunk(slot).priority[slot & SLOT_MASK] as number).add(slot)
  }

  /** The first member; NONE. */
  first(): number {
    for (const list of this.#lists) {
      const slot = list.first()
      if (slot !== NONE) return slot
    }
    return NONE
  }

  /** Takes out what `first` just returned. */
  take(slot: number): void {
    this.#list(this.#slots.chunk(slot).priority[slot & SLOT_MASK] as number).take(slot)
  }

  /** The slot left the lane's state without `take`; it may still be linked. */
  forget(slot: number): void {
    const c = this.#slots.chunk(slot)
    if (((c.flags[slot & SLOT_MASK] as number) & this.#flag) === 0) return
    this.#list(c.priority[slot & SLOT_MASK] as number).forget()
  }

  /** Members, counted. */
  get size(): number {
    let size = 0
    for (const list of this.#lists) size += list.size
    return size
  }

  clear(): void {
    for (const list of this.#lists) list.clear()
    this.#lists = NO_LISTS
  }

  #list(priority: number): ReadyList {
    const lists = this.#lists
    let at = 0
    for (; at < lists.length; at++) {
      const list = lists[at] as ReadyList
      if (list.priority === priority) return list
      if (list.priority < priority) break
    }
    const list = new ReadyList(this.#slots, this.#state, priority)
    // A literal is as long as need be, and there are as many lanes as fair groups.
    this.#lists = lists.length === 0 ? [list] : [...lists.slice(0, at), list, ...lists.slice(at)]
    return list
  }
}
