/** Every action of SQS with every exception that its documentation names, as the SDK throws it. */
import * as sqs from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import type { Port } from '../../src/broker/port.ts'
import { SpindleError } from '../../src/model/errors.ts'
import { documentedErrors, expectEachPairOnce } from '../aws/documented-errors.ts'
import { neverOfSqs } from '../aws/never-thrown.ts'
import { servedSqs, sqsClient } from './serving.ts'

async function served(options: Parameters<typeof servedSqs>[0] = {}) {
  const { endpoint, clock, broker } = await servedSqs(options)
  const client = sqsClient(endpoint)
  await broker.declareQueue('orders', {})
  return { client, clock, broker }
}
type Served = Awaited<ReturnType<typeof served>>

const QueueUrl = 'http://localhost/000000000000/orders'
const SourceArn = 'arn:aws:sqs:us-east-1:000000000000:orders'
const entries = (...ids: string[]) => ids.map((Id) => ({ Id, MessageBody: 'x' }))
const handles = (...ids: string[]) => ids.map((Id) => ({ Id, ReceiptHandle: 'h', VisibilityTimeout: 1 }))
const taskHandle = (source: string, id = 'x') => Buffer.from(JSON.stringify({ id, source })).toString('base64')

/** Commands and exceptions by name. */
const sdk: Readonly<Record<string, unknown>> = { ...sqs }

/** What each action takes, well formed. */
const inputs: Readonly<Record<string, object>> = {
  AddPermission: { QueueUrl, Label: 'l', AWSAccountIds: ['000000000000'], Actions: ['*'] },
  CancelMessageMoveTask: { TaskHandle: taskHandle('orders') },
  ChangeMessageVisibility: { QueueUrl, ReceiptHandle: 'h', VisibilityTimeout: 1 },
  ChangeMessageVisibilityBatch: { QueueUrl, Entries: handles('a') },
  CreateQueue: { QueueName: 'orders' },
  DeleteMessage: { QueueUrl, ReceiptHandle: 'h' },
  DeleteMessageBatch: { QueueUrl, Entries: handles('a') },
  DeleteQueue: { QueueUrl },
  GetQueueAttributes: { QueueUrl },
  GetQueueUrl: { QueueName: 'orders' },
  ListDeadLetterSourceQueues: { QueueUrl },
  ListMessageMoveTasks: { SourceArn },
  ListQueueTags: { QueueUrl },
  ListQueues: {},
  PurgeQueue: { QueueUrl },
  ReceiveMessage: { QueueUrl },
  RemovePermission: { QueueUrl, Label: 'l' },
  SendMessage: { QueueUrl, MessageBody: 'x' },
  SendMessageBatch: { QueueUrl, Entries: entries('a') },
  SetQueueAttributes: { QueueUrl, Attributes: { DelaySeconds: '1' } },
  StartMessageMoveTask: { SourceArn },
  TagQueue: { QueueUrl, Tags: { a: 'b' } },
  UntagQueue: { QueueUrl, TagKeys: ['a'] },
}

function call({ client }: Pick<Served, 'client'>, action: string, changes: object = {}): Promise<object> {
  const Command = sdk[`${action}Command`] as typeof sqs.SendMessageCommand
  return client.send(new Command({ ...inputs[action], ...changes } as sqs.SendMessageCommandInput))
}

/** Every verb of the port rejects with it from now on. */
async function broken({ broker, clock }: Served, fault: unknown): Promise<void> {
  // What the front end remembers of queues is a second old.
  await clock.advance(2_000)
  const names = [
    'read',
    'measure',
    'append',
    'deliver',
    'receive',
    'settle',
    'declareQueue',
    'listRedrives',
    'find',
  ] as const
  for (const name of names) (broker as unknown as Port)[name] = () => Promise.reject(fault) as never
  Object.defineProperty(broker, 'direct', { value: undefined })
}

type Row = [
  action: string,
  exception: string,
  status: number,
  throwing: (s: Served) => Promise<unknown>,
  options?: object,
]

const changed =
  (action: string, changes: object) =>
  (s: Served): Promise<unknown> =>
    call(s, action, changes)

