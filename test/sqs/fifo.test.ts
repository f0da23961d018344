import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  type Message,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs'
import { describe, expect, it } from 'vitest'
import { servedSqs, sqsClient } from './serving.ts'

async function served(attributes: Record<string, string> = {}) {
  const { endpoint, clock } = await servedSqs()
  const client = sqsClient(endpoint)
  const Attributes = { FifoQueue: 'true', ContentBasedDeduplication: 'true', ...attributes }
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: 'lines.fifo', Attributes }))
  const send = (MessageGroupId: string, MessageBody: string, MessageDeduplicationId?: string) =>
    client.send(new SendMessageCommand({ QueueUrl, MessageGroupId, MessageBody, MessageDeduplicationId }))
  const receive = async (max = 10, ReceiveRequestAttemptId?: string): Promise<Message[]> => {
    const wanted = { MaxNumberOfMessages: max, MessageSystemAttributeNames: ['All' as const], ReceiveRequestAttemptId }
    return (await client.send(new ReceiveMessageCommand({ QueueUrl, ...wanted }))).Messages ?? []
  }
  const drop = (message: Message | undefined) =>
    client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }))
  return { client, clock, QueueUrl, send, receive, drop }
}

const bodies = (messages: readonly Message[]) => messages.map(({ Body }) => Body)

