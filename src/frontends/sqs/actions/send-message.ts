import type { AppendOutcome, MessageId } from '../../../model/message.ts'
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
  const outcome = await appended(context, queue, outgoing)
  return sentResult(context, { queue, outgoing, outcome })
}

async function appended({ port }: SqsContext, { store }: SqsQueue, { message }: OutgoingMessage) {
  const { direct } = port
  const outcome = direct?.append(store, message)
  if (direct !== undefined && outcome !== undefined) return direct.kept(outcome)
  return (await port.append(store, [message]))[0]
}

interface Sent {
  readonly queue: SqsQueue
  readonly outgoing: OutgoingMessage
  readonly outcome: AppendOutcome | undefined
  /** Of its entry in a batch. */
  readonly entryId?: string
}

/** The answer for one message; throws why it was refused. A promise only where the first of two alike must be looked up. */
export function sentResult(context: SqsContext, sent: Sent): object | Promise<object> {
  const { queue, outcome } = sent
  if (outcome === undefined) throw new Error(`the broker said nothing of a message for '${queue.store}'`)
  switch (outcome.kind) {
    case 'stored':
      return result(sent, outcome.id, queue.isFifo ? outcome.sequence : undefined)
    case 'duplicate':
      return context.port.find(outcome.of).then((first) => result(sent, outcome.of, first?.sequence))
    case 'refused':
      if (outcome.reason === 'no-such-queue') context.directory.changed(queue.store)
      throw refusalError(outcome.reason)
    default:
      return outcome satisfies never
  }
}

function result({ outgoing, entryId }: Sent, id: MessageId, sequence: number | undefined): object {
  const { bodyMd5, attributesMd5, systemAttributesMd5 } = outgoing
  // Members that are undefined do not appear in the answer.
  return {
    Id: entryId,
    MessageId: id,
    MD5OfMessageBody: bodyMd5,
    MD5OfMessageAttributes: attributesMd5,
    MD5OfMessageSystemAttributes: systemAttributesMd5,
    SequenceNumber: sequence === undefined ? undefined : sequenceNumber(sequence),
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
