/** The queue that a redrive policy names: it must be there, of the same kind, and let itself be used. */
import type { SqsContext } from './context.ts'
import { invalidParameter } from './errors.ts'
import { type QueueAddress, queueArn } from './queue-address.ts'
import { type Attributes, readRedriveAllowPolicy, readRedrivePolicy } from './queue-attributes.ts'

/** Throws `InvalidParameterValue`. */
export async function checkRedrive(
  { directory }: SqsContext,
  source: { readonly address: QueueAddress; readonly isFifo: boolean; readonly attributes: Attributes },
): Promise<void> {
  const text = source.attributes['RedrivePolicy']
  if (text === undefined) return
  const refuse = (reason: string) =>
    invalidParameter(`Value ${text.slice(0, 500)} for parameter RedrivePolicy is invalid. Reason: ${reason}`)
  const { target } = readRedrivePolicy(text)
  if (target.region !== source.address.region || target.account !== source.address.account) {
    throw refuse('Dead letter target must be in the region and account of its source.')
  }
  const queue = await directory.at(target)
  if (queue === undefined) throw refuse('Dead letter target does not exist.')
  if (queue.isFifo !== source.isFifo) {
    throw refuse('Dead-letter queue must be same type of queue as the source.')
  }
  const allow = queue.attributes['RedriveAllowPolicy']
  const rule = allow === undefined ? undefined : readRedriveAllowPolicy(allow)
  const isAllowed =
    rule === undefined ||
    rule.permission === 'allowAll' ||
    (rule.permission === 'byQueue' && rule.sources.includes(queueArn(source.address)))
  if (!isAllowed) throw refuse('Dead-letter queue does not allow this source queue.')
}
