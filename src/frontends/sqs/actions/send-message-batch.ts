import type { AwsError } from '../../../wire/aws/error.ts'
import type { Params } from '../../../wire/aws/shape.ts'
import { checkAccess } from '../access.ts'
import { attempt, batchEntries, batchResult, failedBy, failedEntry } from '../batch.ts'
import type { Action } from '../context.ts'
import { batchError, refusalError } from '../errors.ts'
import { type OutgoingMessage, outgoingMessage } from '../outgoing-message.ts'
import { needsGroups, sentResult, shareByGroups } from './send-message.ts'

/** All entries that can be taken are one atomic unit, hence one sync; the others fail by themselves. */
export const sendMessageBatch: Action = async (context, call) => {
  const queue = await context.directory.named(call)
  checkAccess(call, queue)
  const entries = batchEntries(call.params, 'SendMessageBatchRequestEntry')
  context.throttle?.take(queue, 'SendMessageBatch')

  const taken: { readonly entry: Params; readonly outgoing: OutgoingMessage }[] = []
  const Failed: object[] = []
  let bytes = 0
  for (const entry of entries) {
    const checked = attempt(() => outgoingMessage(queue, entry, call.identity?.name))
    if ('error' in checked) {
      bytes += claimedBytes(entry)
      Failed.push(failedEntry(entry, checked.error))
    } else {
      bytes += checked.value.bytes
      taken.push({ entry, outgoing: checked.value })
    }
  }
  if (bytes > context.messageBytesMax) throw tooLong(bytes, context.messageBytesMax)
  if (taken.length === 0) return batchResult({ Successful: [], Failed })
  if (taken.some(({ outgoing }) => needsGroups(queue, outgoing))) await shareByGroups(context, queue)

  // One unit: one record in the journal, where ten would be ten. Each message still has its own outcome.
  const unit = taken.map(({ outgoing }) => ({ queue: queue.store, message: outgoing.message }))
  const [outcomes = []] = await context.port.deliver([unit])
  const Successful: object[] = []
  for (const [index, { entry, outgoing }] of taken.entries()) {
    const outcome = outcomes[index]
    // The queue went away, for all of them.
    if (outcome?.kind === 'refused' && outcome.reason === 'no-such-queue') throw refusalError(outcome.reason)
    try {
      const sent = sentResult(context, { queue, outgoing, outcome, entryId: entry['Id'] as string })
      Successful.push(sent instanceof Promise ? await sent : sent)
    } catch (fault) {
      Failed.push(failedBy(entry, fault))
    }
  }
  return batchResult({ Successful, Failed })
}

/** What is too large by itself counts towards the batch too. */
function claimedBytes(entry: Params): number {
  const text = entry['MessageBody']
  return typeof text === 'string' ? Buffer.byteLength(text) : 0
}

function tooLong(bytes: number, bytesMax: number): AwsError {
  const message = `Batch requests cannot be longer than ${bytesMax} bytes. You have sent ${bytes} bytes.`
  return batchError('BatchRequestTooLong', message)
}
