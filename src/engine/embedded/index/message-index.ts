/**
 * The shape of every queue: rows (slots.ts) and the structures that link them. Each method is one effect of the journal
 * (codec.ts), applied live and by replay alike; a replay leaves out the linking, and `link` does it all at its end.
 *
 * Instants are monotonic unless named `wall`; 0 means none.
 */
import type { Death } from '../../../model/message.ts'
import { CONTENT_HEADER_BYTES } from '../codec.ts'
import { Deadlines } from './deadlines.ts'
import { NumberMap } from './number-map.ts'
import type { QueueState } from './queue-state.ts'
import { type BlobPlace, type Chunk, Flag, HELD, type LeaseColumns, SLOT_MASK, Slots, State } from './slots.ts'
import { Usage } from './usage.ts'

/** Attempts and deliveries are counted up to here. */
const COUNT_MAX = 65_535

/** What becomes of the token when a lease ends. */
export const Fence = { keep: 0, late: 1, void: 2 } as const

export interface NewRow {
  queue: QueueState
  number: number
  sequence: number
  priority: number
  enqueuedAtWall: number
  due: number
  expires: number
  group: string | undefined
  dedup: string | undefined
  history: readonly Death[]
}

export interface RestoredRow {
  /** `State.delayed` without a due instant: ready. */
  readonly state: number
  readonly attempts: number
  readonly deliveries: number
  readonly flags: number
  readonly ended: number
  readonly lease: { readonly token: number; readonly firstLeasedAt: number; readonly term: number } | undefined
  readonly holder: number
}

export class MessageIndex {
  readonly slots = new Slots()
  readonly numbers = new NumberMap()
  readonly deadlines = new Deadlines(this.slots)
  readonly usage = new Usage()
  readonly queues: (QueueState | undefined)[] = []
  /** false during a replay. */
  linking = true
  /** Serialises the chunk before its first change since a checkpoint began. */
  beforeWrite: (slot: number) => void = ignore
  /** Holders that a lease ends with, by their number. */
  onHolder: (slot: number, holder: number, joined: boolean) => void = ignore

  queueOf(slot: number): QueueState {
    return this.queues[this.slots.chunk(slot).queue[slot & SLOT_MASK] as number] as QueueState
  }

  stateOf(slot: number): number {
    return this.slots.chunk(slot).state[slot & SLOT_MASK] as number
  }

  /** A new row in `pending`; `reveal` makes it visible. Its content's place is set by `place`. */
  insert(row: NewRow): number {
    const { slots } = this
    const slot = slots.allocate()
    this.beforeWrite(slot)
    const c = slots.chunk(slot)
    const i = slot & SLOT_MASK
    c.number[i] = row.number
    c.enqueuedAt[i] = row.enqueuedAtWall
    c.queue[i] = row.queue.id
    c.priority[i] = row.priority
    if (row.priority !== 0) row.queue.prioritized = true
    c.state[i] = State.pending
    c.segment[i] = 0
    row.queue.counts[State.pending] = (row.queue.counts[State.pending] as number) + 1
    if (row.sequence !== row.number) slots.setSequence(slot, row.sequence)
    if (row.due !== 0) slots.lease(c).due[i] = row.due
    if (row.expires !== 0) slots.setExpires(slot, row.expires)
    if (row.dedup !== undefined) slots.setDedup(slot, row.dedup)
    if (row.history.length > 0) slots.setHistory(slot, row.history)
    if (row.group !== undefined) slots.setGroup(slot, row.queue.groups.enter(row.group))
    this.numbers.set(row.number, slot)
    return slot
  }

  /** Sets where the content stands. `users`: entries before this one that share it; -1: it is nobody else's. */
  place(slot: number, place: BlobPlace, users: number): void {
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    c.segment[i] = place.segment
    c.offset[i] = place.offset
    c.length[i] = place.length
    this.queueOf(slot).bytes += place.length - CONTENT_HEADER_BYTES
    if (users <= 0) this.usage.add(place.segment, place.length)
    if (users < 0) return
    this.usage.share(place.segment, place.offset)
    c.flags[i] = (c.flags[i] as number) | Flag.shared
  }

