import type { Params } from '../../../wire/aws/shape.ts'
import { checkAccess } from '../access.ts'
import { attempt, batchEntries, batchResult, failedBy, failedEntry } from '../batch.ts'
import type { Action } from '../context.ts'
import type { OpenedHandle } from '../receipt-handle.ts'
import { ACK, checkStaleDelete, openHandle } from './delete-message.ts'

/** One settle call for all entries, hence one sync. */
export const deleteMessageBatch: Action = async (context, call) => {
  const queue = await context.directory.named(call)
  checkAccess(call, queue)
  const entries = batchEntries(call.params, 'DeleteMessageBatchRequestEntry')
  context.throttle?.take(queue, 'DeleteMessageBatch')
  const taken: { readonly entry: Params; readonly opened: OpenedHandle }[] = []
  const Failed: object[] = []
  for (const entry of entries) {
    const checked = attempt(() => openHandle(context, queue, entry['ReceiptHandle'] as string | undefined))
    if ('error' in checked) Failed.push(failedEntry(entry, checked.error))
    else taken.push({ entry, opened: checked.value })
  }
  const outcomes = await context.port.settle(
    taken.map(({ opened }) => ({ receipt: opened.receipt, id: opened.id, how: ACK })),
  )
  const Successful: object[] = []
  for (const [index, { entry, opened }] of taken.entries()) {
    try {
      if (outcomes[index]?.kind === 'stale') {
        await checkStaleDelete(context, queue, opened, entry['ReceiptHandle'] as string)
      }
      Successful.push({ Id: entry['Id'] })
    } catch (fault) {
      Failed.push(failedBy(entry, fault))
    }
  }
  return batchResult({ Successful, Failed })
}
