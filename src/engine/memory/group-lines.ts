/**
 * The groups of one queue. A group's live members stand in a line; only its head may be leased, and those behind it
 * that the same lease call grants. Whose turn it is: the group served longest ago (never served: first of all), then
 * the one whose next member comes first in the queue.
 */
import { byPlace, type Entry, type Place } from './entry.ts'
import { SortedRuns } from './sorted-runs.ts'

/** An entry that has a group. */
export type GroupedEntry = Entry & { readonly groupId: string }

/** Who a sticky group stays with. */
export interface Claim {
  readonly consumer: string
  readonly holder: string | undefined
  /** Monotonic; over once this is reached. */
  readonly untilMs: number
  /** Its lapse has been told to watchers. */
  readonly told: boolean
}

export class Group {
  readonly line = new SortedRuns<Entry, Place>(byPlace)
  /** Serial of its latest service; 0: never, or drained since. */
  turn = 0
  claim: Claim | undefined

  /** The first member behind those of `granted`, if it is ready: all before it were granted. */
  next(granted: ReadonlySet<number>): Entry | undefined {
    for (const member of this.line) {
      if (granted.has(member.number)) continue
      return member.life.state.kind === 'ready' ? member : undefined
    }
    return undefined
  }
}

const NONE_GRANTED: ReadonlySet<number> = new Set()

export class GroupLines {
  readonly #groups = new Map<string, Group>()
  #turns = 0

  get(groupId: string): Group | undefined {
    return this.#groups.get(groupId)
  }

  join(entry: GroupedEntry): void {
    const group = this.#groups.get(entry.groupId) ?? new Group()
    this.#groups.set(entry.groupId, group)
    group.line.add(entry)
  }

  /** A member changed without leaving its line. */
  replace(before: GroupedEntry, after: GroupedEntry): void {
    const line = this.#groups.get(before.groupId)?.line
    line?.delete(before)
    line?.add(after)
  }

  /** A drained group forgets its turn and its claim; the answer is that group. */
  quit(entry: GroupedEntry): Group | undefined {
    const group = this.#groups.get(entry.groupId)
    if (group === undefined) return undefined
    group.line.delete(entry)
    if (group.line.size > 0) return undefined
    this.#groups.delete(entry.groupId)
    return group
  }

  /** The member that comes next by turns, of the groups that `admits`. */
  first(granted: ReadonlySet<number>, admits: (group: Group) => boolean): { group: Group; entry: Entry } | undefined {
    let best: { group: Group; entry: Entry } | undefined
    for (const group of this.#groups.values()) {
      if (best !== undefined && group.turn > best.group.turn) continue
      const entry = group.next(granted)
      if (entry === undefined || !admits(group)) continue
      if (best === undefined || group.turn < best.group.turn || byPlace(entry, best.entry) < 0) best = { group, entry }
    }
    return best
  }

  served(group: Group): void {
    group.turn = ++this.#turns
  }

  /** The first ready member that none before it holds back, in the queue's order. */
  firstReady(): Entry | undefined {
    let best: Entry | undefined
    for (const group of this.#groups.values()) {
      const entry = group.next(NONE_GRANTED)
      if (entry !== undefined && (best === undefined || byPlace(entry, best) < 0)) best = entry
    }
    return best
  }

  /** Takes over the count of turns, with the groups of a queue whose policy changed. */
  continueTurns(before: GroupLines): void {
    this.#turns = before.#turns
  }

  groups(): Iterable<Group> {
    return this.#groups.values()
  }
}