  /** What `insert` and `place` leave open of a row that comes from a checkpoint. */
  restore(slot: number, row: RestoredRow): void {
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    c.attempts[i] = row.attempts
    c.deliveries[i] = row.deliveries
    c.flags[i] = (c.flags[i] as number) | row.flags
    if (row.ended !== 0) this.slots.setEnded(slot, row.ended)
    if (row.lease !== undefined) {
      const columns = this.slots.lease(c)
      columns.token[i] = row.lease.token
      columns.firstLeasedAt[i] = row.lease.firstLeasedAt
      columns.term[i] = row.lease.term
    }
    if (row.holder !== 0) {
      this.slots.lease(c).holder[i] = row.holder
      this.onHolder(slot, row.holder, true)
    }
    const queue = this.queues[c.queue[i] as number] as QueueState
    const group = c.group === undefined ? 0 : (c.group[i] as number)
    if (group !== 0) queue.groups.arrived(group)
    const due = c.lease === undefined ? 0 : (c.lease.due[i] as number)
    this.#setState(queue, c, i, row.state !== State.delayed || due !== 0 ? row.state : State.ready)
  }

  /** Its content was copied to another place, for itself alone or for others too. */
  replace(slot: number, place: BlobPlace, share: boolean): void {
    this.beforeWrite(slot)
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    const segment = c.segment[i] as number
    const shared = ((c.flags[i] as number) & Flag.shared) !== 0
    if (!shared || this.usage.unshare(segment, c.offset[i] as number)) this.usage.remove(segment, c.length[i] as number)
    const flags = (c.flags[i] as number) & ~Flag.shared
    c.flags[i] = share ? flags | Flag.shared : flags
    c.segment[i] = place.segment
    c.offset[i] = place.offset
    if (!share || this.usage.usersOf(place.segment, place.offset) === 0) this.usage.add(place.segment, place.length)
    if (share) this.usage.share(place.segment, place.offset)
  }

  /** Others will use its content, too. */
  shareContent(slot: number): void {
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    if (((c.flags[i] as number) & Flag.shared) !== 0) return
    c.flags[i] = (c.flags[i] as number) | Flag.shared
    this.usage.share(c.segment[i] as number, c.offset[i] as number)
  }

