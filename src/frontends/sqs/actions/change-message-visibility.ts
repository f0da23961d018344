import type { Params } from '../../../wire/aws/shape.ts'
import { checkAccess } from '../access.ts'
import { type Action, DONE, type SqsContext } from '../context.ts'
import { invalidValue, messageNotInflight, missingParameter } from '../errors.ts'
import { VISIBILITY_SECONDS_MAX } from '../limits.ts'
import type { SqsQueue } from '../queue-directory.ts'
import type { OpenedHandle } from '../receipt-handle.ts'
import { openHandle } from './delete-message.ts'

export const changeMessageVisibility: Action = async (context, call) => {
  const queue = await context.directory.named(call)
  checkAccess(call, queue)
  context.throttle?.take(queue, 'ChangeMessageVisibility')
  const change = readChange(context, queue, call.params)
  await applyChange(context, queue, change)
  return DONE
}

export interface VisibilityChange {
  readonly opened: OpenedHandle
  readonly handle: string
  readonly seconds: number
}

export function readChange(context: SqsContext, queue: SqsQueue, params: Params): VisibilityChange {
  const handle = params['ReceiptHandle'] as string | undefined
  const opened = openHandle(context, queue, handle)
  const seconds = params['VisibilityTimeout'] as number | undefined
  if (seconds === undefined) throw missingParameter('VisibilityTimeout')
  if (seconds < 0 || seconds > VISIBILITY_SECONDS_MAX) {
    throw invalidValue(seconds, 'VisibilityTimeout', `Must be between 0 and ${VISIBILITY_SECONDS_MAX}.`)
  }
  return { opened, handle: handle ?? '', seconds }
}

/** Zero gives the message back; its receive count stays spent. Throws `MessageNotInflight`, `InvalidParameterValue`. */
export async function applyChange({ port }: SqsContext, queue: SqsQueue, change: VisibilityChange): Promise<void> {
  const { opened, handle, seconds } = change
  const { receipt, id } = opened
  const outcome =
    seconds === 0
      ? (await port.settle([{ receipt, id, how: { kind: 'release' } }]))[0]
      : (await port.extend([receipt], seconds * 1_000))[0]
  if (outcome?.kind !== 'stale') return
  const view = await port.find(id)
  if (view !== undefined && view.queue === queue.store && view.state !== 'leased') throw messageNotInflight(handle)
  const reason = 'Message does not exist or is not available for visibility timeout change.'
  throw invalidValue(handle, 'ReceiptHandle', reason)
}
