/**
 * The groups of one queue. Each keeps its delayed, ready and leased members in a line, in (priority descending, sequence
 * ascending) order; the head of the line is the only one that may be leased, but for those behind it that the same
 * lease call grants. Groups whose head is ready wait for their turn in a heap: longest unserved first, then by their head's
 * place in the queue.
 */
import { NONE, SLOT_MASK, type Slots, State } from './slots.ts'

/** Who a sticky group stays with. */
export interface Claim {
  readonly consumer: string
  /** Holder it ends with; 0: none. */
  readonly holder: number
  /** Monotonic instant at which it lapses. */
  untilMs: number
  /** Its lapse has been told to watchers. */
  told: boolean
}

export class Group {
  readonly key: string
  readonly index: number
  /** Rows that name the group, in whatever state. */
  rows = 0
  /** Those of them that are not durable yet: they keep the group from being drained. */
  pending = 0
  head = NONE
  tail = NONE
  /** The member that may be leased next: the head, or one behind those granted by the lease call under way. */
  next = NONE
  /** Serial of its latest service; 0: never. */
  turn = 0
  claim: Claim | undefined
  /** Place in the heap + 1; 0: its next member is not ready. */
  place = 0

  constructor(key: string, index: number) {
    this.key = key
    this.index = index
  }
}

export class GroupTable {
  readonly #slots: Slots
  readonly #byKey = new Map<string, Group>()
  readonly #byIndex: (Group | undefined)[] = [undefined]
  readonly #vacant: number[] = []
  readonly #heap: Group[] = []
  #turns = 0

  constructor(slots: Slots) {
    this.#slots = slots
  }

  get size(): number {
    return this.#byKey.size
  }

  at(index: number): Group {
    return this.#byIndex[index] as Group
  }

