/** SQS behind the AWS entry: one table of actions, and the words that differ by protocol. */
import type { Port } from '../../broker/port.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { AwsError } from '../../wire/aws/error.ts'
import { DEFAULT_ACCOUNT, DEFAULT_REGION } from '../aws/aws-frontend.ts'
import type { AwsAnswer, AwsCall, AwsService } from '../aws/call.ts'
import { changeMessageVisibility } from './actions/change-message-visibility.ts'
import { changeMessageVisibilityBatch } from './actions/change-message-visibility-batch.ts'
import { createQueue } from './actions/create-queue.ts'
import { deleteMessage } from './actions/delete-message.ts'
import { deleteMessageBatch } from './actions/delete-message-batch.ts'
import { deleteQueue } from './actions/delete-queue.ts'
import { getQueueAttributes } from './actions/get-queue-attributes.ts'
import { getQueueUrl } from './actions/get-queue-url.ts'
import { listDeadLetterSourceQueues } from './actions/list-dead-letter-source-queues.ts'
import { listQueues } from './actions/list-queues.ts'
import { cancelMessageMoveTask, listMessageMoveTasks, startMessageMoveTask } from './actions/message-move-tasks.ts'
import { purgeQueue } from './actions/purge-queue.ts'
import { addPermission, removePermission } from './actions/queue-permissions.ts'
import { listQueueTags, tagQueue, untagQueue } from './actions/queue-tags.ts'
import { receiveMessage } from './actions/receive-message.ts'
import { sendMessage } from './actions/send-message.ts'
import { sendMessageBatch } from './actions/send-message-batch.ts'
import { setQueueAttributes } from './actions/set-queue-attributes.ts'
import type { Action, SqsContext } from './context.ts'
import { faultError } from './errors.ts'
import { MESSAGE_BYTES_MAX } from './limits.ts'
import { QueueDirectory } from './queue-directory.ts'
import { ReceiptHandles } from './receipt-handle.ts'
import { ReceiveAttempts } from './receive-attempts.ts'
import { RecentEvents } from './recent-events.ts'
import { storedSealKey } from './seal-key.ts'
import { type SqsAction, sqsActions } from './shapes.ts'
import { Throttle } from './throttle.ts'

export interface SqsOptions {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  /** Region and account whose queues have plain names in the store. Defaults `us-east-1`, `000000000000`. */
  readonly region?: string
  readonly account?: string
  /** The largest message, and the largest batch as a whole. Default 1 MiB, as at AWS. */
  readonly messageBytesMax?: number
  /** Throttles as AWS does: calls a second on FIFO queues, messages in flight. Default false. */
  readonly awsLimits?: boolean
  /** Refuses a second purge, and creating a queue again, within sixty seconds, as AWS does. Default false. */
  readonly sixtySecondRules?: boolean
}

const actions: Readonly<Record<SqsAction, Action>> = {
  AddPermission: addPermission,
  CancelMessageMoveTask: cancelMessageMoveTask,
  ChangeMessageVisibility: changeMessageVisibility,
  ChangeMessageVisibilityBatch: changeMessageVisibilityBatch,
  CreateQueue: createQueue,
  DeleteMessage: deleteMessage,
  DeleteMessageBatch: deleteMessageBatch,
  DeleteQueue: deleteQueue,
  GetQueueAttributes: getQueueAttributes,
  GetQueueUrl: getQueueUrl,
  ListDeadLetterSourceQueues: listDeadLetterSourceQueues,
  ListMessageMoveTasks: listMessageMoveTasks,
  ListQueues: listQueues,
  ListQueueTags: listQueueTags,
  PurgeQueue: purgeQueue,
  ReceiveMessage: receiveMessage,
  RemovePermission: removePermission,
  SendMessage: sendMessage,
  SendMessageBatch: sendMessageBatch,
  SetQueueAttributes: setQueueAttributes,
  StartMessageMoveTask: startMessageMoveTask,
  TagQueue: tagQueue,
  UntagQueue: untagQueue,
}

/** Reads (or makes) the store's seal key first, so that receipt handles outlive the process. */
export async function openSqs(options: SqsOptions): Promise<AwsService> {
  const { port, clock, random, messageBytesMax = MESSAGE_BYTES_MAX } = options
  const { awsLimits = false, sixtySecondRules = false } = options
  const home = { region: options.region ?? DEFAULT_REGION, account: options.account ?? DEFAULT_ACCOUNT }
  const context: SqsContext = {
    port,
    clock,
    directory: new QueueDirectory({ port, clock, home, messageBytesMax }),
    handles: new ReceiptHandles(await storedSealKey(KEY_RECORD, { port, random })),
    attempts: new ReceiveAttempts(clock),
    messageBytesMax,
    throttle: awsLimits ? new Throttle(clock) : undefined,
    sixtySeconds: sixtySecondRules ? { purged: new RecentEvents(clock), deleted: new RecentEvents(clock) } : undefined,
  }
  return {
    name: 'sqs',
    version: '2012-11-05',
    namespace: 'http://queue.amazonaws.com/doc/2012-11-05/',
    targetPrefix: 'AmazonSQS',
    errorPrefix: 'com.amazonaws.sqs',
    insideFault: { type: 'InternalFailure', code: 'InternalFailure' },
    actions: sqsActions,
    answer: (call) => answer(context, call),
  }
}

const ROOT_ONLY: ReadonlySet<string> = new Set<SqsAction>(['CreateQueue', 'ListQueues'])

async function answer(context: SqsContext, call: AwsCall): Promise<AwsAnswer> {
  try {
    if (call.protocol === 'query' && call.path !== '/' && call.path !== '' && ROOT_ONLY.has(call.action)) {
      const message = `The action ${call.action} is not valid for this endpoint.`
      throw new AwsError({ type: 'InvalidAction', message })
    }
    return { result: await actions[call.action as SqsAction](context, call) }
  } catch (fault) {
    const error = fault instanceof AwsError ? fault : faultError(fault)
    throw error === undefined ? fault : worded(error, call)
  }
}

/** One message has another end in the Query protocol. */
function worded(error: AwsError, { protocol }: AwsCall): AwsError {
  if (protocol !== 'query' || error.type !== 'QueueDoesNotExist') return error
  const { type, code, status, fault } = error
  return new AwsError({
    type,
    code,
    status,
    fault,
    message: 'The specified queue does not exist for this wsdl version.',
  })
}

const KEY_RECORD = 'spindle/sqs/seal-key'
