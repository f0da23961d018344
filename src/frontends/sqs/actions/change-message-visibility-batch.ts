import { checkAccess } from '../access.ts'
import { batchEntries, batchResult, failedBy } from '../batch.ts'
import type { Action } from '../context.ts'
import { applyChange, readChange } from './change-message-visibility.ts'

/** Each entry by itself; they are made side by side, so those that need a sync share it. */
export const changeMessageVisibilityBatch: Action = async (context, call) => {
  const queue = await context.directory.named(call)
  checkAccess(call, queue)
  const entries = batchEntries(call.params, 'ChangeMessageVisibilityBatchRequestEntry')
  context.throttle?.take(queue, 'ChangeMessageVisibilityBatch')
  const Successful: object[] = []
  const Failed: object[] = []
  const outcomes = await Promise.allSettled(
    entries.map(async (entry) => applyChange(context, queue, readChange(context, queue, entry))),
  )
  outcomes.forEach((outcome, index) => {
    const entry = entries[index] ?? {}
    if (outcome.status === 'fulfilled') Successful.push({ Id: entry['Id'] })
    else Failed.push(failedBy(entry, outcome.reason))
  })
  return batchResult({ Successful, Failed })
}
