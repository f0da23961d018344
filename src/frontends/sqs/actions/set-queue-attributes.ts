import { checkAccess } from '../access.ts'
import { type Action, DONE } from '../context.ts'
import { missingParameter } from '../errors.ts'
import { type Attributes, changedAttributes } from '../queue-attributes.ts'
import { changeQueue } from '../queue-changes.ts'
import { changingPolicy } from '../queue-policy.ts'
import { checkRedrive } from '../redrive-target.ts'

/** The attributes and what they mean for the store change in one unit. Messages keep the delay and retention they were given. */
export const setQueueAttributes: Action = async (context, call) => {
  const { directory } = context
  const named = await directory.named(call)
  checkAccess(call, named)
  const changes = call.params['Attributes'] as Attributes | undefined
  if (changes === undefined) throw missingParameter('Attributes')
  const { address, isFifo } = named
  const kind = { isFifo, messageBytesMax: context.messageBytesMax }
  if (changes['RedrivePolicy'] !== undefined) {
    await checkRedrive(context, { address, isFifo, attributes: changedAttributes(named.attributes, changes, kind) })
  }
  await changeQueue(context, named, (queue) => {
    const attributes = changedAttributes(queue.attributes, changes, kind)
    return { attributes, policy: changingPolicy(attributes, directory.home) }
  })
  return DONE
}
