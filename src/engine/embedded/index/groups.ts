/**
 * The groups of one queue.
 *
 *   ordered, sticky   delayed, ready and leased members stand in a line, in (priority descending, sequence ascending) order; its
 *                     head is the only one that may be leased, but for those behind it that the same lease call grants
 *   fair              ready members stand in a lane of the group's own; its first may be leased while the group is below its cap
 *
 * Groups that have a message to hand out wait for their turn in a heap. One whose bucket is empty stays out of it until its
 * next token, and one at its cap until a lease of it ends.
 */
import type { GroupPolicy } from '../../../model/policy.ts'
import { GroupRates } from './group-rates.ts'
import { Lane } from './lane.ts'
import { NONE, SLOT_MASK, type Slots, State } from './slots.ts'
import { comesFirst, TurnHeap } from './turn-heap.ts'

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
  /** Ready members of a fair group; undefined before the first. */
  lane: Lane | undefined
  /** Delayed, ready and leased members of a fair group. */
  live = 0
  leased = 0
  /** The member that may be leased next: the head, or one behind those granted by the lease call under way. */
  next = NONE
  /** Serial of its latest service; 0: never. */
  turn = 0
  claim: Claim | undefined
  /** Of the heap: place + 1 (0: it has nothing to hand out), and the place of `next` in the queue. */
  place = 0
  priority = 0
  sequence = 0
  /** Its number in the checkpoint that named it last; -1: none did. */
  savedAs = -1

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
  readonly #heap: TurnHeap<Group>
  #turns = 0
  #fair = false
  #concurrency = Number.POSITIVE_INFINITY
  #rates: GroupRates | undefined
  /** Serial of the latest service of those without a group, in a fair queue. */
  #ungroupedTurn = 0

  constructor(slots: Slots) {
    this.#slots = slots
    this.#heap = new TurnHeap(slots)
  }

  get size(): number {
    return this.#byKey.size
  }

  /** The first instant at which a group's empty bucket gets a token; Infinity: none. */
  get firstTokenMs(): number {
    return this.#rates?.firstMs ?? Number.POSITIVE_INFINITY
  }

  at(index: number): Group {
    return this.#byIndex[index] as Group
  }

  /** The rules that hold from now on. Lines of another kind are built anew by the caller (`clearLines`, then `join` of each member). */
  govern(policy: GroupPolicy, nowMs: number): void {
    const rate = policy.kind === 'fair' || policy.kind === 'ordered' ? (policy.rate ?? null) : null
    this.#fair = policy.kind === 'fair'
    this.#concurrency = (policy.kind === 'fair' ? policy.concurrency : null) ?? Number.POSITIVE_INFINITY
    if (rate === null) this.#rates = undefined
    else if (this.#rates === undefined) this.#rates = new GroupRates(rate)
    else this.#rates.rerate(rate, nowMs)
  }

  /** Judges each group by the rules that hold now. */
  refreshAll(): void {
    for (const group of this.#byKey.values()) this.#refresh(group)
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

  /** Another row names a group that is there. */
  enterAgain(index: number): void {
    const group = this.at(index)
    group.rows++
    group.pending++
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
    group.lane?.clear()
    this.#byKey.delete(group.key)
    this.#byIndex[index] = undefined
    this.#vacant.push(index)
  }

  /** A member enters its line at its place. */
  join(slot: number): void {
    const group = this.at(this.#slots.groupOf(slot))
    if (this.#fair) {
      group.live++
      this.#enterLane(group, slot)
    } else this.#enterLine(group, slot)
    // Most join behind one that is first already, and then the group's turn is as it was.
    if (group.place === 0 || group.next !== this.#firstOf(group)) this.#refresh(group)
  }

  /** A member leaves its line, from that state. The claim of a sticky group ends when it is drained. */
  quit(slot: number, before: number): void {
    const group = this.at(this.#slots.groupOf(slot))
    if (this.#fair) {
      group.live--
      this.#leaveLane(group, slot, before)
    } else if (!this.#leaveLine(group, slot)) return
    this.#forgetIfDrained(group)
    this.#refresh(group)
  }

  /** A member's state changed from that among delayed, ready and leased. */
  changed(slot: number, before: number): void {
    const group = this.at(this.#slots.groupOf(slot))
    if (this.#fair) {
      this.#leaveLane(group, slot, before)
      this.#enterLane(group, slot)
    }
    this.#refresh(group)
  }

  #enterLine(group: Group, slot: number): void {
    const c = this.#slots.chunk(slot)
    const i = slot & SLOT_MASK
    if (group.head === NONE) {
      group.head = slot
      group.tail = slot
      c.next[i] = NONE
    } else if (comesFirst(this.#slots, group.tail, slot)) {
      this.#setNext(group.tail, slot)
      c.next[i] = NONE
      group.tail = slot
    } else if (comesFirst(this.#slots, slot, group.head)) {
      c.next[i] = group.head
      group.head = slot
    } else {
      let at = group.head
      while (comesFirst(this.#slots, this.#nextOf(at), slot)) at = this.#nextOf(at)
      c.next[i] = this.#nextOf(at)
      this.#setNext(at, slot)
    }
  }

  /** false: it was not there. */
  #leaveLine(group: Group, slot: number): boolean {
    const after = this.#nextOf(slot)
    if (group.head === slot) {
      group.head = after
      if (after === NONE) group.tail = NONE
      return true
    }
    let at = group.head
    while (at !== NONE && this.#nextOf(at) !== slot) at = this.#nextOf(at)
    if (at === NONE) return false
    this.#setNext(at, after)
    if (group.tail === slot) group.tail = at
    return true
  }

  #enterLane(group: Group, slot: number): void {
    const state = this.#slots.chunk(slot).state[slot & SLOT_MASK]
    if (state === State.leased) group.leased++
    else if (state === State.ready) {
      group.lane ??= new Lane(this.#slots, State.ready)
      group.lane.add(slot)
    }
  }

  #leaveLane(group: Group, slot: number, before: number): void {
    if (before === State.leased) group.leased--
    else if (before === State.ready) group.lane?.forget(slot)
  }

  #forgetIfDrained(group: Group): void {
    if (group.head !== NONE || group.live > 0 || group.pending > 0) return
    group.claim = undefined
    group.turn = 0
  }

  /** The group whose turn it is among those that `admits`; undefined: none. */
  first(admits: ((group: Group) => boolean) | undefined): Group | undefined {
    const { first } = this.#heap
    if (first === undefined || admits === undefined || admits(first)) return first
    let best: Group | undefined
    for (const group of this.#heap.all()) {
      if ((best === undefined || this.#heap.isSooner(group, best)) && admits(group)) best = group
    }
    return best
  }

  /** Is it the turn of those without a group, whose first is `slot`? In a queue that is not fair they come by place. */
  ungroupedFirst(slot: number, group: Group): boolean {
    const turns = this.#fair ? this.#ungroupedTurn - group.turn : 0
    return turns < 0 || (turns === 0 && comesFirst(this.#slots, slot, group.next))
  }

  servedUngrouped(): void {
    if (this.#fair) this.#ungroupedTurn = ++this.#turns
  }

  /** Grants its next member: the group goes to the back, and the member behind may be granted by the same call. */
  serve(group: Group, nowMs: number, grant: (slot: number) => void): void {
    const slot = group.next
    group.turn = ++this.#turns
    this.#rates?.spend(group.key, nowMs)
    if (this.#fair) {
      group.lane?.take(slot)
      grant(slot)
      return
    }
    const after = this.#nextOf(slot)
    grant(slot)
    this.#place(group, after)
  }

  /** The lease call that served it is over. */
  settleTurn(group: Group): void {
    this.#refresh(group)
  }

  /** Groups whose bucket has a token again are back in turn; were there any? */
  fillBuckets(nowMs: number): boolean {
    if (this.firstTokenMs > nowMs) return false
    this.#rates?.release(nowMs, (key) => {
      const group = this.#byKey.get(key)
      if (group !== undefined) this.#refresh(group)
    })
    return true
  }

  /** Members that would be first of their group, ready, each removed before the next. */
  countHeads(): number {
    let heads = 0
    for (const group of this.#byKey.values()) {
      let slot = group.head
      while (slot !== NONE && this.#slots.chunk(slot).state[slot & SLOT_MASK] === State.ready) {
        heads++
        slot = this.#nextOf(slot)
      }
    }
    return heads
  }

  /** The first ready member of all that none before it in its group holds back, by its place in the queue; NONE. */
  oldestReady(): number {
    let best = NONE
    for (const group of this.#rates === undefined && !this.#fair ? this.#heap.all() : this.#byKey.values()) {
      const slot = this.#fair ? (group.lane?.first() ?? NONE) : group.head
      if (slot === NONE || this.#slots.chunk(slot).state[slot & SLOT_MASK] !== State.ready) continue
      if (best === NONE || comesFirst(this.#slots, slot, best)) best = slot
    }
    return best
  }

  groups(): Iterable<Group> {
    return this.#byKey.values()
  }

  /** Empties the lines; rows keep their groups. */
  clearLines(): void {
    this.#heap.clear()
    this.#ungroupedTurn = 0
    for (const group of this.#byKey.values()) {
      group.lane?.clear()
      group.lane = undefined
      group.head = NONE
      group.tail = NONE
      group.next = NONE
      group.live = 0
      group.leased = 0
      group.turn = 0
      group.claim = undefined
    }
  }

  #refresh(group: Group): void {
    this.#place(group, this.#firstOf(group))
  }

  /** The member that may be leased first, if it is ready. */
  #firstOf(group: Group): number {
    if (!this.#fair) return group.head
    return group.leased < this.#concurrency ? (group.lane?.first() ?? NONE) : NONE
  }

  /** Makes `next` the member whose turn it would be, and puts the group in or out of the heap. */
  #place(group: Group, next: number): void {
    group.next = next
    const ready = next !== NONE && this.#slots.chunk(next).state[next & SLOT_MASK] === State.ready
    if (ready && this.#rates?.isEmpty(group.key) !== true) this.#heap.put(group)
    else this.#heap.drop(group)
  }

  #nextOf(slot: number): number {
    return this.#slots.chunk(slot).next[slot & SLOT_MASK] as number
  }

  #setNext(slot: number, next: number): void {
    this.#slots.chunk(slot).next[slot & SLOT_MASK] = next
  }
}
