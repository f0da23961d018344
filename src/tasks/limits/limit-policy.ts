/** Limits of tasks -> the policy of their queue, which the engine keeps: so they hold over all workers. */
import { SpindleError } from '../../model/errors.ts'
import type { GroupPolicy, QueuePolicy } from '../../model/policy.ts'
import type { TaskLimits, TaskRate } from './types.ts'

type Limited = Pick<Partial<QueuePolicy>, 'concurrency' | 'rate' | 'groups'>

/** `groups`: those in force or wished for; limits of a key need groups, and groups without an order will do. */
export function limitPolicy(limits: TaskLimits, groups: GroupPolicy, attempted: string): Limited {
  const { concurrency, rate, perKey } = limits
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(rate === undefined ? {} : { rate: ratePolicy(rate) }),
    ...(perKey === undefined ? {} : { groups: groupPolicy(perKey, groups, attempted) }),
  }
}

function groupPolicy(perKey: NonNullable<TaskLimits['perKey']>, groups: GroupPolicy, attempted: string): GroupPolicy {
  const { concurrency, rate } = perKey
  switch (groups.kind) {
    case 'none':
      return { kind: 'fair', concurrency: concurrency ?? null, rate: rate === undefined ? null : ratePolicy(rate) }
    case 'fair':
      return {
        kind: 'fair',
        concurrency: concurrency === undefined ? groups.concurrency : concurrency,
        rate: rate === undefined ? (groups.rate ?? null) : ratePolicy(rate),
      }
    case 'ordered':
      if (concurrency !== undefined && concurrency !== null && concurrency !== 1) {
        throw refused(attempted, 'groups that are ordered run one at a time')
      }
      return rate === undefined ? groups : { kind: 'ordered', rate: ratePolicy(rate) }
    case 'sticky':
      throw refused(attempted, 'sticky groups have no limits of a key')
    default:
      return groups satisfies never
  }
}

function ratePolicy(rate: TaskRate | null): QueuePolicy['rate'] {
  return rate === null ? null : { tokens: rate.count, perMs: rate.perMs, burst: rate.burst ?? 1 }
}

function refused(attempted: string, why: string): SpindleError {
  return new SpindleError('invalid-argument', `${attempted} (${why})`)
}