describe('FIFO queues', () => {
  it('keep each group in order and lock it while one of its messages is in flight', async () => {
    const { send, receive, drop } = await served()
    for (const [group, body] of [
      ['a', 'a1'],
      ['a', 'a2'],
      ['b', 'b1'],
      ['a', 'a3'],
    ] as const) {
      await send(group, body)
    }
    const [first] = await receive(1)
    expect(first?.Body).toBe('a1')
    expect(bodies(await receive())).toEqual(['b1'])
    await drop(first)
    expect(bodies(await receive())).toEqual(['a2', 'a3'])
  })

  it('keep the order when a message times out, is given back, or a batch is deleted in part', async () => {
    const { client, clock, QueueUrl, send, receive } = await served({ VisibilityTimeout: '10' })
    for (const body of ['1', '2', '3']) await send('g', body)
    expect(bodies(await receive(2))).toEqual(['1', '2'])
    await clock.advance(10_000)
    const again = await receive(2)
    expect(bodies(again)).toEqual(['1', '2'])
    const second = { Id: 'second', ReceiptHandle: again[1]?.ReceiptHandle }
    await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: [second] }))
    const ReceiptHandle = again[0]?.ReceiptHandle
    await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }))
    expect(bodies(await receive())).toEqual(['1', '3'])
  })

  it('number their messages, and tell group and deduplication id', async () => {
    const { send, receive } = await served()
    const first = await send('g', '1', 'one')
    const second = await send('g', '2')
    expect(first.SequenceNumber).toMatch(/^[0-9]{20}$/)
    expect((second.SequenceNumber ?? '') > (first.SequenceNumber ?? '')).toBe(true)
    const [message] = await receive(1)
    expect(message?.Attributes).toMatchObject({
      MessageGroupId: 'g',
      MessageDeduplicationId: 'one',
      SequenceNumber: first.SequenceNumber,
    })
  })

  it('take a like message once in five minutes, also after the first is deleted', async () => {
    const { clock, send, receive, drop } = await served()
    const first = await send('a', 'same')
    expect(await send('b', 'same')).toMatchObject({ MessageId: first.MessageId, SequenceNumber: first.SequenceNumber })
    const [message] = await receive()
    await drop(message)
    expect((await send('a', 'same')).MessageId).toBe(first.MessageId)
    expect(await receive()).toEqual([])
    await clock.advance(300_000)
    expect((await send('a', 'same')).MessageId).not.toBe(first.MessageId)
    expect(bodies(await receive())).toEqual(['same'])
  })

  it('tell likes by their explicit id, whatever their bodies are', async () => {
    const { send, receive } = await served()
    const first = await send('g', 'one', 'id')
    expect((await send('g', 'two', 'id')).MessageId).toBe(first.MessageId)
    await send('g', 'one', 'other')
    expect(bodies(await receive())).toEqual(['one', 'one'])
  })

  it('tell likes within a group only, where the scope says so', async () => {
    const { send, receive } = await served({
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
    })
    const long = 'd'.repeat(128)
    const first = await send('g'.repeat(128), 'x', long)
    expect((await send('g'.repeat(128), 'x', long)).MessageId).toBe(first.MessageId)
    await send('other', 'x', long)
    const messages = await receive()
    expect(messages).toHaveLength(2)
    expect(messages[0]?.Attributes?.['MessageDeduplicationId']).toBe(long)
  })

  it('forget what was alike when they are purged', async () => {
    const { client, QueueUrl, send, receive } = await served()
    await send('g', 'same')
    await client.send(new PurgeQueueCommand({ QueueUrl }))
    await send('g', 'same')
    expect(bodies(await receive())).toEqual(['same'])
  })

  it('answer a repeated attempt with the same messages, until one of them is gone', async () => {
    const { send, receive, drop } = await served()
    await send('g', '1')
    await send('g', '2')
    const first = await receive(1, 'attempt')
    const again = await receive(1, 'attempt')
    expect(again.map(({ ReceiptHandle }) => ReceiptHandle)).toEqual(first.map(({ ReceiptHandle }) => ReceiptHandle))
    expect(await receive(1, 'another')).toEqual([])
    await drop(first[0])
    expect(bodies(await receive(1, 'attempt'))).toEqual(['2'])
  })

  it('refuse a delete whose handle has expired, but not one that came twice', async () => {
    const { clock, send, receive, drop } = await served({ VisibilityTimeout: '10' })
    await send('g', '1')
    const [message] = await receive()
    await clock.advance(10_000)
    await expect(drop(message)).rejects.toThrow('Reason: The receipt handle has expired.')
    const [again] = await receive()
    await drop(again)
    await drop(again)
    expect(await receive()).toEqual([])
  })

  it('take a batch in its order', async () => {
    const { client, QueueUrl, receive } = await served()
    const Entries = Array.from({ length: 10 }, (_, i) => ({ Id: `${i}`, MessageBody: `${i}`, MessageGroupId: 'g' }))
    const sent = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
    const numbers = sent.Successful?.map(({ SequenceNumber }) => SequenceNumber) ?? []
    expect([...numbers].sort()).toEqual(numbers)
    expect(bodies(await receive())).toEqual(Entries.map(({ MessageBody }) => MessageBody))
  })

  it('throttle as AWS does where asked to, but not with high throughput', async () => {
    const { endpoint } = await servedSqs({ awsLimits: true })
    const client = sqsClient(endpoint)
    const fifo = { FifoQueue: 'true', ContentBasedDeduplication: 'true' }
    const high = { ...fifo, DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' }
    const { QueueUrl: slow } = await client.send(new CreateQueueCommand({ QueueName: 'slow.fifo', Attributes: fifo }))
    const { QueueUrl: fast } = await client.send(new CreateQueueCommand({ QueueName: 'fast.fifo', Attributes: high }))
    const flood = (QueueUrl: string | undefined) =>
      Promise.allSettled(Array.from({ length: 301 }, () => client.send(new ReceiveMessageCommand({ QueueUrl }))))
    expect((await flood(fast)).filter(({ status }) => status === 'rejected')).toEqual([])
    const refused = (await flood(slow)).filter((call) => call.status === 'rejected')
    expect(refused.map(({ reason }) => (reason as Error).name)).toEqual(['RequestThrottled'])
  })
})

describe('fair queues', () => {
  it('take turns among the groups of a standard queue, and tell the group', async () => {
    const { endpoint } = await servedSqs()
    const client = sqsClient(endpoint)
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: 'shared' }))
    const send = (MessageGroupId: string, MessageBody: string) =>
      client.send(new SendMessageCommand({ QueueUrl, MessageGroupId, MessageBody }))
    for (const body of ['l1', 'l2', 'l3', 'l4']) await send('loud', body)
    await send('quiet', 'q1')
    const one = async () => {
      const wanted = new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ['MessageGroupId'] })
      return (await client.send(wanted)).Messages?.[0]
    }
    const first = await one()
    expect(first?.Attributes?.['MessageGroupId']).toBe('loud')
    expect((await one())?.Body).toBe('q1')
    expect((await one())?.Body).toBe('l2')
  })
})
