/**
 * The groups of one queue. A group's live members stand in a line. Of an ordered group only the head may be leased, and those
 * behind it that the same lease call grants; of a fair one any ready member, in order, up to its cap. Whose turn it is: the
 * group served longest ago (never served: first of all), then the one whose next member comes first in the queue.
 */

import type { GroupPolicy } from '../../model/policy.ts'
import { nextTokenMs, type RatePolicy, rerated, spendTokens, tokensAt } from '../../model/rate.ts'
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
  readonly key: string
  readonly line = new SortedRuns<Entry, Place>(byPlace)
  /** Those of the line that are ready. */
  readonly ready = new SortedRuns<Entry, Place>(byPlace)
  leased = 0
  /** Serial of its latest service; 0: never, or drained since. */
  turn = 0
  claim: Claim | undefined

  constructor(key: string) {
    this.key = key
  }

  enter(member: Entry): void {
    this.line.add(member)
    if (member.life.state.kind === 'ready') this.ready.add(member)
    if (member.life.state.kind === 'leased') this.leased++
  }

  leave(member: Entry): void {
    this.line.delete(member)
    if (member.life.state.kind === 'ready') this.ready.delete(member)
    if (member.life.state.kind === 'leased') this.leased--
  }

  /** The first member behind those of `granted`, if it is ready: all before it were granted. */
  nextInOrder(granted: ReadonlySet<number>): Entry | undefined {
    for (const member of this.line) {
      if (granted.has(member.number)) continue
      return member.life.state.kind === 'ready' ? member : undefined
    }
    return undefined
  }
}

const NONE_GRANTED: ReadonlySet<number> = new Set()

export class GroupLines {
  readonly #policy: GroupPolicy
  readonly #groups = new Map<string, Group>()
  /** Buckets of the groups' rate, also of groups that are drained: when each is full again. */
  readonly #fullMs = new Map<string, number>()
  #turns = 0
  /** Serial of the latest service of those without a group, in a fair queue. */
  #ungroupedTurn = 0

  constructor(policy: GroupPolicy) {
    this.#policy = policy
  }

  get(groupId: string): Group | undefined {
    return this.#groups.get(groupId)
  }

  join(entry: GroupedEntry): void {
    const group = this.#groups.get(entry.groupId) ?? new Group(entry.groupId)
    this.#groups.set(entry.groupId, group)
    group.enter(entry)
  }

  /** A member changed without leaving its line. */
  replace(before: GroupedEntry, after: GroupedEntry): void {
    const group = this.#groups.get(before.groupId)
    group?.leave(before)
    group?.enter(after)
  }

  /** A drained group forgets its turn and its claim; the answer is that group. */
  quit(entry: GroupedEntry): Group | undefined {
    const group = this.#groups.get(entry.groupId)
    if (group === undefined) return undefined
    group.leave(entry)
    if (group.line.size > 0) return undefined
    this.#groups.delete(entry.groupId)
    return group
  }

  /** The member that comes next by turns, of the groups that `admits`. */
  first(
    granted: ReadonlySet<number>,
    admits: (group: Group) => boolean,
    nowMs: number,
  ): { group: Group; entry: Entry } | undefined {
    let best: { group: Group; entry: Entry } | undefined
    for (const group of this.#groups.values()) {
      if (best !== undefined && group.turn > best.group.turn) continue
      const entry = this.#next(group, granted)
      if (entry === undefined || !admits(group) || !this.#hasToken(group, nowMs)) continue
      if (best === undefined || group.turn < best.group.turn || byPlace(entry, best.entry) < 0) best = { group, entry }
    }
    return best
  }

  #next(group: Group, granted: ReadonlySet<number>): Entry | undefined {
    if (this.#policy.kind !== 'fair') return group.nextInOrder(granted)
    const { concurrency } = this.#policy
    return concurrency !== null && group.leased >= concurrency ? undefined : group.ready.first
  }

  /** Is it the turn of those without a group, whose first is `entry`? In a queue that is not fair they come by place. */
  ungroupedFirst(entry: Entry, turn: { group: Group; entry: Entry }): boolean {
    const turns = this.#policy.kind === 'fair' ? this.#ungroupedTurn - turn.group.turn : 0
    return turns < 0 || (turns === 0 && byPlace(entry, turn.entry) < 0)
  }

  served(group: Group, nowMs: number): void {
    group.turn = ++this.#turns
    const rate = this.#rate
    if (rate !== null) this.#fullMs.set(group.key, spendTokens(rate, this.#fullMs.get(group.key) ?? 0, nowMs, 1))
  }

  servedUngrouped(): void {
    if (this.#policy.kind === 'fair') this.#ungroupedTurn = ++this.#turns
  }

  get #rate(): RatePolicy | null {
    const { kind } = this.#policy
    return kind === 'fair' || kind === 'ordered' ? (this.#policy.rate ?? null) : null
  }

  #hasToken({ key }: Group, nowMs: number): boolean {
    const rate = this.#rate
    return rate === null || tokensAt(rate, this.#fullMs.get(key) ?? 0, nowMs) > 0
  }

  /** The instants from which empty buckets have, or had, a token again. */
  *tokens(): Generator<number> {
    const rate = this.#rate
    if (rate !== null) for (const fullMs of this.#fullMs.values()) yield nextTokenMs(rate, fullMs)
  }

  /** Forgets the buckets that are full. */
  sweep(nowMs: number): void {
    for (const [key, fullMs] of this.#fullMs) if (fullMs <= nowMs) this.#fullMs.delete(key)
  }

  /** The first ready member that none before it holds back, in the queue's order. */
  firstReady(): Entry | undefined {
    let best: Entry | undefined
    for (const group of this.#groups.values()) {
      const entry = this.#policy.kind === 'fair' ? group.ready.first : group.nextInOrder(NONE_GRANTED)
      if (entry !== undefined && (best === undefined || byPlace(entry, best) < 0)) best = entry
    }
    return best
  }

  /** Takes over the count of turns and the buckets, with the groups of a queue whose policy changed. */
  continueTurns(before: GroupLines, nowMs: number, sameOrder: boolean): void {
    this.#turns = before.#turns
    this.#ungroupedTurn = sameOrder ? before.#ungroupedTurn : 0
    const rate = this.#rate
    if (rate === null) return
    for (const [key, fullMs] of before.#fullMs) this.#fullMs.set(key, rerated(rate, fullMs, nowMs))
  }

  groups(): Iterable<Group> {
    return this.#groups.values()
  }
}
