import type { AppendOutcome } from '../../../model/message.ts'
import { checkAccess } from '../access.ts'
import type { Action, SqsContext } from '../context.ts'
import { refusalError } from '../errors.ts'
import { sequenceNumber } from '../incoming-message.ts'
import { type OutgoingMessage, outgoingMessage } from '../outgoing-message.ts'
import type { SqsQueue } from '../queue-directory.ts'

export const sendMessage: Action = async (context, call) => {
  const queue = await context.directory.named(call)
  checkAccess(call, queue)
  context.throttle?.take(queue, 'SendMessage')
  const outgoing = outgoingMessage(queue, call.params, call.identity?.name)
  if (needsGroups(queue, outgoing)) await shareByGroups(context, queue)
  const [outcome] = await context.port.append(queue.store, [outgoing.message])
  return sentResult(context, { queue, outgoing, outcome })
}

/** The answer for one message; throws why it was refused. */
export async function sentResult(
  context: SqsContext,
  sent: {
    readonly queue: SqsQueue
    readonly outgoing: OutgoingMessage
    readonly outcome: AppendOutcome | undefined
  },
): Promise<object> {
  const { queue, outgoing, outcome } = sent
  if (outcome === undefined) throw new Error(`the broker said nothing of a message for '${queue.store}'`)
  if (outcome.kind === 'refused') {
    if (outcome.reason === 'no-such-queue') context.directory.changed(queue.store)
    throw refusalError(outcome.reason)
  }
  const id = outcome.kind === 'stored' ? outcome.id : outcome.of
  const sequence = !queue.isFifo
    ? undefined
    : outcome.kind === 'stored'
      ? outcome.sequence
      : (await context.port.find(outcome.of))?.sequence
  return {
    MessageId: id,
    MD5OfMessageBody: outgoing.bodyMd5,
    ...(outgoing.attributesMd5 === undefined ? undefined : { MD5OfMessageAttributes: outgoing.attributesMd5 }),
    ...(outgoing.systemAttributesMd5 === undefined
      ? undefined
      : { MD5OfMessageSystemAttributes: outgoing.systemAttributesMd5 }),
    ...(sequence === undefined ? undefined : { SequenceNumber: sequenceNumber(sequence) }),
  }
}

export function needsGroups(queue: SqsQueue, { message }: OutgoingMessage): boolean {
  return message.groupId !== undefined && queue.policy.groups.kind === 'none'
}

/** The first message with a group makes a standard queue a fair one: its groups take turns from then on. Others pay nothing. */
export async function shareByGroups({ port, directory }: SqsContext, { store }: SqsQueue): Promise<void> {
  await port.declareQueue(store, { groups: { kind: 'fair', concurrency: null } })
  directory.changed(store)
}
