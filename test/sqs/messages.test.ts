import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { servedSqs, sqsClient } from './serving.ts'

async function served(attributes: Record<string, string> = {}, name = 'orders') {
  const { endpoint, clock, broker } = await servedSqs()
  const client = sqsClient(endpoint)
  const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes: attributes }))
  return { client, clock, broker, QueueUrl, endpoint }
}

async function receive(client: SQSClient, QueueUrl: string, max = 10) {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: max, MessageSystemAttributeNames: ['All'] }),
  )
  return Messages
}

describe('messages', () => {
  it('go in and out with the MD5s that the SDK checks', async () => {
    const { client, QueueUrl } = await served()
    const MessageAttributes = {
      city: { DataType: 'String', StringValue: 'Zürich' },
      nights: { DataType: 'Number', StringValue: '007.50' },
      blob: { DataType: 'Binary.png', BinaryValue: Uint8Array.of(0, 255, 1) },
      note: { DataType: 'String.json', StringValue: '{}' },
    }
    const sent = await client.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: 'grüezi 😀',
        MessageAttributes,
        MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1-x' } },
      }),
    )
    expect(sent.MD5OfMessageSystemAttributes).toMatch(/^[0-9a-f]{32}$/)
    const { Messages: [message] = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'] }),
    )
    expect(message?.Body).toBe('grüezi 😀')
    expect(message?.MessageId).toBe(sent.MessageId)
    expect(message?.MD5OfMessageAttributes).toBe(sent.MD5OfMessageAttributes)
    expect(message?.MessageAttributes).toEqual(MessageAttributes)
    expect(message?.Attributes).toMatchObject({
      ApproximateReceiveCount: '1',
      AWSTraceHeader: 'Root=1-x',
      SenderId: '000000000000',
      SentTimestamp: '1767225600000',
    })
  })

  it('are filtered to the attributes asked for, whose MD5 alone counts', async () => {
    const { client, clock, QueueUrl } = await served()
    const value = { DataType: 'String', StringValue: 'x' }
    await client.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: 'b',
        MessageAttributes: { 'a.one': value, 'a.two': value, b: value },
      }),
    )
    const asked = new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ['a.*'], VisibilityTimeout: 0 })
    const { Messages: [some] = [] } = await client.send(asked)
    expect(Object.keys(some?.MessageAttributes ?? {})).toEqual(['a.one', 'a.two'])
    expect(some?.MD5OfMessageAttributes).toMatch(/^[0-9a-f]{32}$/)
    await clock.advance(1)
    const { Messages: [none] = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl }))
    expect(none?.Body).toBe('b')
    expect(none?.MessageAttributes).toBeUndefined()
  })

  it('come back when their visibility ends, with their receive count', async () => {
    const { client, clock, QueueUrl } = await served({ VisibilityTimeout: '10' })
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))
    const [first] = await receive(client, QueueUrl)
    expect(await receive(client, QueueUrl)).toEqual([])
    await clock.advance(10_000)
    const [second] = await receive(client, QueueUrl)
    expect(second?.MessageId).toBe(first?.MessageId)
    expect(second?.Attributes?.['ApproximateReceiveCount']).toBe('2')
    expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle)
  })

  it('are deleted once, and a late or repeated delete of a standard queue is no error', async () => {
    const { client, clock, QueueUrl } = await served({ VisibilityTimeout: '10' })
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))
    const [message] = await receive(client, QueueUrl)
    await clock.advance(11_000)
    const ReceiptHandle = message?.ReceiptHandle
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
    expect(await receive(client, QueueUrl)).toEqual([])
  })

  it('go in and out in batches, each entry with its own outcome', async () => {
    const { client, QueueUrl } = await served()
    const sent = await client.send(
      new SendMessageBatchCommand({
        QueueUrl,
        Entries: [
          { Id: 'a', MessageBody: '1' },
          { Id: 'b', MessageBody: 'bad \u0001' },
          { Id: 'c', MessageBody: '3', DelaySeconds: 901 },
          { Id: 'd', MessageBody: '4' },
        ],
      }),
    )
    expect(sent.Successful?.map(({ Id }) => Id)).toEqual(['a', 'd'])
    expect(sent.Failed?.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault])).toEqual([
      ['b', 'InvalidMessageContents', true],
      ['c', 'InvalidParameterValue', true],
    ])
    const messages = await receive(client, QueueUrl)
    expect(messages.map(({ Body }) => Body)).toEqual(['1', '4'])
    const deleted = await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl,
        Entries: [
          { Id: 'a', ReceiptHandle: messages[0]?.ReceiptHandle },
          { Id: 'b', ReceiptHandle: 'made up' },
        ],
      }),
    )
    expect(deleted.Successful).toEqual([{ Id: 'a' }])
    expect(deleted.Failed?.[0]).toMatchObject({ Id: 'b', Code: 'ReceiptHandleIsInvalid', SenderFault: true })
  })

  it('stay hidden as long as their consumer says, and return when it says zero', async () => {
    const { client, clock, QueueUrl } = await served({ VisibilityTimeout: '10' })
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }))
    const [message] = await receive(client, QueueUrl)
    const ReceiptHandle = message?.ReceiptHandle
    await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 100 }))
    await clock.advance(99_000)
    expect(await receive(client, QueueUrl)).toEqual([])
    await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }))
    expect(await receive(client, QueueUrl)).toHaveLength(1)
  })

  it('wait for their delay, of the queue or their own, and go when their retention ends', async () => {
    const { client, clock, QueueUrl } = await served({ DelaySeconds: '5', MessageRetentionPeriod: '60' })
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'queue' }))
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'own', DelaySeconds: 0 }))
    const counts = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })
    expect((await client.send(counts)).Attributes).toMatchObject({
      ApproximateNumberOfMessages: '1',
      ApproximateNumberOfMessagesDelayed: '1',
    })
    await clock.advance(5_000)
    expect((await receive(client, QueueUrl)).map(({ Body }) => Body)).toEqual(['queue', 'own'])
    await clock.advance(60_000)
    expect((await client.send(counts)).Attributes?.['ApproximateNumberOfMessages']).toBe('0')
  })

  it('wake a long poll, which otherwise ends with nothing', async () => {
    const { client, clock, broker, QueueUrl } = await served()
    const poll = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }))
    await waiting(clock)
    await broker.append('orders', [{ content: { head: new Uint8Array(0), body: Buffer.from('from afar') } }])
    expect((await poll).Messages?.[0]?.Body).toBe('from afar')
    const dry = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 1 }))
    await waiting(clock)
    await clock.advance(1_000)
    expect((await dry).Messages).toBeUndefined()
  })

  it('carry headers of other protocols as attributes, and bytes that are no text as base64', async () => {
    const { client, broker, QueueUrl } = await served()
    await broker.append('orders', [{ content: { head: new Uint8Array(0), body: Uint8Array.of(0xff, 0xfe) } }])
    expect((await receive(client, QueueUrl))[0]?.Body).toBe('//4=')
  })
})

/** Until a receive has armed its timer. */
async function waiting(clock: { readonly armedTimers: number }): Promise<void> {
  const before = clock.armedTimers
  while (clock.armedTimers === before) await new Promise((resolve) => setImmediate(resolve))
}
