/** One queue: its entries by state in serving order, its groups, its dedup keys, its counts. */
import type { MessageState } from '../../model/message.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import type { QueueLifetime, QueueTotals } from '../engine.ts'
import { byChange, byPlace, bytesOf, type Entry, isLive, type Place, stateOf } from './entry.ts'
import { type Group, type GroupedEntry, GroupLines } from './group-lines.ts'
import { SortedRuns } from './sorted-runs.ts'

export interface DedupKey {
  readonly number: number
  /** Monotonic; Infinity: while the message is live. */
  readonly untilMs: number
}

export class MemoryQueue {
  readonly name: string
  readonly policy: QueuePolicy
  readonly lifetime: QueueLifetime
  readonly dedup = new Map<string, DedupKey>()
  readonly groups: GroupLines
  readonly totals: { -readonly [Key in keyof QueueTotals]: number }
  /** Monotonic instant of its latest append, lease or settle. */
  usedAtMs: number
  readonly #bytes: Record<MessageState, number> = { delayed: 0, ready: 0, leased: 0, done: 0, dead: 0 }
  /** The bucket of its rate: when it is full again. */
  fullMs = 0
  /** Watchers were told of every token that came until then. */
  toldMs = 0
  /** `done` entries, first ended first. */
  readonly doneByAge = new SortedRuns<Entry>(byChange)
  /** Ready entries outside of groups. */
  readonly #lane = new SortedRuns<Entry, Place>(byPlace)
  readonly #states: Readonly<Record<MessageState, SortedRuns<Entry, Place>>> = {
    delayed: new SortedRuns(byPlace),
    ready: new SortedRuns(byPlace),
    leased: new SortedRuns(byPlace),
    done: new SortedRuns(byPlace),
    dead: new SortedRuns(byPlace),
  }

  constructor(parts: {
    name: string
    policy: QueuePolicy
    lifetime: QueueLifetime
    usedAtMs: number
    totals?: QueueTotals
  }) {
    this.name = parts.name
    this.policy = parts.policy
    this.lifetime = parts.lifetime
    this.usedAtMs = parts.usedAtMs
    this.groups = new GroupLines(parts.policy.groups)
    this.totals = { appended: 0, delivered: 0, acked: 0, released: 0, lost: 0, died: 0, ...parts.totals }
  }

  in(state: MessageState): SortedRuns<Entry, Place> {
    return this.#states[state]
  }

  get bytes(): number {
    return Object.values(this.#bytes).reduce((sum, bytes) => sum + bytes, 0)
  }

  /** Messages and bytes that count for its caps. */
  get counted(): { readonly length: number; readonly bytes: number } {
    const { delayed, ready, leased } = this.#bytes
    if (this.policy.lengthCounts === 'live') return { length: this.liveCount, bytes: delayed + ready + leased }
    return { length: this.#states.delayed.size + this.#states.ready.size, bytes: delayed + ready }
  }

  get liveCount(): number {
    return this.#states.delayed.size + this.#states.ready.size + this.#states.leased.size
  }

  *entries(): Generator<Entry> {
    for (const state of Object.values(this.#states)) yield* state
  }

  /** The first ready message outside of groups; groups take turns beside it. */
  get firstUngrouped(): Entry | undefined {
    return this.#lane.first
  }

  /** The first ready message that none of its group holds back, in the queue's order. */
  get firstReady(): Entry | undefined {
    const lane = this.#lane.first
    const grouped = this.groups.firstReady()
    if (lane === undefined || grouped === undefined) return lane ?? grouped
    return byPlace(lane, grouped) < 0 ? lane : grouped
  }

  groupOf(entry: Entry): Group | undefined {
    return this.#grouped(entry) ? this.groups.get(entry.groupId) : undefined
  }

  /** Puts `after` where `before` stood; undefined: there was, or will be, none. The answer is its group, if that is drained by it. */
  replace(before: Entry | undefined, after: Entry | undefined): Group | undefined {
    if (before !== undefined) this.#leave(before)
    if (after !== undefined) this.#enter(after)
    const wasInLine = before !== undefined && this.#inLine(before)
    const inLine = after !== undefined && this.#inLine(after)
    if (wasInLine && inLine) this.groups.replace(before, after)
    else if (inLine) this.groups.join(after)
    else if (wasInLine) return this.groups.quit(before)
    return undefined
  }

  #enter(entry: Entry): void {
    const state = stateOf(entry)
    this.#states[state].add(entry)
    this.#bytes[state] += bytesOf(entry)
    if (state === 'done') this.doneByAge.add(entry)
    if (state === 'ready' && !this.#grouped(entry)) this.#lane.add(entry)
  }

  #leave(entry: Entry): void {
    const state = stateOf(entry)
    this.#states[state].delete(entry)
    this.#bytes[state] -= bytesOf(entry)
    if (state === 'done') this.doneByAge.delete(entry)
    if (state === 'ready' && !this.#grouped(entry)) this.#lane.delete(entry)
  }

  #inLine(entry: Entry): entry is GroupedEntry {
    return isLive(entry) && this.#grouped(entry)
  }

  #grouped(entry: Entry): entry is GroupedEntry {
    return this.policy.groups.kind !== 'none' && entry.groupId !== undefined
  }
}