  /** A pending row becomes delayed or ready. */
  reveal(slot: number, now: number): void {
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    const due = c.lease === undefined ? 0 : (c.lease.due[i] as number)
    const queue = this.queues[c.queue[i] as number] as QueueState
    this.#setState(queue, c, i, due > now ? State.delayed : State.ready)
    if (due !== 0 && due <= now && c.lease !== undefined) c.lease.due[i] = 0
    const group = c.group === undefined ? 0 : (c.group[i] as number)
    if (this.linking) {
      if (this.#inLine(queue, c, i)) queue.groups.join(slot)
      else if (due <= now) queue.ready.add(slot)
    }
    if (group !== 0) queue.groups.arrived(group)
    if (!this.linking) return
    this.#arm(slot, c, i)
  }

  lease(slot: number, lease: { token: number; wall: number; term: number; due: number; holder: number }): void {
    this.beforeWrite(slot)
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    const columns = this.slots.lease(c)
    columns.token[i] = lease.token
    if (columns.firstLeasedAt[i] === 0) columns.firstLeasedAt[i] = lease.wall
    columns.term[i] = lease.term
    columns.due[i] = lease.due
    c.attempts[i] = Math.min(COUNT_MAX, (c.attempts[i] as number) + 1)
    c.deliveries[i] = Math.min(COUNT_MAX, (c.deliveries[i] as number) + 1)
    const before = c.state[i] as number
    const flags = (c.flags[i] as number) & ~(Flag.late | Flag.fromDead)
    c.flags[i] = before === State.dead ? flags | Flag.fromDead : flags
    const queue = this.queues[c.queue[i] as number] as QueueState
    this.#setState(queue, c, i, State.leased)
    this.#leaveHolder(slot, c, i)
    if (lease.holder !== 0) {
      columns.holder[i] = lease.holder
      this.onHolder(slot, lease.holder, true)
    }
    if (!this.linking) return
    if (this.#inLine(queue, c, i)) {
      if (before === State.dead) queue.groups.join(slot)
      else queue.groups.changed(slot, before)
    } else if (before === State.ready) queue.ready.forget(slot)
    if (before === State.dead) queue.dead.forget(slot)
    this.#arm(slot, c, i)
  }

  extend(slot: number, term: number, due: number): void {
    this.beforeWrite(slot)
    const c = this.slots.chunk(slot)
    const columns = this.slots.lease(c)
    columns.term[slot & SLOT_MASK] = term
    columns.due[slot & SLOT_MASK] = due
    if (this.linking) this.#arm(slot, c, slot & SLOT_MASK)
  }

  /** Did its last lease end in silence, so that an ack with its token may still count? */
  isLate(slot: number): boolean {
    return ((this.slots.chunk(slot).flags[slot & SLOT_MASK] as number) & Flag.late) !== 0
  }

  isFromDead(slot: number): boolean {
    return ((this.slots.chunk(slot).flags[slot & SLOT_MASK] as number) & Flag.fromDead) !== 0
  }

  /** The same message, content and id as a pending row of another queue. Returns its new slot. */
  move(
    slot: number,
    to: { queue: QueueState; sequence: number; due: number; expires: number; wall: number },
    history: readonly Death[],
  ): number {
    const { slots } = this
    const c = slots.chunk(slot)
    const i = slot & SLOT_MASK
    const from = this.queues[c.queue[i] as number] as QueueState
    const group = slots.groupOf(slot)
    const row: NewRow = {
      queue: to.queue,
      number: c.number[i] as number,
      sequence: to.sequence,
      priority: c.priority[i] as number,
      enqueuedAtWall: to.wall,
      due: to.due,
      expires: to.expires,
      group: group === 0 ? undefined : from.groups.at(group).key,
      dedup: c.dedup?.[i],
      history,
    }
    const content = this.contentOf(slot)
    const shared = (c.flags[i] as number) & Flag.shared
    const note = slots.blob(slot, 'note')
    const placed = content.segment !== 0
    // The content, its share and the note go along: what is removed owns nothing.
    this.beforeWrite(slot)
    if (placed) from.bytes -= content.length - CONTENT_HEADER_BYTES
    c.segment[i] = 0
    slots.setBlob(slot, 'note', undefined)
    this.remove(slot)
    const moved = this.insert(row)
    const m = slots.chunk(moved)
    const j = moved & SLOT_MASK
    m.segment[j] = content.segment
    m.offset[j] = content.offset
    m.length[j] = content.length
    m.flags[j] = (m.flags[j] as number) | shared
    if (placed) to.queue.bytes += content.length - CONTENT_HEADER_BYTES
    to.queue.meter?.enter(State.pending, content.length - CONTENT_HEADER_BYTES)
    slots.setBlob(moved, 'note', note)
    return moved
  }

  /** A lease ends and the message goes back to its place; `due` 0: at once. */
  return(slot: number, attempts: number, fence: number, due: number, note: BlobPlace | undefined): void {
    this.beforeWrite(slot)
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    const columns = this.slots.lease(c)
    this.#leaveHolder(slot, c, i)
    c.attempts[i] = attempts
    columns.due[i] = due
    const flags = (c.flags[i] as number) & ~Flag.fromDead
    c.flags[i] = fence === Fence.late ? flags | Flag.late : flags
    if (fence === Fence.void) columns.token[i] = 0
    if (note !== undefined) this.setBlob(slot, 'note', note)
    const queue = this.queues[c.queue[i] as number] as QueueState
    this.#setState(queue, c, i, due !== 0 ? State.delayed : State.ready)
    if (!this.linking) return
    if (this.#inLine(queue, c, i)) queue.groups.changed(slot, State.leased)
    else if (due === 0) queue.ready.add(slot)
    this.#arm(slot, c, i)
  }

  /** A delay is over. Not an effect: it follows from the instant. */
  ripen(slot: number): void {
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    this.slots.lease(c).due[i] = 0
    const queue = this.queues[c.queue[i] as number] as QueueState
    this.#setState(queue, c, i, State.ready)
    if (this.#inLine(queue, c, i)) queue.groups.changed(slot, State.delayed)
    else queue.ready.add(slot)
    this.#arm(slot, c, i)
  }

  /** Ends as `done`, or is held as `dead`; `until` 0: for ever. */
  end(slot: number, state: number, wall: number, until: number, history?: readonly Death[]): void {
    this.beforeWrite(slot)
    if (history !== undefined) this.slots.setHistory(slot, history)
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    const before = c.state[i] as number
    const columns = this.slots.lease(c)
    this.#leaveHolder(slot, c, i)
    const queue = this.queues[c.queue[i] as number] as QueueState
    const group = c.group === undefined ? 0 : (c.group[i] as number)
    if (before === State.pending && group !== 0) queue.groups.arrived(group)
    this.slots.setEnded(slot, wall)
    columns.due[i] = until
    columns.token[i] = 0
    c.flags[i] = (c.flags[i] as number) & ~(Flag.late | Flag.fromDead)
    this.#setState(queue, c, i, state)
    this.#releaseDedup(queue, c, i)
    if (state === State.done) queue.done.push(c.number[i] as number)
    if (!this.linking) return
    this.#quitLines(queue, slot, c, i, before)
    if (state === State.dead) queue.dead.add(slot)
    this.#arm(slot, c, i)
  }

  /** Gone. A pending one stays a zombie until its batch lets go of it. */
  remove(slot: number): void {
    this.beforeWrite(slot)
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    const before = c.state[i] as number
    const queue = this.queues[c.queue[i] as number] as QueueState
    this.#leaveHolder(slot, c, i)
    this.#releaseDedup(queue, c, i)
    this.#releaseContent(slot, queue, c, i)
    this.numbers.delete(c.number[i] as number)
    queue.counts[before] = (queue.counts[before] as number) - 1
    c.state[i] = State.zombie
    queue.meter?.leave(before, (c.length[i] as number) - CONTENT_HEADER_BYTES)
    const group = c.group === undefined ? 0 : (c.group[i] as number)
    if (this.linking) {
      this.#quitLines(queue, slot, c, i, before)
      if ((c.duePlace[i] as number) !== 0) this.deadlines.delete(slot)
    }
    if (group !== 0) {
      if (before === State.pending) queue.groups.arrived(group)
      queue.groups.leave(group)
      this.slots.setGroup(slot, 0)
    }
    // A sweep of its lane may have freed it already.
    const linked = ((c.flags[i] as number) & HELD) !== 0
    if (!linked && c.state[i] === State.zombie) this.slots.release(slot)
  }

  setBlob(slot: number, which: 'note' | 'kept', place: BlobPlace): void {
    this.beforeWrite(slot)
    const before = this.slots.blob(slot, which)
    if (before !== undefined) this.usage.remove(before.segment, before.length)
    this.usage.add(place.segment, place.length)
    this.slots.setBlob(slot, which, place)
  }

  /** Where its content stands. */
  contentOf(slot: number): BlobPlace {
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    return { segment: c.segment[i] as number, offset: c.offset[i] as number, length: c.length[i] as number }
  }

  /** Links one row into lanes, lines and deadlines, as its state says: after a replay or a change of policy. */
  link(slot: number): void {
    const c = this.slots.chunk(slot)
    const i = slot & SLOT_MASK
    const state = c.state[i] as number
    const queue = this.queues[c.queue[i] as number] as QueueState
    if (state === State.delayed || state === State.ready || state === State.leased) {
      if (this.#inLine(queue, c, i)) queue.groups.join(slot)
      else if (state === State.ready) queue.ready.add(slot)
    } else if (state === State.dead) queue.dead.add(slot)
    this.#arm(slot, c, i)
  }

  /** Bytes of typed arrays. */
  get bytes(): number {
    return this.slots.bytes + this.numbers.bytes + this.deadlines.bytes
  }

  /** Is the row kept in its group's line rather than in a lane? */
  #inLine(queue: QueueState, c: Chunk, i: number): boolean {
    return c.group !== undefined && (c.group[i] as number) !== 0 && queue.policy.groups.kind !== 'none'
  }

  #quitLines(queue: QueueState, slot: number, c: Chunk, i: number, before: number): void {
    if (before === State.dead) queue.dead.forget(slot)
    else if (before !== State.pending && before !== State.done) {
      if (this.#inLine(queue, c, i)) queue.groups.quit(slot, before)
      else if (before === State.ready) queue.ready.forget(slot)
    }
  }

  /** Sets the one deadline that the row's state gives it. */
  #arm(slot: number, c: Chunk, i: number): void {
    const state = c.state[i] as number
    let at = state === State.ready || c.lease === undefined ? 0 : (c.lease.due[i] as number)
    if ((state === State.ready || state === State.delayed) && c.expires !== undefined) {
      const expires = c.expires[i] as number
      if (expires !== 0 && (at === 0 || expires < at)) at = expires
    }
    if (at !== 0) this.deadlines.set(slot, at)
    else if ((c.duePlace[i] as number) !== 0) this.deadlines.delete(slot)
  }

  #setState(queue: QueueState, c: Chunk, i: number, state: number): void {
    const { counts } = queue
    const before = c.state[i] as number
    counts[before] = (counts[before] as number) - 1
    counts[state] = (counts[state] as number) + 1
    c.state[i] = state
    if (queue.meter === undefined) return
    const bytes = (c.length[i] as number) - CONTENT_HEADER_BYTES
    queue.meter.leave(before, bytes)
    queue.meter.enter(state, bytes)
  }

  /** A key that counts while its message is queued is free again. */
  #releaseDedup(queue: QueueState, c: Chunk, i: number): void {
    const key = c.dedup?.[i]
    if (key !== undefined) queue.dedup.releaseQueued(key, c.number[i] as number)
  }

  #leaveHolder(slot: number, c: Chunk, i: number): void {
    const holder = c.lease === undefined ? 0 : (c.lease.holder[i] as number)
    if (holder === 0) return
    ;(c.lease as LeaseColumns).holder[i] = 0
    this.onHolder(slot, holder, false)
  }

  #releaseContent(slot: number, queue: QueueState, c: Chunk, i: number): void {
    const segment = c.segment[i] as number
    if (segment !== 0) {
      const length = c.length[i] as number
      queue.bytes -= length - CONTENT_HEADER_BYTES
      const shared = ((c.flags[i] as number) & Flag.shared) !== 0
      if (!shared || this.usage.unshare(segment, c.offset[i] as number)) this.usage.remove(segment, length)
    }
    if (c.note !== undefined) this.#releaseBlob(slot, 'note')
    if (c.kept !== undefined) this.#releaseBlob(slot, 'kept')
  }

  #releaseBlob(slot: number, which: 'note' | 'kept'): void {
    const place = this.slots.blob(slot, which)
    if (place !== undefined) this.usage.remove(place.segment, place.length)
  }
}

function ignore(): void {}
