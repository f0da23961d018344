/** StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask: the broker's redrives under SQS's names. */
import type { RedriveState, RedriveView } from '../../../broker/port.ts'
import { isFault } from '../../../model/errors.ts'
import type { AwsCall } from '../../aws/call.ts'
import { checkAccess } from '../access.ts'
import type { Action, SqsContext } from '../context.ts'
import { invalidParameter, invalidValue, missingParameter, resourceNotFound, unsupportedOperation } from '../errors.ts'
import { MOVES_PER_SECOND_MAX } from '../limits.ts'
import { addressOfStoreName, parseQueueArn, queueArn } from '../queue-address.ts'
import type { SqsQueue } from '../queue-directory.ts'

const LIST_MAX = 10

export const startMessageMoveTask: Action = async (context, call) => {
  const { port } = context
  const source = await namedByArn(context, call, 'SourceArn')
  const destination = call.params['DestinationArn'] as string | undefined
  const rate = call.params['MaxNumberOfMessagesPerSecond'] as number | undefined
  if (rate !== undefined && (rate < 1 || rate > MOVES_PER_SECOND_MAX)) {
    const reason = `Must be an integer between 1 and ${MOVES_PER_SECOND_MAX}.`
    throw invalidValue(rate, 'MaxNumberOfMessagesPerSecond', reason)
  }
  if (!(await isDeadLetterQueue(context, source))) {
    throw invalidParameter('Source queue must be configured as a Dead Letter Queue.')
  }
  const target = destination === undefined ? undefined : await namedByArn(context, call, 'DestinationArn')
  if (target?.store === source.store) {
    throw invalidParameter('Source queue arn and destination queue arn cannot be the same.')
  }
  try {
    const { id } = await port.startRedrive({
      source: source.store,
      from: 'ready',
      ...(target === undefined ? undefined : { target: target.store }),
      ...(rate === undefined ? undefined : { ratePerSecond: rate }),
    })
    return { TaskHandle: encodeHandle({ id, source: source.store }) }
  } catch (fault) {
    if (!isFault(fault, 'redrive-running')) throw fault
    throw unsupportedOperation(
      'There is already a task running. Only one active task is allowed for a source queue arn at a given time.',
    )
  }
}

export const listMessageMoveTasks: Action = async (context, call) => {
  const source = await namedByArn(context, call, 'SourceArn')
  const max = (call.params['MaxResults'] as number | undefined) ?? 1
  if (max < 1 || max > LIST_MAX) throw invalidValue(max, 'MaxResults', `Must be an integer between 1 and ${LIST_MAX}.`)
  const redrives = await context.port.listRedrives(source.store)
  return { Results: redrives.slice(0, max).map((redrive) => taskView(context, source, redrive)) }
}

export const cancelMessageMoveTask: Action = async (context, call) => {
  const { port, directory } = context
  const handle = call.params['TaskHandle'] as string | undefined
  if (handle === undefined || handle === '') throw missingParameter('TaskHandle')
  const task = decodeHandle(handle)
  if (task === undefined) throw invalidParameter('Value for parameter TaskHandle is invalid.')
  const address = addressOfStoreName(task.source, directory.home)
  const source = address === undefined ? undefined : await directory.at(address)
  if (source === undefined)
    throw resourceNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
  checkAccess(call, source)
  const before = (await port.listRedrives(source.store)).find(({ id }) => id === task.id)
  if (before === undefined) throw resourceNotFound('Task does not exist.')
  if (before.state !== 'running') throw unsupportedOperation('Only active tasks can be cancelled.')
  const after = await port.cancelRedrive(task.id)
  return { ApproximateNumberOfMessagesMoved: after?.moved ?? before.moved }
}

const statuses: Readonly<Record<RedriveState, string>> = {
  running: 'RUNNING',
  completed: 'COMPLETED',
  cancelled: 'CANCELLED',
  failed: 'FAILED',
}

function taskView({ directory }: SqsContext, source: SqsQueue, redrive: RedriveView): object {
  const target = redrive.target === null ? undefined : addressOfStoreName(redrive.target, directory.home)
  return {
    ...(redrive.state === 'running'
      ? { TaskHandle: encodeHandle({ id: redrive.id, source: source.store }) }
      : undefined),
    Status: statuses[redrive.state],
    SourceArn: queueArn(source.address),
    ...(target === undefined ? undefined : { DestinationArn: queueArn(target) }),
    ...(redrive.ratePerSecond === null ? undefined : { MaxNumberOfMessagesPerSecond: redrive.ratePerSecond }),
    ApproximateNumberOfMessagesMoved: redrive.moved,
    ApproximateNumberOfMessagesToMove: redrive.about,
    ...(redrive.reason === null ? undefined : { FailureReason: redrive.reason }),
    StartedTimestamp: redrive.startedAtMs,
  }
}

/** Throws `MissingParameter`, `InvalidParameterValue`, `ResourceNotFoundException`, `AccessDenied`. */
async function namedByArn(context: SqsContext, call: AwsCall, parameter: string): Promise<SqsQueue> {
  const arn = call.params[parameter] as string | undefined
  if (arn === undefined || arn === '') throw missingParameter(parameter)
  const queue = await context.directory.at(parseQueueArn(arn, parameter))
  if (queue === undefined) {
    throw resourceNotFound(`The resource that you specified for the ${parameter} parameter doesn't exist.`)
  }
  checkAccess(call, queue)
  return queue
}

async function isDeadLetterQueue({ port }: SqsContext, { store }: SqsQueue): Promise<boolean> {
  const measures = await port.measure()
  return measures.some(({ policy }) => policy.onDeath.kind === 'deadLetter' && policy.onDeath.queue === store)
}

function encodeHandle(task: { readonly id: string; readonly source: string }): string {
  return Buffer.from(JSON.stringify(task), 'utf8').toString('base64')
}

function decodeHandle(handle: string): { readonly id: string; readonly source: string } | undefined {
  try {
    const parsed = JSON.parse(Buffer.from(handle, 'base64').toString('utf8')) as {
      id?: unknown
      source?: unknown
    } | null
    const { id, source } = parsed ?? {}
    return typeof id === 'string' && typeof source === 'string' ? { id, source } : undefined
  } catch {
    return undefined
  }
}
