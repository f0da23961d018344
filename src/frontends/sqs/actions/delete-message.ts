import { checkAccess } from '../access.ts'
import { type Action, DONE, type SqsContext } from '../context.ts'
import { invalidValue, missingParameter, receiptHandleIsInvalid } from '../errors.ts'
import type { SqsQueue } from '../queue-directory.ts'
import type { OpenedHandle } from '../receipt-handle.ts'

export const ACK = { kind: 'ack' } as const

export const deleteMessage: Action = async (context, call) => {
  const queue = await context.directory.named(call)
  checkAccess(call, queue)
  context.throttle?.take(queue, 'DeleteMessage')
  const handle = call.params['ReceiptHandle'] as string | undefined
  const opened = openHandle(context, queue, handle)
  const { direct } = context.port
  const { receipt, id } = opened
  const decided = direct?.settle(opened, ACK)
  const outcome =
    direct === undefined || decided === undefined
      ? (await context.port.settle([{ receipt, id, how: ACK }]))[0]
      : await direct.kept(decided)
  if (outcome?.kind === 'stale') await checkStaleDelete(context, queue, opened, handle ?? '')
  return DONE
}

/** Throws `ReceiptHandleIsInvalid` for what this queue never gave out. */
export function openHandle({ handles }: SqsContext, queue: SqsQueue, handle: string | undefined): OpenedHandle {
  if (handle === undefined || handle === '') throw missingParameter('ReceiptHandle')
  const opened = handles.open(queue.store, handle)
  if (opened === undefined) throw receiptHandleIsInvalid(handle)
  return opened
}

/**
 * A standard queue takes a delete that came too late in silence; so does every queue once the message is gone. On a FIFO
 * queue a message that is there again, or with somebody else, is an error. Throws `InvalidParameterValue`.
 */
export async function checkStaleDelete(
  { port }: SqsContext,
  queue: SqsQueue,
  { id }: OpenedHandle,
  handle: string,
): Promise<void> {
  if (!queue.isFifo) return
  const view = await port.find(id)
  if (view === undefined || view.queue !== queue.store || view.state === 'done') return
  throw invalidValue(handle, 'ReceiptHandle', 'The receipt handle has expired.')
}
