import type * as sqs from '@aws-sdk/client-sqs'
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  type SQSClient,
  SQSServiceException,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { servedSqs, sqsClient } from './serving.ts'

/** What the SDK throws: the exception class, and the code of the Query protocol that came in the header. */
interface Told {
  readonly name: string
  readonly message: string
  readonly code: string
  readonly status: number | undefined
  /** A class of its own, not the service's general one. */
  readonly isModelled: boolean
}

async function failure(call: Promise<unknown>): Promise<Told> {
  try {
    await call
  } catch (fault) {
    const error = fault as Error & { Code?: string; Error?: { Code?: string }; $metadata?: { httpStatusCode?: number } }
    const { name, message, $metadata, constructor: thrown } = error
    return {
      name,
      message,
      code: error.Code ?? error.Error?.Code ?? '',
      status: $metadata?.httpStatusCode,
      isModelled: fault instanceof SQSServiceException && thrown !== SQSServiceException,
    }
  }
  throw new Error('the call was taken')
}

async function served() {
  const { endpoint, clock } = await servedSqs()
  const client = sqsClient(endpoint)
  const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: 'orders' }))
  const Attributes = { FifoQueue: 'true' }
  const { QueueUrl: fifoUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: 'lines.fifo', Attributes }))
  return { endpoint, clock, client, QueueUrl, fifoUrl }
}

type Served = Awaited<ReturnType<typeof served>>
type Call = (served: Served) => Promise<unknown>

const send = (client: SQSClient, input: Partial<sqs.SendMessageCommandInput>) =>
  client.send(new SendMessageCommand({ QueueUrl: undefined, MessageBody: 'x', ...input }))
const receive = (client: SQSClient, input: Partial<sqs.ReceiveMessageCommandInput>) =>
  client.send(new ReceiveMessageCommand({ QueueUrl: undefined, ...input }))
const create = (client: SQSClient, QueueName: string, Attributes: Record<string, string> = {}) =>
  client.send(new CreateQueueCommand({ QueueName, Attributes }))
const set = ({ client, QueueUrl }: Served, Attributes: Record<string, string>) =>
  client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }))
const typed = (DataType: string, StringValue?: string) => ({ DataType, StringValue })

