/** One queue: its rules, and what is counted on it. A value; a change puts a new one in its place. */
import { defaultPolicy, type QueuePolicy } from '../../model/policy.ts'
import type { QueueLifetime } from '../engine.ts'

export interface Queue {
  readonly qid: number
  readonly name: string
  readonly policy: QueuePolicy
  readonly lifetime: QueueLifetime
  /** Grows with each change of policy or lifetime, of any queue. */
  readonly version: number
  /** Instant of its latest use, kept up only where the lifetime is `idle`. */
  readonly usedAtMs: number
  /** The bucket of its rate: when it is full again. */
  readonly fullMs: number
  /** Serial of the latest service of any of its groups. */
  readonly turns: number
  /** That of those without a group, in a fair queue. */
  readonly ungroupedTurn: number
}

export interface QueueRow {
  readonly qid: number
  readonly name: string
  readonly policy: string
  readonly lifetime: string
  readonly version: number
  readonly used: number
  readonly full_ms: number
  readonly turns: number
  readonly ungrouped_turn: number
}

export const QUEUE_COLUMNS =
  'q.qid, q.name, q.policy, q.lifetime, q.version, q.used, q.full_ms, q.turns, q.ungrouped_turn'

export function queueOf(row: QueueRow): Queue {
  return {
    qid: row.qid,
    name: row.name,
    // What an older version did not know is the default.
    policy: { ...defaultPolicy, ...(JSON.parse(row.policy) as Partial<QueuePolicy>) },
    lifetime: JSON.parse(row.lifetime) as QueueLifetime,
    version: row.version,
    usedAtMs: row.used,
    fullMs: row.full_ms,
    turns: row.turns,
    ungroupedTurn: row.ungrouped_turn,
  }
}

/** The row of what is counted on it. */
export function paceRowOf(queue: Queue): Record<string, unknown> {
  return {
    qid: queue.qid,
    used: queue.usedAtMs,
    full_ms: queue.fullMs,
    turns: queue.turns,
    ungrouped_turn: queue.ungroupedTurn,
  }
}

/** Queues that a death in this one may put messages into. */
export function targetsOf({ policy }: Queue): string[] {
  const { onDeath, failedEventsTo } = policy
  return onDeath.kind === 'deadLetter' ? [onDeath.queue, ...failedEventsTo] : [...failedEventsTo]
}

/** Does the queue keep lines of groups? */
export function isGrouped({ policy }: Queue): boolean {
  return policy.groups.kind !== 'none'
}

/** Do groups keep the same kind of line, and so their turns? */
export function sameOrder(a: QueuePolicy, b: QueuePolicy): boolean {
  return (a.groups.kind === 'fair') === (b.groups.kind === 'fair')
}