const documented = documentedErrors('sqs')
const actionsWith = (exception: string) =>
  [...documented].filter(([, classes]) => classes.includes(exception)).map(([action]) => action)

const missingQueues = actionsWith('QueueDoesNotExist').map(
  (action): Row => [
    action,
    'QueueDoesNotExist',
    400,
    changed(action, action === 'GetQueueUrl' ? { QueueName: 'gone' } : { QueueUrl: 'http://h/000000000000/gone' }),
  ],
)

const throttled = actionsWith('RequestThrottled').map(
  (action): Row => [
    action,
    'RequestThrottled',
    403,
    async (s) => {
      await broken(s, new SpindleError('overloaded', 'tested'))
      return call(s, action)
    },
  ],
)

const batches = ['SendMessageBatch', 'DeleteMessageBatch', 'ChangeMessageVisibilityBatch'].flatMap((action): Row[] => {
  const of = action === 'SendMessageBatch' ? entries : handles
  return [
    [action, 'EmptyBatchRequest', 400, changed(action, { Entries: [] })],
    [action, 'TooManyEntriesInBatchRequest', 400, changed(action, { Entries: of(...'abcdefghijk') })],
    [action, 'BatchEntryIdsNotDistinct', 400, changed(action, { Entries: of('a', 'a') })],
    [action, 'InvalidBatchEntryId', 400, changed(action, { Entries: of('a b') })],
    [action, 'InvalidBatchEntryId', 400, changed(action, { Entries: of('x'.repeat(81)) })],
  ]
})

const attributes = (exception: string, ...given: Record<string, string>[]): Row[] =>
  given.map((Attributes) => ['SetQueueAttributes', exception, 400, changed('SetQueueAttributes', { Attributes })])

/** Makes `orders` the dead-letter queue of another one, so that its messages may be moved. */
async function withSource(s: Served): Promise<void> {
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: SourceArn, maxReceiveCount: 1 })
  await call(s, 'CreateQueue', { QueueName: 'source', Attributes: { RedrivePolicy } })
}

