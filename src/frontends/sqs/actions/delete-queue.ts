import { checkAccess } from '../access.ts'
import { type Action, DONE } from '../context.ts'
import { recordKey } from '../queue-record.ts'

export const deleteQueue: Action = async (context, call) => {
  const { port, directory } = context
  const queue = await directory.named(call)
  checkAccess(call, queue)
  await port.deleteQueue(queue.store, { records: [{ key: recordKey(queue.store), value: null }] })
  context.sixtySeconds?.deleted.happened(queue.store)
  directory.changed(queue.store)
  return DONE
}
