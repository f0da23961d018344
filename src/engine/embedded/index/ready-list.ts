/**
 * The ready (or the dead) messages of one queue and one priority, in sequence order: a linked list of those that came in
 * order, and a small heap of those that came back or came late. Removal from the middle is lazy: the slot stays linked
 * until it is met or a sweep meets it; a zombie is freed then.
 */
import { CHUNK_SLOTS, Flag, HELD, NONE, SLOT_MASK, type Slots, State } from './slots.ts'

export class ReadyList {
  readonly priority: number
  readonly #slots: Slots
  /** Members are in this state; others are stale links. */
  readonly #state: number
  /** Says in a row that this kind of list links to it. */
  readonly #flag: number
  #head = NONE
  #tail = NONE
  #tailSequence = 0
  /** Binary heap by sequence. */
  readonly #returned: number[] = []
  /** Linked slots that are not ready any more, about. */
  #stale = 0
  #linked = 0

  constructor(slots: Slots, state: number, priority: number) {
    this.#slots = slots
    this.#state = state
    this.#flag = state === State.dead ? Flag.deadLinked : Flag.linked
    this.priority = priority
  }

  get size(): number {
    return Math.max(0, this.#linked - this.#stale)
  }

  /** Takes in a slot that became ready; one that is still linked keeps its place. */
  add(slot: number): void {
    const c = this.#slots.chunk(slot)
    const i = slot & SLOT_MASK
    const flags = c.flags[i] as number
    if ((flags & this.#flag) !== 0) {
      if (this.#stale > 0) this.#stale--
      return
    }
    c.flags[i] = flags | this.#flag
    this.#linked++
    const sequence = this.#slots.sequenceOf(slot)
    if (this.#head !== NONE && sequence < this.#tailSequence) {
      this.#push(slot)
      return
    }
    if (this.#head === NONE) this.#head = slot
    else this.#setNext(this.#tail, slot)
    this.#setNext(slot, NONE)
    this.#tail = slot
    this.#tailSequence = sequence
  }

  /** A linked slot stopped being ready without being taken. Call after its state changed. */
  forget(): void {
    this.#stale++
    if (this.#stale > 1_024 && this.#stale > this.#linked >>> 1) this.sweep()
  }

  /** The first ready slot, left in place; NONE when there is none. Unlinks stale ones on the way. */
  first(): number {
    let head = this.#head
    while (head !== NONE && !this.#isMember(head)) {
      this.#popHead()
      this.#unlink(head)
      head = this.#head
    }
    while (this.#returned.length > 0 && !this.#isMember(this.#returned[0] as number)) {
      this.#unlink(this.#popReturned())
    }
    const back = this.#returned[0]
    if (back === undefined) return head
    if (head === NONE) return back
    return this.#slots.sequenceOf(back) < this.#slots.sequenceOf(head) ? back : head
  }

  /** Takes out what `first` just returned. */
  take(slot: number): void {
    if (slot === this.#head) this.#popHead()
    else this.#popReturned()
    const c = this.#slots.chunk(slot)
    const i = slot & SLOT_MASK
    c.flags[i] = (c.flags[i] as number) & ~this.#flag
    this.#linked--
  }

  /** Unlinks everything; frees zombies. */
  clear(): void {
    while (this.#head !== NONE) {
      const slot = this.#head
      this.#popHead()
      this.#unlink(slot)
    }
    for (const slot of this.#returned) this.#unlink(slot)
    this.#returned.length = 0
    this.#stale = 0
  }

  #nextOf(slot: number): number {
    const c = this.#slots.chunk(slot)
    return ((this.#flag === Flag.linked ? c.next : c.deadNext) as Uint32Array)[slot & SLOT_MASK] as number
  }

  #setNext(slot: number, next: number): void {
    const c = this.#slots.chunk(slot)
    if (this.#flag === Flag.linked) c.next[slot & SLOT_MASK] = next
    else {
      c.deadNext ??= new Uint32Array(CHUNK_SLOTS)
      c.deadNext[slot & SLOT_MASK] = next
    }
  }

  #isMember(slot: number): boolean {
    return this.#slots.chunk(slot).state[slot & SLOT_MASK] === this.#state
  }

  #unlink(slot: number): void {
    const c = this.#slots.chunk(slot)
    const i = slot & SLOT_MASK
    c.flags[i] = (c.flags[i] as number) & ~this.#flag
    this.#linked--
    if (this.#stale > 0) this.#stale--
    if (c.state[i] === State.zombie && ((c.flags[i] as number) & HELD) === 0) this.#slots.release(slot)
  }

  #popHead(): void {
    this.#head = this.#nextOf(this.#head)
    if (this.#head === NONE) this.#tail = NONE
  }

  /** Drops stale links; each was paid for by the removal that made it. */
  sweep(): void {
    const kept: number[] = []
    let slot = this.#head
    this.#head = NONE
    this.#tail = NONE
    while (slot !== NONE) {
      const next = this.#nextOf(slot)
      if (this.#isMember(slot)) {
        if (this.#tail === NONE) this.#head = slot
        else this.#setNext(this.#tail, slot)
        this.#setNext(slot, NONE)
        this.#tail = slot
      } else this.#unlink(slot)
      slot = next
    }
    for (const member of this.#returned.splice(0)) {
      if (this.#isMember(member)) kept.push(member)
      else this.#unlink(member)
    }
    for (const member of kept) this.#push(member)
    this.#stale = 0
  }

  #push(slot: number): void {
    const heap = this.#returned
    const sequence = this.#slots.sequenceOf(slot)
    let at = heap.length
    heap.push(slot)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      const above = heap[parent] as number
      if (this.#slots.sequenceOf(above) <= sequence) break
      heap[at] = above
      at = parent
    }
    heap[at] = slot
  }

  #popReturned(): number {
    const heap = this.#returned
    const first = heap[0] as number
    const moved = heap.pop() as number
    if (heap.length === 0) return first
    const sequence = this.#slots.sequenceOf(moved)
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      let below = heap[child] as number
      const right = heap[child + 1]
      if (right !== undefined && this.#slots.sequenceOf(right) < this.#slots.sequenceOf(below)) {
        child++
        below = right
      }
      if (this.#slots.sequenceOf(below) >= sequence) break
      heap[at] = below
      at = child
    }
    heap[at] = moved
    return first
  }
}
