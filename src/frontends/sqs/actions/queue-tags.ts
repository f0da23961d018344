/** TagQueue, UntagQueue, ListQueueTags. */
import { checkAccess } from '../access.ts'
import { type Action, DONE } from '../context.ts'
import { missingParameter, queueDoesNotExist } from '../errors.ts'
import { changeQueue } from '../queue-changes.ts'
import { checkTags } from '../tags.ts'

export const tagQueue: Action = async (context, call) => {
  const named = await context.directory.named(call)
  checkAccess(call, named)
  const added = call.params['Tags'] as Readonly<Record<string, string>> | undefined
  if (added === undefined || Object.keys(added).length === 0) throw missingParameter('Tags')
  await changeQueue(context, named, (queue) => {
    const tags = merged(queue.tags, added)
    checkTags(tags)
    return { tags }
  })
  return DONE
}

export const untagQueue: Action = async (context, call) => {
  const named = await context.directory.named(call)
  checkAccess(call, named)
  const removed = call.params['TagKeys'] as readonly string[] | undefined
  if (removed === undefined || removed.length === 0) throw missingParameter('TagKeys')
  await changeQueue(context, named, (queue) => {
    const tags = merged(queue.tags, {})
    for (const key of removed) delete tags[key]
    return { tags }
  })
  return DONE
}

export const listQueueTags: Action = async ({ directory }, call) => {
  const named = await directory.named(call)
  checkAccess(call, named)
  const queue = await directory.fresh(named.store, named.address)
  if (queue === undefined) throw queueDoesNotExist()
  return Object.keys(queue.tags).length === 0 ? {} : { Tags: queue.tags }
}

/** Without a prototype: a tag may be named `__proto__`. */
function merged(
  tags: Readonly<Record<string, string>>,
  added: Readonly<Record<string, string>>,
): Record<string, string> {
  const all = Object.create(null) as Record<string, string>
  for (const [key, value] of [...Object.entries(tags), ...Object.entries(added)]) all[key] = value
  return all
}
