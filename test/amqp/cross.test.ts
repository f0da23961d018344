import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  type Message as SqsMessage,
} from '@aws-sdk/client-sqs'
import type { GetMessage, Options } from 'amqplib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { open } from '../../src/open.ts'
import { testServer } from '../serve/test-server.ts'
import { connected } from './serving.ts'

/** One folder: a server with SQS and AMQP, and a second opener of it as an application with the embedded client. */
async function threeClients() {
  const folder = await mkdtemp(join(tmpdir(), 'spindle-cross-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const server = await testServer({ data: folder, amqpPort: 0 })
  onTestFinished(() => server.close())
  const spindle = await open(`file:${folder}`)
  onTestFinished(() => spindle.close())
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const sqs = new SQSClient({ endpoint: server.url, region: 'us-east-1', maxAttempts: 1, credentials })
  onTestFinished(() => sqs.destroy())
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'orders' }))
  const { connection } = await connected(server.amqpUrl.replace('amqp://', 'amqp://guest:guest@'))
  const channel = await connection.createConfirmChannel()
  return {
    bySqs: {
      send: (input: object) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: '', ...input })),
      async receive(): Promise<SqsMessage> {
        const command = { QueueUrl, MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'] as const }
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({ ...command, MessageSystemAttributeNames: ['All'] }),
        )
        return Messages[0] as SqsMessage
      },
    },
    byAmqp: {
      async send(body: Uint8Array, options: Options.Publish) {
        channel.sendToQueue('orders', Buffer.from(body), options)
        await channel.waitForConfirms()
      },
      async get(): Promise<GetMessage> {
        return (await channel.get('orders', { noAck: true })) as GetMessage
      },
    },
    embedded: await spindle.queue<unknown>('orders'),
  }
}

const bytes = Uint8Array.of(0, 255, 128)
/** One header of every kind that all protocols can carry, in the embedded client's words. */
const headers = { text: 'grüezi', whole: 42, big: 2 ** 40, part: 1.5, yes: true, raw: bytes }

describe('a message sent by AMQP', () => {
  const options = {
    contentType: 'application/json',
    type: 'order',
    priority: 3,
    correlationId: 'c-1',
    headers: { ...headers, raw: Buffer.from(bytes), nested: { not: 'carried' }, list: [1] },
  }

  it('is received by SQS with its headers as attributes', async () => {
    const { byAmqp, bySqs } = await threeClients()
    await byAmqp.send(Buffer.from('{"pancakes":2}'), options)
    const { Body, MessageAttributes, Attributes } = await bySqs.receive()
    expect(Body).toBe('{"pancakes":2}')
    expect(MessageAttributes).toEqual({
      text: { DataType: 'String', StringValue: 'grüezi' },
      whole: { DataType: 'Number', StringValue: '42' },
      big: { DataType: 'Number', StringValue: '1099511627776' },
      part: { DataType: 'Number', StringValue: '1.5' },
      yes: { DataType: 'String', StringValue: 'true' },
      raw: { DataType: 'Binary', BinaryValue: bytes },
    })
    expect(Number(Attributes?.['SentTimestamp'])).toBeGreaterThan(1.7e12)
  })

  it('is received by the embedded client with its headers and its body by content-type', async () => {
    const { byAmqp, embedded } = await threeClients()
    await byAmqp.send(Buffer.from('{"pancakes":2}'), options)
    await byAmqp.send(Buffer.from('two pancakes'), { contentType: 'text/plain; charset=utf-8' })
    await byAmqp.send(bytes, {})
    const received = await embedded.receive({ max: 3 })
    expect(received.map(({ body }) => body)).toEqual([{ pancakes: 2 }, 'two pancakes', bytes])
    const [first] = received
    expect(first?.headers).toMatchObject({ ...headers, raw: expect.anything() })
    expect(Buffer.from(first?.headers['raw'] as Uint8Array)).toEqual(Buffer.from(bytes))
    expect(Object.keys(first?.headers ?? {})).not.toContain('nested')
    expect([first?.type, first?.priority, first?.key]).toEqual(['order', 3, 'orders'])
  })

  it('is base64 for SQS when it is no text', async () => {
    const { byAmqp, bySqs } = await threeClients()
    await byAmqp.send(bytes, {})
    expect((await bySqs.receive()).Body).toBe(Buffer.from(bytes).toString('base64'))
  })
})

describe('a message sent by SQS', () => {
  const message = {
    MessageBody: 'one pancake',
    MessageAttributes: {
      text: { DataType: 'String', StringValue: 'grüezi' },
      whole: { DataType: 'Number', StringValue: '42' },
      exact: { DataType: 'Number', StringValue: '12345678901234567890.5' },
      raw: { DataType: 'Binary', BinaryValue: bytes },
      'spindle.type': { DataType: 'String', StringValue: 'order' },
    },
  }

  it('is received by AMQP with its attributes as headers', async () => {
    const { bySqs, byAmqp } = await threeClients()
    const { MessageId } = await bySqs.send(message)
    const { content, properties, fields } = await byAmqp.get()
    expect(content.toString()).toBe('one pancake')
    expect(properties).toMatchObject({
      contentType: 'text/plain',
      deliveryMode: 2,
      messageId: MessageId,
      type: 'order',
    })
    expect(properties.headers).toEqual({
      text: 'grüezi',
      whole: 42,
      // More digits than a double has: the exact text.
      exact: '12345678901234567890.5',
      raw: Buffer.from(bytes),
      'spindle.type': 'order',
    })
    expect([fields.exchange, fields.routingKey, fields.redelivered]).toEqual(['', 'orders', false])
  })

  it('is received by the embedded client, numbers as their exact text', async () => {
    const { bySqs, embedded } = await threeClients()
    await bySqs.send(message)
    const [received] = await embedded.receive()
    expect([received?.body, received?.type]).toEqual(['one pancake', 'order'])
    expect(received?.headers).toMatchObject({ text: 'grüezi', whole: '42', exact: '12345678901234567890.5' })
  })
})

describe('a message sent by the embedded client', () => {
  it('is received by AMQP', async () => {
    const { embedded, byAmqp } = await threeClients()
    await embedded.send({ pancakes: 2 }, { headers, type: 'order', priority: 3 })
    await embedded.send('text')
    await embedded.send(bytes)
    const { content, properties } = await byAmqp.get()
    expect(JSON.parse(content.toString())).toEqual({ pancakes: 2 })
    expect(properties).toMatchObject({ contentType: 'application/json', type: 'order', priority: 3, deliveryMode: 2 })
    expect(properties.headers).toEqual({ ...headers, raw: Buffer.from(bytes) })
    expect((await byAmqp.get()).properties.contentType).toBe('text/plain')
    expect((await byAmqp.get()).properties.contentType).toBe('application/octet-stream')
  })

  it('is received by SQS', async () => {
    const { embedded, bySqs } = await threeClients()
    await embedded.send({ pancakes: 2 }, { headers })
    const { Body, MessageAttributes } = await bySqs.receive()
    expect(Body).toBe('{"pancakes":2}')
    expect(MessageAttributes?.['whole']).toEqual({ DataType: 'Number', StringValue: '42' })
    expect(MessageAttributes?.['yes']).toEqual({ DataType: 'String', StringValue: 'true' })
    expect(MessageAttributes?.['raw']?.BinaryValue).toEqual(bytes)
  })
})
