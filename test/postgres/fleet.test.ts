/** Several brokers over one database: their clients see one system. */
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import amqplib from 'amqplib'
import { open } from 'spindle-mq'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { task } from '../../src/tasks/index.ts'
import { type TestServer, testServer } from '../serve/test-server.ts'
import { freshDatabase } from './database.ts'
import { whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()
const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function fleet(count: number): Promise<TestServer[]> {
  const data = await freshDatabase()
  const servers: TestServer[] = []
  for (let i = 0; i < count; i++) {
    const server = await testServer({ data, amqpPort: 0 })
    cleanups.push(() => server.close())
    servers.push(server)
  }
  return servers
}

function aws<C extends { destroy(): void }>(Client: new (config: object) => C, endpoint: string): C {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const client = new Client({ endpoint, region: 'us-east-1', maxAttempts: 1, credentials })
  cleanups.push(() => client.destroy())
  return client
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const seen = await look().catch(() => undefined)
    if (seen !== undefined) return seen
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe.skipIf(missing !== undefined)(`a fleet${missing === undefined ? '' : ` (${missing})`}`, () => {
  it('carries a message from an SQS client of one broker to an AMQP client of another', async () => {
    const [one, two] = (await fleet(2)) as [TestServer, TestServer]
    const sqs = aws(SQSClient, one.url)
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'orders' }))
    await until(async () => (await two.port.measure(['orders']))[0])
    const connection = await amqplib.connect(two.amqpUrl)
    const channel = await connection.createChannel()
    const heard = new Promise<string>((resolve) => {
      void channel.consume('orders', (message) => {
        if (message === null) return
        channel.ack(message)
        resolve(message.content.toString())
      })
    })
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'one pancake' }))
    expect(await heard).toBe('one pancake')
    await connection.close()
  })

  it('routes by exchanges and bindings that another broker was given', async () => {
    const [one, two, three] = (await fleet(3)) as [TestServer, TestServer, TestServer]
    await one.port.declareQueue('mail', {})
    await one.port.declareExchange('news', { kind: 'fanout' })
    await one.port.putBinding({ exchange: 'news', id: 'b', target: { kind: 'queue', name: 'mail' }, key: '' })
    await until(async () => ((await two.port.listExchanges(['news']))[0]?.bindings.length === 1 ? true : undefined))
    await aws(SNSClient, two.url).send(
      new PublishCommand({ TopicArn: 'arn:aws:sns:us-east-1:000000000000:news', Message: 'extra' }),
    )
    const sqs = aws(SQSClient, three.url)
    const received = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: `${three.url}/000000000000/mail`, WaitTimeSeconds: 20 }),
    )
    expect(received.Messages).toHaveLength(1)
    await one.port.deleteQueue('mail')
    await until(async () => ((await two.port.listExchanges(['news']))[0]?.bindings.length === 0 ? true : undefined))
  })

  it('wakes who waited before another broker was there', async () => {
    const url = await freshDatabase()
    const first = await open(url)
    cleanups.push(() => first.close())
    const early = await first.queue<string>('q')
    const startedMs = performance.now()
    const waiting = early.receive({ waitMs: 20_000 })
    await early.measure()
    const second = await open(url)
    cleanups.push(() => second.close())
    await (await second.queue<string>('q')).send('from the second')
    expect((await waiting).map(({ body }) => body)).toEqual(['from the second'])
    expect(performance.now() - startedMs).toBeLessThan(15_000)
  }, 60_000)

  it('tells who waits for a result on another broker, at once', async () => {
    const url = await freshDatabase()
    const [asks, works] = [await open(url), await open(url)]
    cleanups.push(
      () => asks.close(),
      () => works.close(),
    )
    const double = task('double', { input: z.number(), run: async (n: number) => n * 2 })
    const worker = await works.work([double])
    cleanups.push(() => worker.stop())
    await (await asks.enqueue(double, 1)).result({ timeoutMs: 20_000 })
    let endedMs = 0
    const slow = task('slow', { input: z.null(), run: () => new Promise<void>((resolve) => setTimeout(resolve, 500)) })
    const other = await works.work([slow])
    cleanups.push(() => other.stop())
    const job = await asks.enqueue(slow, null)
    const settled = works
      .job(job.id)
      .result()
      .then(() => {
        endedMs = performance.now()
      })
    await job.result({ timeoutMs: 20_000 })
    const heardMs = performance.now()
    await settled
    // Whoever only looks now and then does so after five seconds.
    expect(heardMs - endedMs).toBeLessThan(2_500)
  }, 60_000)

  it('gives back what a broker held that went away', async () => {
    const [one, two] = (await fleet(2)) as [TestServer, TestServer]
    await one.port.declareQueue('q', { leaseMs: 1_000 })
    await until(async () => (await two.port.measure(['q']))[0])
    await one.port.append('q', [{ content: { body: new Uint8Array(1), head: new Uint8Array(0) } }])
    expect(await one.port.receive({ queue: 'q', max: 1 })).toHaveLength(1)
    await one.close()
    const again = await two.port.receive({ queue: 'q', max: 1, waitMs: 25_000 })
    expect(again).toMatchObject([{ attempts: 2 }])
  })
})
