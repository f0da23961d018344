import { checkAccess } from '../access.ts'
import { type Action, DONE } from '../context.ts'
import { purgeQueueInProgress } from '../errors.ts'

/** Waiting and delayed messages go; those in flight stay with their consumers, and with AWS may come back too. */
export const purgeQueue: Action = async (context, call) => {
  const queue = await context.directory.named(call)
  checkAccess(call, queue)
  const purged = context.sixtySeconds?.purged
  if (purged?.isRecent(queue.store) === true) throw purgeQueueInProgress(queue.address.name)
  await context.port.purge(queue.store)
  purged?.happened(queue.store)
  return DONE
}
