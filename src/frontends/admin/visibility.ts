import type { Identity } from '../../model/access.ts'

const EVERYTHING = (): boolean => true
const visibleTo = new WeakMap<Identity, (queue: string) => boolean>()

/** Which queues it may look at: one function for each who asks, so that streams of the same user share one measurement. */
export function accessTo(identity: Identity | undefined): (queue: string) => boolean {
  if (identity === undefined) return EVERYTHING
  let visible = visibleTo.get(identity)
  if (visible === undefined) {
    visible = (queue) => identity.may('read', queue)
    visibleTo.set(identity, visible)
  }
  return visible
}
