/** What the index knows of one queue. */

import type { QueuePolicy } from '../../../model/policy.ts'
import { nextTokenMs, rerated } from '../../../model/rate.ts'
import type { QueueLifetime } from '../../engine.ts'
import { DedupKeys } from './dedup-keys.ts'
import { GroupTable } from './groups.ts'
import { Lane } from './lane.ts'
import type { Meter } from './meter.ts'
import { NumberRing } from './number-ring.ts'
import { type Slots, State } from './slots.ts'

export class QueueState {
  readonly id: number
  readonly name: string
  policy: QueuePolicy
  lifetime: QueueLifetime
  /** Entries by `State`. */
  readonly counts: number[] = [0, 0, 0, 0, 0, 0, 0, 0]
  /** Bytes of head and body of every visible entry. */
  bytes = 0
  readonly totals = { appended: 0, delivered: 0, acked: 0, released: 0, lost: 0, died: 0 }
  /** Ready messages outside of groups. */
  readonly ready: Lane
  readonly dead: Lane
  readonly groups: GroupTable
  readonly dedup = new DedupKeys()
  /** Numbers in the order in which they became `done`; some have left since. */
  readonly done = new NumberRing()
  /** Only while its policy caps bytes. */
  meter: Meter | undefined
  /** Does its policy hold back ready messages by itself: paused, a cap or a rate? */
  gated = false
  /** May a message that leaves make another one leasable? */
  yields = false
  /** The bucket of its rate: when it is full again. */
  fullMs = 0
  /** Watchers were told of every token that came until then. */
  toldMs = 0
  /** Did a message ever come with a priority of its own? */
  prioritized = false
  /** Of the rows that wait for a record, none before these positions is pending here. */
  readonly pendingFrom = { durable: 0, written: 0 }
  /** Monotonic instant of the last append, lease or settle. */
  usedAtMs = 0
  /** A hint to its watchers is on its way. */
  hinted = false
  dropped = false

  constructor(slots: Slots, id: number, name: string, policy: QueuePolicy, lifetime: QueueLifetime) {
    this.id = id
    this.name = name
    this.policy = policy
    this.lifetime = lifetime
    this.ready = new Lane(slots, State.ready)
    this.dead = new Lane(slots, State.dead)
    this.groups = new GroupTable(slots)
    this.govern(policy, 0)
  }

  /** The rules that hold from now on. Lines and meter are the caller's to bring up to date. */
  govern(policy: QueuePolicy, nowMs: number): void {
    const { concurrency, rate, paused, groups } = policy
    this.policy = policy
    this.gated = paused || concurrency !== null || rate !== null
    this.yields = groups.kind !== 'none' || concurrency !== null
    this.fullMs = rate === null ? 0 : rerated(rate, this.fullMs, nowMs)
    this.groups.govern(groups, nowMs)
  }

  /** May its rate, or that of its groups, make it wait? */
  get rated(): boolean {
    const { rate, groups } = this.policy
    const ofGroups = groups.kind === 'fair' || groups.kind === 'ordered' ? groups.rate : null
    return rate !== null || (ofGroups ?? null) !== null
  }

  /** The instant from which the bucket of its rate has, or had, a token; 0: it has no rate. */
  get tokenMs(): number {
    return this.policy.rate === null ? 0 : nextTokenMs(this.policy.rate, this.fullMs)
  }

  count(state: number): number {
    return this.counts[state] as number
  }

  /** Delayed, ready and leased, the pending included. */
  get waiting(): number {
    const { counts } = this
    return (
      (counts[State.pending] as number) +
      (counts[State.delayed] as number) +
      (counts[State.ready] as number) +
      (counts[State.leased] as number)
    )
  }
}
