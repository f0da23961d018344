/** When the first of the things that a transaction left behind is due, at the earliest; what was due before it is known already. */
import { nextEvent } from '../../model/lifecycle.ts'
import { nextTokenMs } from '../../model/rate.ts'
import type { Image } from './image.ts'

export function nextDeadline(image: Image): number {
  const nowMs = image.now.monotonicMs
  if (image.forgetful) return nowMs
  let first = Number.POSITIVE_INFINITY
  const note = (atMs: number): void => {
    first = Math.min(first, atMs)
  }
  for (const entry of image.entries.values()) {
    const next = entry === undefined ? undefined : nextEvent(entry.life)
    if (next !== undefined) note(next.atMs)
  }
  for (const untilMs of image.holders.values()) if (untilMs !== undefined) note(untilMs)
  for (const queue of image.queues.values()) {
    if (queue === undefined) continue
    if (queue.lifetime.kind === 'idle') note(queue.usedAtMs + queue.lifetime.idleMs)
    const { rate } = queue.policy
    if (rate !== null) {
      const atMs = nextTokenMs(rate, queue.fullMs)
      if (atMs > nowMs) note(atMs)
    }
  }
  for (const group of image.groups.values()) {
    if (group === undefined) continue
    if (group.claim !== undefined && group.claim.untilMs > nowMs) note(group.claim.untilMs)
    const queue = image.queues.knows(group.qid) ? image.queues.get(group.qid) : undefined
    const groups = queue?.policy.groups
    if ((groups?.kind === 'ordered' || groups?.kind === 'fair') && groups.rate) {
      const atMs = nextTokenMs(groups.rate, group.fullMs)
      if (atMs > nowMs) note(atMs)
    }
  }
  return first
}
