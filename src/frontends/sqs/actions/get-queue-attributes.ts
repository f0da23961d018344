import { checkAccess } from '../access.ts'
import type { Action } from '../context.ts'
import { queueDoesNotExist, unknownAttribute } from '../errors.ts'
import { queueAttributes, readableAttributes } from '../queue-view.ts'

/** The counts are exact. */
export const getQueueAttributes: Action = async ({ port, directory }, call) => {
  const named = await directory.named(call)
  checkAccess(call, named)
  const asked = (call.params['AttributeNames'] as readonly string[] | undefined) ?? []
  const unknown = asked.find((name) => name !== 'All' && !readableAttributes.has(name))
  if (unknown !== undefined) throw unknownAttribute(unknown)
  const [queue, [measure]] = await Promise.all([
    directory.fresh(named.store, named.address),
    port.measure([named.store]),
  ])
  if (queue === undefined || measure === undefined) throw queueDoesNotExist()
  if (asked.length === 0) return {}
  return { Attributes: queueAttributes(queue, measure, asked.includes('All') ? readableAttributes : asked) }
}