const rows: readonly Row[] = [
  ...missingQueues,
  [
    'ReceiveMessage',
    'QueueDoesNotExist',
    400,
    changed('ReceiveMessage', { QueueUrl: 'http://h/no/such/thing/at/all' }),
  ],
  ...throttled,
  [
    'SendMessage',
    'RequestThrottled',
    403,
    async (s) => {
      await call(s, 'CreateQueue', { QueueName: 'l.fifo', Attributes: { FifoQueue: 'true' } })
      const input = { QueueUrl: 'l.fifo', MessageGroupId: 'g', MessageDeduplicationId: 'd' }
      for (let i = 0; i <= 300; i++) await call(s, 'SendMessage', input)
    },
    { awsLimits: true },
  ],
  ...batches,
  ...attributes('InvalidAttributeName', { Colour: 'red' }, { ContentBasedDeduplication: 'true' }),
  ...attributes(
    'InvalidAttributeValue',
    { VisibilityTimeout: '43201' },
    { MessageRetentionPeriod: '59' },
    { MaximumMessageSize: '1023' },
    { DelaySeconds: '1.5' },
    { ReceiveMessageWaitTimeSeconds: '21' },
    { RedrivePolicy: 'not json' },
    { RedriveAllowPolicy: '{"redrivePermission":"byQueue"}' },
    { Policy: '{"Statement":[{"Effect":"Maybe"}]}' },
  ),
  ['CreateQueue', 'QueueNameExists', 400, changed('CreateQueue', { Attributes: { DelaySeconds: '7' } })],
  [
    'CreateQueue',
    'InvalidAttributeName',
    400,
    changed('CreateQueue', { QueueName: 'n', Attributes: { Colour: 'red' } }),
  ],
  [
    'CreateQueue',
    'InvalidAttributeName',
    400,
    changed('CreateQueue', { QueueName: 'n', Attributes: { FifoQueue: 'false' } }),
  ],
  [
    'CreateQueue',
    'InvalidAttributeValue',
    400,
    changed('CreateQueue', { QueueName: 'n', Attributes: { DelaySeconds: '901' } }),
  ],
  [
    'CreateQueue',
    'InvalidAttributeValue',
    400,
    changed('CreateQueue', {
      QueueName: 'n.fifo',
      Attributes: { FifoQueue: 'true', FifoThroughputLimit: 'perMessageGroupId' },
    }),
  ],
  [
    'CreateQueue',
    'QueueDeletedRecently',
    400,
    async (s) => {
      await call(s, 'DeleteQueue')
      await call(s, 'CreateQueue')
    },
    { sixtySecondRules: true },
  ],
  [
    'PurgeQueue',
    'PurgeQueueInProgress',
    403,
    async (s) => {
      await call(s, 'PurgeQueue')
      await call(s, 'PurgeQueue')
    },
    { sixtySecondRules: true },
  ],
  ['GetQueueAttributes', 'InvalidAttributeName', 400, changed('GetQueueAttributes', { AttributeNames: ['Colour'] })],
  [
    'ReceiveMessage',
    'InvalidAttributeName',
    400,
    changed('ReceiveMessage', { MessageSystemAttributeNames: ['Colour'] }),
  ],
  [
    'ReceiveMessage',
    'OverLimit',
    403,
    (s) => {
      const measure = s.broker.measure.bind(s.broker)
      s.broker.measure = async (queues) => (await measure(queues)).map((one) => ({ ...one, leased: 120_000 }))
      return call(s, 'ReceiveMessage')
    },
    { awsLimits: true },
  ],
  [
    'AddPermission',
    'OverLimit',
    403,
    changed('AddPermission', {
      Actions: ['*', 'SendMessage', 'ReceiveMessage', 'DeleteMessage', 'GetQueueUrl', 'PurgeQueue', '*', '*'],
    }),
  ],
  ['SendMessage', 'InvalidMessageContents', 400, changed('SendMessage', { MessageBody: 'a\u0000b' })],
  ['SendMessage', 'InvalidMessageContents', 400, changed('SendMessage', { MessageBody: '\ufffe' })],
  [
    'SendMessage',
    'UnsupportedOperation',
    400,
    changed('SendMessage', { MessageAttributes: { a: { DataType: 'String', StringListValues: ['x'] } } }),
  ],
  [
    'SendMessageBatch',
    'BatchRequestTooLong',
    400,
    changed('SendMessageBatch', { Entries: ['a', 'b'].map((Id) => ({ Id, MessageBody: 'x'.repeat(600_000) })) }),
  ],
  ['DeleteMessage', 'ReceiptHandleIsInvalid', 404, changed('DeleteMessage', { ReceiptHandle: 'made up' })],
  [
    'ChangeMessageVisibility',
    'ReceiptHandleIsInvalid',
    404,
    changed('ChangeMessageVisibility', { ReceiptHandle: '1.2.3~x~0123456789abcdef' }),
  ],
  [
    'ChangeMessageVisibility',
    'MessageNotInflight',
    400,
    async (s) => {
      await call(s, 'SendMessage')
      const received = (await call(s, 'ReceiveMessage', { VisibilityTimeout: 5 })) as sqs.ReceiveMessageResult
      await s.clock.advance(5_000)
      await call(s, 'ChangeMessageVisibility', { ReceiptHandle: received.Messages?.[0]?.ReceiptHandle })
    },
  ],
  ...['StartMessageMoveTask', 'ListMessageMoveTasks'].map(
    (action): Row => [
      action,
      'ResourceNotFoundException',
      404,
      changed(action, { SourceArn: SourceArn.replace('orders', 'gone') }),
    ],
  ),
  ['CancelMessageMoveTask', 'ResourceNotFoundException', 404, changed('CancelMessageMoveTask', {})],
  [
    'CancelMessageMoveTask',
    'ResourceNotFoundException',
    404,
    changed('CancelMessageMoveTask', { TaskHandle: taskHandle('gone') }),
  ],
  [
    'StartMessageMoveTask',
    'UnsupportedOperation',
    400,
    async (s) => {
      await withSource(s)
      for (let i = 0; i < 5; i++) await call(s, 'SendMessage')
      await call(s, 'StartMessageMoveTask', {
        MaxNumberOfMessagesPerSecond: 1,
        DestinationArn: SourceArn.replace('orders', 'source'),
      })
      await call(s, 'StartMessageMoveTask')
    },
  ],
  [
    'CancelMessageMoveTask',
    'UnsupportedOperation',
    400,
    async (s) => {
      await withSource(s)
      for (let i = 0; i < 5; i++) await call(s, 'SendMessage')
      const task = (await call(s, 'StartMessageMoveTask', {
        MaxNumberOfMessagesPerSecond: 1,
        DestinationArn: SourceArn.replace('orders', 'source'),
      })) as sqs.StartMessageMoveTaskResult
      await call(s, 'CancelMessageMoveTask', task)
      await call(s, 'CancelMessageMoveTask', task)
    },
  ],
]

