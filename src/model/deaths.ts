/**
 * A message's history of deaths: one entry for each (queue, reason), the latest death last. AMQP's x-death, the source
 * queue of a dead letter and the cycle rule all read it.
 */
import { HISTORY_MAX } from './limits.ts'
import type { Death, DeathReason } from './message.ts'

export interface NewDeath {
  readonly queue: string
  readonly reason: DeathReason
  readonly atMs: number
  readonly attempts: number
}

/** Adds one death; a like one before it is merged into it. Beyond `HISTORY_MAX` entries the oldest are dropped. */
export function addDeath(history: readonly Death[], { queue, reason, atMs, attempts }: NewDeath): readonly Death[] {
  const before = history.find((death) => death.queue === queue && death.reason === reason)
  const others = before === undefined ? history : history.filter((death) => death !== before)
  const death: Death = { ...before, queue, reason, count: (before?.count ?? 0) + 1, atMs, attempts }
  return [...others, death].slice(-HISTORY_MAX)
}

/**
 * Has the message come round to a death it died before, with nothing but expiry and overflow in between and nobody having
 * tried it? Two queues that dead-letter to each other would pass it on for ever; it is dropped instead.
 */
export function closesCycle(history: readonly Death[], death: NewDeath): boolean {
  const from = history.findIndex(({ queue, reason }) => queue === death.queue && reason === death.reason)
  return from >= 0 && isIdle(death) && history.slice(from).every(isIdle)
}

/**
 * Has the message died in `queue` before, with nothing but expiry and overflow since, and nobody having tried it? Whoever routes
 * the dead leaves such a queue out: RabbitMQ's rule against cycles.
 */
export function returnsIdle(history: readonly Death[], queue: string): boolean {
  const latest = history.findLastIndex((death) => death.queue === queue)
  return latest >= 0 && history.slice(latest).every(isIdle)
}

function isIdle({ reason, attempts }: Pick<Death, 'reason' | 'attempts'>): boolean {
  return attempts === 0 && (reason === 'expired' || reason === 'overflow')
}
