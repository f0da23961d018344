/** What the index knows of one queue. */

import type { QueuePolicy } from '../../../model/policy.ts'
import type { QueueLifetime } from '../../engine.ts'
import { DedupKeys } from './dedup-keys.ts'
import { GroupTable } from './groups.ts'
import { Lane } from './lane.ts'
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