/** Which exception each action throws when: error-paths.test.ts. */
describe('errors carry the words of the service and the code of the Query protocol', () => {
  const worded: [string, string, Call][] = [
    [
      'MissingParameter',
      'The request must contain the parameter MessageBody.',
      ({ client, QueueUrl }) => send(client, { QueueUrl, MessageBody: '' }),
    ],
    ['MissingParameter', 'The request must contain the parameter QueueName.', ({ client }) => create(client, '')],
    [
      'MissingParameter',
      'The request must contain the parameter MessageGroupId.',
      ({ client, fifoUrl: QueueUrl }) => send(client, { QueueUrl, MessageDeduplicationId: 'a' }),
    ],
    [
      'MissingParameter',
      'The request must contain the parameter ReceiptHandle.',
      ({ client, QueueUrl }) => client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: '' })),
    ],
    [
      'InvalidParameterValue',
      'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
      ({ client }) => create(client, 'a b'),
    ],
    [
      'InvalidParameterValue',
      'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
      ({ client }) => create(client, 'x'.repeat(81)),
    ],
    [
      'InvalidParameterValue',
      'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.',
      ({ client }) => create(client, 'plain', { FifoQueue: 'true' }),
    ],
    [
      'InvalidParameterValue',
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
      ({ client, fifoUrl: QueueUrl }) => send(client, { QueueUrl, MessageGroupId: 'g' }),
    ],
    [
      'InvalidParameterValue',
      'Value 5 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.',
      ({ client, fifoUrl: QueueUrl }) =>
        send(client, { QueueUrl, MessageGroupId: 'g', MessageDeduplicationId: 'd', DelaySeconds: 5 }),
    ],
    [
      'InvalidParameterValue',
      'Value d for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type',
      ({ client, QueueUrl }) => send(client, { QueueUrl, MessageDeduplicationId: 'd' }),
    ],
    [
      'InvalidParameterValue',
      'Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.',
      ({ client, QueueUrl }) => send(client, { QueueUrl, DelaySeconds: 901 }),
    ],
    [
      'InvalidParameterValue',
      'One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.',
      ({ client, QueueUrl }) => send(client, { QueueUrl, MessageBody: 'x'.repeat(1_048_577) }),
    ],
    [
      'InvalidParameterValue',
      'Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.',
      ({ client, QueueUrl }) => receive(client, { QueueUrl, MaxNumberOfMessages: 11 }),
    ],
    [
      'InvalidParameterValue',
      'Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.',
      ({ client, QueueUrl }) => receive(client, { QueueUrl, WaitTimeSeconds: 21 }),
    ],
    [
      'InvalidParameterValue',
      'Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided.',
      ({ client, QueueUrl }) => receive(client, { QueueUrl, VisibilityTimeout: 43_201 }),
    ],
    [
      'InvalidParameterValue',
      'Value a for parameter ReceiveRequestAttemptId is invalid. Reason: The request include parameter that is not valid for this queue type.',
      ({ client, QueueUrl }) => receive(client, { QueueUrl, ReceiveRequestAttemptId: 'a' }),
    ],
    [
      'InvalidParameterValue',
      'Value 1001 for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.',
      ({ client }) => client.send(new ListQueuesCommand({ MaxResults: 1_001 })),
    ],
    [
      'InvalidParameterValue',
      'Invalid or expired next token.',
      ({ client }) => client.send(new ListQueuesCommand({ NextToken: '%%' })),
    ],
    [
      'InvalidParameterValue',
      "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'.",
      ({ client, QueueUrl }) => send(client, { QueueUrl, MessageAttributes: { a: typed('String') } }),
    ],
    [
      'InvalidParameterValue',
      "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
      ({ client, QueueUrl }) => send(client, { QueueUrl, MessageAttributes: { a: typed('Date', 'x') } }),
    ],
    [
      'InvalidParameterValue',
      "Can't cast the value of message attribute 'a' to a number.",
      ({ client, QueueUrl }) => send(client, { QueueUrl, MessageAttributes: { a: typed('Number', 'ten') } }),
    ],
    [
      'InvalidParameterValue',
      'Number of message attributes [11] exceeds the allowed maximum [10].',
      ({ client, QueueUrl }) =>
        send(client, {
          QueueUrl,
          MessageAttributes: Object.fromEntries([...'abcdefghijk'].map((name) => [name, typed('String', 'x')])),
        }),
    ],
    [
      'InvalidParameterValue',
      'Source queue must be configured as a Dead Letter Queue.',
      ({ client }) =>
        client.send(new StartMessageMoveTaskCommand({ SourceArn: 'arn:aws:sqs:us-east-1:000000000000:orders' })),
    ],
    [
      'InvalidParameterValue',
      'You must use this format to specify the SourceArn: arn:<partition>:<service>:<region>:<account-id>:<resource-id>',
      ({ client }) => client.send(new StartMessageMoveTaskCommand({ SourceArn: 'orders' })),
    ],
  ]
  it.each(worded)('%s: %s', async (code, message, call) => {
    expect(await failure(call(await served()))).toMatchObject({ code, message, status: 400 })
  })

  it('refuses a dead-letter queue that is not there, of another kind, or unwilling', async () => {
    const s = await served()
    const policy = (name: string) =>
      JSON.stringify({ deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${name}`, maxReceiveCount: 1 })
    await create(s.client, 'shy', { RedriveAllowPolicy: '{"redrivePermission":"denyAll"}' })
    for (const [name, reason] of [
      ['gone', 'Dead letter target does not exist.'],
      ['lines.fifo', 'Dead-letter queue must be same type of queue as the source.'],
      ['shy', 'Dead-letter queue does not allow this source queue.'],
    ] as const) {
      expect((await failure(set(s, { RedrivePolicy: policy(name) }))).message).toContain(reason)
    }
  })

  it('tells a message that is not in flight from one that is gone', async () => {
    const { client, clock, QueueUrl } = await served()
    await send(client, { QueueUrl })
    const { Messages: [message] = [] } = await receive(client, { QueueUrl, VisibilityTimeout: 5 })
    const change = { QueueUrl, ReceiptHandle: message?.ReceiptHandle, VisibilityTimeout: 9 }
    await clock.advance(5_000)
    const idle = await failure(client.send(new ChangeMessageVisibilityCommand(change)))
    expect(idle).toMatchObject({ name: 'MessageNotInflight', code: 'AWS.SimpleQueueService.MessageNotInflight' })
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }))
    const gone = await failure(client.send(new ChangeMessageVisibilityCommand(change)))
    expect(gone.message).toContain('Message does not exist or is not available for visibility timeout change.')
  })

  it('gives a handle of one queue no power over another', async () => {
    const { client, QueueUrl } = await served()
    const { QueueUrl: other = '' } = await create(client, 'other')
    await send(client, { QueueUrl })
    const { Messages: [message] = [] } = await receive(client, { QueueUrl })
    const told = await failure(
      client.send(new DeleteMessageCommand({ QueueUrl: other, ReceiptHandle: message?.ReceiptHandle })),
    )
    expect(told.name).toBe('ReceiptHandleIsInvalid')
  })

  it('refuses a short poll over too many messages in flight, where AWS’s limits are on', async () => {
    const { endpoint, broker } = await servedSqs({ awsLimits: true })
    const client = sqsClient(endpoint)
    const { QueueUrl } = await create(client, 'orders')
    const { QueueUrl: fifoUrl } = await create(client, 'lines.fifo', { FifoQueue: 'true' })
    await send(client, { QueueUrl })
    const measure = broker.measure.bind(broker)
    broker.measure = async (queues) => (await measure(queues)).map((measured) => ({ ...measured, leased: 120_000 }))
    const told = await failure(receive(client, { QueueUrl }))
    expect(told).toMatchObject({ name: 'OverLimit', code: 'OverLimit', status: 403, isModelled: true })
    expect((await receive(client, { QueueUrl: fifoUrl })).Messages).toBeUndefined()
    broker.measure = measure
    expect((await receive(client, { QueueUrl })).Messages).toHaveLength(1)
  })
})
