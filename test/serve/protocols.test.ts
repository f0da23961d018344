import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import amqplib from 'amqplib'
import { afterEach, describe, expect, it } from 'vitest'
import { parseGrant } from '../../src/model/access.ts'
import { call } from '../admin/call.ts'
import { type TestServer, testServer } from './test-server.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function server(settings: Parameters<typeof testServer>[0] = {}): Promise<TestServer> {
  const one = await testServer(settings)
  cleanups.push(() => one.close())
  return one
}

function aws<C extends { destroy(): void }>(
  Client: new (config: object) => C,
  endpoint: string,
  credentials = { accessKeyId: 'test', secretAccessKey: 'test' },
): C {
  const client = new Client({ endpoint, region: 'us-east-1', maxAttempts: 1, credentials })
  cleanups.push(() => client.destroy())
  return client
}

describe('one server', () => {
  it('carries a message from SQS to AMQP, and shows it to the admin API', async () => {
    const { url, amqpUrl } = await server({ amqpPort: 0 })
    const sqs = aws(SQSClient, url)
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'orders' }))
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'one pancake' }))
    expect((await call(url, 'GET', '/queues/orders/messages')).body).toMatchObject({ items: [{ body: 'one pancake' }] })
    const connection = await amqplib.connect(amqpUrl)
    const channel = await connection.createChannel()
    const message = await channel.get('orders', { noAck: true })
    expect(message === false ? undefined : message.content.toString()).toBe('one pancake')
    await connection.close()
  })

  it('carries a message from a topic of SNS that its configuration declares to SQS', async () => {
    const declarations = {
      queues: new Map([['mail', {}]]),
      topics: new Map([['news', { subscriptions: [{ queue: 'mail' }] }]]),
    }
    const { url } = await server({ declarations })
    await aws(SNSClient, url).send(
      new PublishCommand({ TopicArn: 'arn:aws:sns:us-east-1:000000000000:news', Message: 'extra, extra' }),
    )
    const received = await aws(SQSClient, url).send(new ReceiveMessageCommand({ QueueUrl: `${url}/000000000000/mail` }))
    expect(received.Messages).toHaveLength(1)
    expect(received.Messages?.[0]?.Body).toContain('extra, extra')
  })

  it('lets an access key do what its user may, and nothing to anybody else', async () => {
    const { url, users, port } = await server()
    await port.declareQueue('mail', {})
    await users.put('ada', { grants: [parseGrant('write:mail')] })
    const { id, secret } = await users.addAccessKey('ada')
    const send = new SendMessageCommand({ QueueUrl: `${url}/000000000000/mail`, MessageBody: 'x' })
    const ada = aws(SQSClient, url, { accessKeyId: id, secretAccessKey: secret })
    expect((await ada.send(send)).MessageId).toBeDefined()
    await expect(aws(SQSClient, url).send(send)).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } })
    await expect(ada.send(new ReceiveMessageCommand({ QueueUrl: `${url}/000000000000/mail` }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 403 },
    })
  })

  it('answers long polls empty when it stops', async () => {
    const one = await server()
    const sqs = aws(SQSClient, one.url)
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'q' }))
    const waiting = bothWait(one)
    const sqsPoll = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }))
    const adminPoll = call(one.url, 'POST', '/queues/q/receive', { body: { waitMs: 30_000 } })
    await waiting
    const stopped = one.stop(25_000)
    expect((await sqsPoll).Messages ?? []).toEqual([])
    expect((await adminPoll).body).toEqual({ items: [] })
    await stopped
  })
})

/** Resolves once the store knows both polls; a front end may look without waiting before it waits. */
function bothWait({ port }: TestServer): Promise<void> {
  const receive = port.receive.bind(port)
  return new Promise((resolve) => {
    const waits = new Set<boolean>()
    port.receive = (request, signal) => {
      const answer = receive(request, signal)
      const { waitMs = 0 } = request
      if (waitMs > 0) waits.add(waitMs > 20_000)
      if (waits.size === 2) resolve()
      return answer
    }
  })
}