  /** A row names the group. Returns its index. */
  enter(key: string): number {
    let group = this.#byKey.get(key)
    if (group === undefined) {
      group = new Group(key, this.#vacant.pop() ?? this.#byIndex.length)
      this.#byKey.set(key, group)
      this.#byIndex[group.index] = group
    }
    group.rows++
    group.pending++
    return group.index
  }

  /** A pending row of the group is visible, or gone. */
  arrived(index: number): void {
    const group = this.at(index)
    group.pending--
    this.#forgetIfDrained(group)
  }

  /** A row that named the group is gone. */
  leave(index: number): void {
    const group = this.at(index)
    if (--group.rows > 0) return
    this.#byKey.delete(group.key)
    this.#byIndex[index] = undefined
    this.#vacant.push(index)
  }

  /** A member enters its line at its place. */
  join(slot: number): void {
    const group = this.at(this.#slots.groupOf(slot))
    const c = this.#slots.chunk(slot)
    const i = slot & SLOT_MASK
    if (group.head === NONE) {
      group.head = slot
      group.tail = slot
      c.next[i] = NONE
    } else if (this.#before(group.tail, slot)) {
      this.#setNext(group.tail, slot)
      c.next[i] = NONE
      group.tail = slot
    } else if (this.#before(slot, group.head)) {
      c.next[i] = group.head
      group.head = slot
    } else {
      let at = group.head
      while (this.#before(this.#nextOf(at), slot)) at = this.#nextOf(at)
      c.next[i] = this.#nextOf(at)
      this.#setNext(at, slot)
    }
    this.#refresh(group)
  }

  /** A member leaves its line. The claim of a sticky group ends when it is drained. */
  quit(slot: number): void {
    const group = this.at(this.#slots.groupOf(slot))
    const after = this.#nextOf(slot)
    if (group.head === slot) {
      group.head = after
      if (after === NONE) group.tail = NONE
    } else {
      let at = group.head
      while (at !== NONE && this.#nextOf(at) !== slot) at = this.#nextOf(at)
      if (at === NONE) return
      this.#setNext(at, after)
      if (group.tail === slot) group.tail = at
    }
    this.#forgetIfDrained(group)
    this.#refresh(group)
  }

  #forgetIfDrained(group: Group): void {
    if (group.head !== NONE || group.pending > 0) return
    group.claim = undefined
    group.turn = 0
  }

  /** A member's state changed among delayed, ready and leased. */
  changed(slot: number): void {
    this.#refresh(this.at(this.#slots.groupOf(slot)))
  }

  /** The group whose turn it is among those that `admits`; undefined: none. */
  first(admits: ((group: Group) => boolean) | undefined): Group | undefined {
    const first = this.#heap[0]
    if (first === undefined || admits === undefined || admits(first)) return first
    let best: Group | undefined
    for (const group of this.#heap) {
      if ((best === undefined || this.#sooner(group, best)) && admits(group)) best = group
    }
    return best
  }

  /** Grants its next member: the group goes to the back, and the member behind may be granted by the same call. */
  serve(group: Group, grant: (slot: number) => void): void {
    const slot = group.next
    const after = this.#nextOf(slot)
    group.turn = ++this.#turns
    grant(slot)
    this.#place(group, after)
  }

  /** The lease call that served it is over. */
  settleTurn(group: Group): void {
    this.#refresh(group)
  }

  /** Members that would be first of their group, ready, each removed before the next. */
  countHeads(): number {
    let heads = 0
    for (const group of this.#heap) {
      let slot = group.head
      while (slot !== NONE && this.#slots.chunk(slot).state[slot & SLOT_MASK] === State.ready) {
        heads++
        slot = this.#nextOf(slot)
      }
    }
    return heads
  }

  /** The first ready member of all that may be leased, by its place in the queue; NONE. */
  oldestReady(): number {
    let best = NONE
    for (const group of this.#heap) if (best === NONE || this.#before(group.next, best)) best = group.next
    return best
  }

  groups(): Iterable<Group> {
    return this.#byKey.values()
  }

  /** Empties the lines; rows keep their groups. */
  clearLines(): void {
    this.#heap.length = 0
    for (const group of this.#byKey.values()) {
      group.head = NONE
      group.tail = NONE
      group.next = NONE
      group.place = 0
      group.turn = 0
      group.claim = undefined
    }
  }

  #refresh(group: Group): void {
    this.#place(group, group.head)
  }

  /** Makes `next` the member whose turn it would be, and puts the group in or out of the heap. */
  #place(group: Group, next: number): void {
    group.next = next
    const ready = next !== NONE && this.#slots.chunk(next).state[next & SLOT_MASK] === State.ready
    if (!ready) {
      if (group.place !== 0) this.#drop(group)
      return
    }
    if (group.place === 0) {
      this.#heap.push(group)
      group.place = this.#heap.length
    }
    this.#rise(group)
    this.#sink(group)
  }

  #drop(group: Group): void {
    const moved = this.#heap.pop() as Group
    if (moved !== group) {
      moved.place = group.place
      this.#heap[moved.place - 1] = moved
      this.#rise(moved)
      this.#sink(moved)
    }
    group.place = 0
  }

  #rise(group: Group): void {
    while (group.place > 1) {
      const above = this.#heap[(group.place >>> 1) - 1] as Group
      if (!this.#sooner(group, above)) return
      this.#swap(above, group)
    }
  }

  #sink(group: Group): void {
    for (;;) {
      let below = this.#heap[group.place * 2 - 1]
      const right = this.#heap[group.place * 2]
      if (below === undefined) return
      if (right !== undefined && this.#sooner(right, below)) below = right
      if (!this.#sooner(below, group)) return
      this.#swap(group, below)
    }
  }

  #swap(above: Group, below: Group): void {
    const place = above.place
    above.place = below.place
    below.place = place
    this.#heap[above.place - 1] = above
    this.#heap[below.place - 1] = below
  }

  #sooner(a: Group, b: Group): boolean {
    return a.turn === b.turn ? this.#before(a.next, b.next) : a.turn < b.turn
  }

  #before(a: number, b: number): boolean {
    if (b === NONE) return false
    if (a === NONE) return false
    const priorityA = this.#slots.chunk(a).priority[a & SLOT_MASK] as number
    const priorityB = this.#slots.chunk(b).priority[b & SLOT_MASK] as number
    return priorityA === priorityB ? this.#slots.sequenceOf(a) < this.#slots.sequenceOf(b) : priorityA > priorityB
  }

  #nextOf(slot: number): number {
    return this.#slots.chunk(slot).next[slot & SLOT_MASK] as number
  }

  #setNext(slot: number, next: number): void {
    this.#slots.chunk(slot).next[slot & SLOT_MASK] = next
  }
}
