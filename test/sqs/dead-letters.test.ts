import {
  CancelMessageMoveTaskCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteQueueCommand,
  ListMessageMoveTasksCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { servedSqs, sqsClient } from './serving.ts'

const arn = (name: string): string => `arn:aws:sqs:us-east-1:000000000000:${name}`

async function served(maxReceiveCount = 1) {
  const { endpoint, clock } = await servedSqs()
  const client = sqsClient(endpoint)
  const create = async (QueueName: string, Attributes: Record<string, string> = {}) =>
    (await client.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl ?? ''
  const dead = await create('dead')
  const source = await create('source', {
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn('dead'), maxReceiveCount }),
  })
  return { client, clock, create, dead, source }
}

async function receive(client: SQSClient, QueueUrl: string) {
  const all = { MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['All' as const], MessageAttributeNames: ['All'] }
  return (await client.send(new ReceiveMessageCommand({ QueueUrl, ...all }))).Messages ?? []
}

/** Sends, receives and gives back until each message is dead. */
async function kill(client: SQSClient, QueueUrl: string, bodies: readonly string[], receives = 1) {
  const MessageAttributes = { kept: { DataType: 'Number', StringValue: '7.0' } }
  for (const MessageBody of bodies)
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageAttributes }))
  for (let i = 0; i < receives; i++) {
    for (const { ReceiptHandle } of await receive(client, QueueUrl)) {
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }))
    }
  }
}

const tasks = async (client: SQSClient, MaxResults = 10) =>
  (await client.send(new ListMessageMoveTasksCommand({ SourceArn: arn('dead'), MaxResults }))).Results ?? []

describe('dead letters', () => {
  it('leave after their last receive, with id, attributes and source', async () => {
    const { client, dead, source } = await served(2)
    await kill(client, source, ['x'], 1)
    expect(await receive(client, dead)).toEqual([])
    await kill(client, source, [], 1)
    const [message] = await receive(client, dead)
    expect(message?.Body).toBe('x')
    expect(message?.Attributes).toMatchObject({
      DeadLetterQueueSourceArn: arn('source'),
      ApproximateReceiveCount: '1',
    })
    expect(message?.MessageAttributes).toEqual({ kept: { DataType: 'Number', StringValue: '7.0' } })
  })

  it('go back to where they came from, as new, when a move task says so', async () => {
    const { client, clock, dead, source } = await served()
    await kill(client, source, ['1', '2', '3'])
    const { TaskHandle } = await client.send(new StartMessageMoveTaskCommand({ SourceArn: arn('dead') }))
    expect(TaskHandle).toBeDefined()
    await clock.advance(5_000)
    const [task] = await tasks(client)
    expect(task).toMatchObject({
      Status: 'COMPLETED',
      SourceArn: arn('dead'),
      ApproximateNumberOfMessagesMoved: 3,
      ApproximateNumberOfMessagesToMove: 3,
    })
    expect(task?.TaskHandle).toBeUndefined()
    expect(await receive(client, dead)).toEqual([])
    const back = await receive(client, source)
    expect(back.map(({ Body }) => Body)).toEqual(['1', '2', '3'])
    expect(back[0]?.Attributes?.['ApproximateReceiveCount']).toBe('1')
    expect(back[0]?.Attributes).not.toHaveProperty('DeadLetterQueueSourceArn')
  })

  it('go to a queue of choice at a chosen rate, one task a source, until it is cancelled', async () => {
    const { client, clock, create, dead, source } = await served()
    const chosen = await create('chosen')
    await kill(client, source, ['1', '2', '3', '4', '5', '6', '7', '8'])
    const start = new StartMessageMoveTaskCommand({
      SourceArn: arn('dead'),
      DestinationArn: arn('chosen'),
      MaxNumberOfMessagesPerSecond: 1,
    })
    const { TaskHandle } = await client.send(start)
    await expect(client.send(start)).rejects.toMatchObject({
      name: 'UnsupportedOperation',
      message:
        'There is already a task running. Only one active task is allowed for a source queue arn at a given time.',
    })
    await clock.advance(2_500)
    const [running] = await tasks(client, 1)
    expect(running).toMatchObject({
      Status: 'RUNNING',
      TaskHandle,
      DestinationArn: arn('chosen'),
      MaxNumberOfMessagesPerSecond: 1,
    })
    const cancelled = await client.send(new CancelMessageMoveTaskCommand({ TaskHandle }))
    const moved = cancelled.ApproximateNumberOfMessagesMoved ?? 0
    expect(moved).toBeGreaterThan(0)
    expect(moved).toBeLessThan(8)
    await clock.advance(30_000)
    expect(await receive(client, chosen)).toHaveLength(moved)
    expect(await receive(client, dead)).toHaveLength(8 - moved)
    expect((await tasks(client))[0]?.Status).toBe('CANCELLED')
    await expect(client.send(new CancelMessageMoveTaskCommand({ TaskHandle }))).rejects.toThrow('Only active tasks')
  })

  it('stay where they are when their destination vanishes, and the task says why', async () => {
    const { client, clock, create, dead, source } = await served()
    const chosen = await create('chosen')
    await kill(client, source, ['1', '2', '3', '4'])
    const move = { SourceArn: arn('dead'), DestinationArn: arn('chosen'), MaxNumberOfMessagesPerSecond: 1 }
    await client.send(new StartMessageMoveTaskCommand(move))
    await client.send(new DeleteQueueCommand({ QueueUrl: chosen }))
    await clock.advance(30_000)
    const [task] = await tasks(client)
    expect(task?.Status).toBe('FAILED')
    expect(task?.FailureReason).toBeTruthy()
    expect((await receive(client, dead)).length + (task?.ApproximateNumberOfMessagesMoved ?? 0)).toBe(4)
  })

  it('refuse handles of tasks that never were', async () => {
    const { client } = await served()
    const made = Buffer.from('{"id":"x","source":"dead"}').toString('base64')
    await expect(client.send(new CancelMessageMoveTaskCommand({ TaskHandle: made }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
    await expect(client.send(new CancelMessageMoveTaskCommand({ TaskHandle: 'nonsense' }))).rejects.toThrow(
      'TaskHandle',
    )
  })
})