/** Codes of the Query protocol that are not the name of the exception; SDKs find them in a header. */
const codes: Readonly<Record<string, string>> = {
  QueueDoesNotExist: 'AWS.SimpleQueueService.NonExistentQueue',
  QueueNameExists: 'QueueAlreadyExists',
  ...Object.fromEntries(
    [
      'BatchEntryIdsNotDistinct',
      'BatchRequestTooLong',
      'EmptyBatchRequest',
      'InvalidBatchEntryId',
      'MessageNotInflight',
      'PurgeQueueInProgress',
      'QueueDeletedRecently',
      'TooManyEntriesInBatchRequest',
      'UnsupportedOperation',
    ].map((name) => [name, `AWS.SimpleQueueService.${name}`]),
  ),
}

function codeOf(fault: { Code?: string; Error?: { Code?: string } }): string | undefined {
  return fault.Code ?? fault.Error?.Code
}

async function thrown(throwing: Promise<unknown>): Promise<sqs.SQSServiceException> {
  const outcome = await throwing.then(
    () => undefined,
    (fault: unknown) => fault,
  )
  if (outcome instanceof sqs.SQSServiceException) return outcome
  throw new Error('the call was taken', { cause: outcome })
}

describe('errors', () => {
  it('are tested for each action that may have them, or said never to happen', () => {
    expect(Object.keys(inputs).toSorted()).toEqual([...documented.keys()].toSorted())
    expectEachPairOnce('sqs', rows, { classes: neverOfSqs })
  })

  it.each(rows)('of %s: %s', async (_action, exception, status, throwing, options) => {
    const fault = await thrown(throwing(await served(options)))
    expect(fault).toMatchObject({ name: exception, $metadata: { httpStatusCode: status } })
    expect(fault).toBeInstanceOf(sdk[exception])
    expect(fault.message).not.toBe('')
    expect(codeOf(fault as object)).toBe(codes[exception] ?? exception)
  })

  it.each([...documented.keys()])(
    'of %s to callers who may not, and when the store is away or broken',
    async (action) => {
      const stranger = await served({ authorize: () => ({ name: 'guest', may: () => false }) })
      if (action === 'ListQueues') expect(await call(stranger, action)).not.toHaveProperty('QueueUrls')
      else
        expect(await thrown(call(stranger, action))).toMatchObject({
          name: 'AccessDenied',
          $metadata: { httpStatusCode: 403 },
          message: expect.stringContaining(`sqs:${action}`),
        })
      const logged: unknown[] = []
      const log = { debug() {}, info() {}, warn() {}, error: (_: string, fields: unknown) => void logged.push(fields) }
      const s = await served({ log } as object)
      await broken(s, new SpindleError('closed', 'tested'))
      const away = { name: 'ServiceUnavailable', $fault: 'server', $metadata: { httpStatusCode: 503 } }
      expect(await thrown(call(s, action))).toMatchObject(away)
      await broken(s, new Error('canary'))
      const inside = await thrown(call(s, action))
      expect(inside).toMatchObject({ name: 'InternalFailure', $metadata: { httpStatusCode: 500 } })
      expect(`${inside.message} ${JSON.stringify(inside.$response?.headers)}`).not.toMatch(/canary|\.ts/)
      expect(logged).toHaveLength(1)
    },
  )
})
