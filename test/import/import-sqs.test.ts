import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ListQueueTagsCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs'
import { afterEach, describe, expect, it } from 'vitest'
import { verifySignatures } from '../../src/frontends/aws/verify-signature.ts'
import { SpindleError } from '../../src/model/errors.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { importSqsQueue } from '../../src/server/import/import-sqs-queue.ts'
import { SqsSource } from '../../src/server/import/sqs-source.ts'
import { spindle } from '../cli/command.ts'
import { temporaryFolder } from '../folder/temporary-folder.ts'
import { bodies, received, served, sqsClient } from '../sns/serving.ts'

const running: { kill(): void }[] = []
afterEach(() => {
  for (const each of running.splice(0)) each.kill()
})

const credentials = { accessKeyId: 'test', secretAccessKey: 'test', sessionToken: undefined }

function sourceOf(queueUrl: string, more: Partial<ConstructorParameters<typeof SqsSource>[0]> = {}): SqsSource {
  return new SqsSource({ queueUrl, region: 'us-east-1', credentials, clock: systemClock, ...more })
}

function importing(source: SqsSource, to: Awaited<ReturnType<typeof served>>, queue: string, mode: 'copy' | 'move') {
  return importSqsQueue({ source, port: to.broker, clock: to.clock, random: systemRandom, queue, mode })
}

/** A hundred messages, with attributes and groups. */
async function filled(endpoint: string) {
  const client = sqsClient(endpoint)
  const { QueueUrl } = await client.send(
    new CreateQueueCommand({
      QueueName: 'orders',
      Attributes: { VisibilityTimeout: '77', DelaySeconds: '0', Policy: '{"Version":"2012-10-17","Statement":[]}' },
      tags: { team: 'x' },
    }),
  )
  for (let batch = 0; batch < 10; batch++) {
    await client.send(
      new SendMessageBatchCommand({
        QueueUrl,
        Entries: Array.from({ length: 10 }, (_, i) => ({
          Id: String(i),
          MessageBody: `message ${batch * 10 + i}`,
          MessageGroupId: `g${i % 3}`,
          MessageAttributes: {
            n: { DataType: 'Number', StringValue: '1.50' },
            b: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255) },
          },
        })),
      }),
    )
  }
  return { client, url: QueueUrl as string }
}

async function everything(client: ReturnType<typeof sqsClient>, url: string) {
  const found: Awaited<ReturnType<typeof received>> = []
  for (;;) {
    const page = await received(client, url)
    if (page.length === 0) return found
    found.push(...page)
  }
}

describe('importing a queue from SQS', () => {
  it('copies attributes, tags and messages, and leaves them at the source', { timeout: 60_000 }, async () => {
    const [from, to] = [await served(), await served()]
    const { client, url } = await filled(from.endpoint)
    // The source waits on a clock that stands still unless it is moved.
    const moving = setInterval(() => void from.clock.advance(500), 20)
    running.push({ kill: () => clearInterval(moving) })
    expect(await importing(sourceOf(url), to, 'orders', 'copy')).toEqual({ imported: 100, left: ['Policy'] })
    const target = url.replace(from.endpoint, to.endpoint)
    const messages = await everything(to.queues, target)
    expect(new Set(messages.map(({ Body }) => Body)).size).toBe(100)
    expect(messages[0]?.MessageAttributes).toEqual({
      n: { DataType: 'Number', StringValue: '1.50' },
      b: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255) },
    })
    expect(messages[0]?.Attributes?.MessageGroupId).toMatch(/^g[012]$/)
    const { Attributes } = await to.queues.send(
      new GetQueueAttributesCommand({ QueueUrl: target, AttributeNames: ['All'] }),
    )
    expect(Attributes).toMatchObject({ VisibilityTimeout: '77' })
    expect((await to.queues.send(new ListQueueTagsCommand({ QueueUrl: target }))).Tags).toEqual({ team: 'x' })
    expect(await everything(client, url)).toHaveLength(100)
  })

  it('moves a FIFO queue in order, also messages that share a deduplication id', { timeout: 60_000 }, async () => {
    const [from, to] = [await served(), await served()]
    const client = sqsClient(from.endpoint)
    const { QueueUrl: url = '' } = await client.send(
      new CreateQueueCommand({ QueueName: 'orders.fifo', Attributes: { FifoQueue: 'true' } }),
    )
    for (const [MessageBody, MessageGroupId] of [
      ['1', 'a'],
      ['2', 'b'],
      ['3', 'a'],
      ['4', 'a'],
    ] as const) {
      await client.send(
        new SendMessageCommand({ QueueUrl: url, MessageBody, MessageGroupId, MessageDeduplicationId: 'same' }),
      )
      await from.clock.advance(300_001)
    }
    const moving = setInterval(() => void from.clock.advance(500), 20)
    running.push({ kill: () => clearInterval(moving) })
    await expect(importing(sourceOf(url), to, 'orders.fifo', 'copy')).rejects.toThrow('it can only be moved')
    await expect(importing(sourceOf(url), to, 'orders', 'move')).rejects.toThrow('the name says otherwise')
    expect(await importing(sourceOf(url), to, 'orders.fifo', 'move')).toMatchObject({ imported: 4 })
    const target = url.replace(from.endpoint, to.endpoint)
    const messages = await everything(to.queues, target)
    expect(messages.filter(({ Attributes }) => Attributes?.MessageGroupId === 'a').map(({ Body }) => Body)).toEqual([
      '1',
      '3',
      '4',
    ])
    expect(messages).toHaveLength(4)
    expect(await bodies(client, url)).toEqual([])
  })

  it('signs its calls, and says what the endpoint says to wrong keys', async () => {
    const may = { name: 'importer', may: () => true }
    const keys = {
      configured: () => true,
      accessKey: (id: string) => (id === 'KEY' ? { secret: 'right', identity: may } : undefined),
    }
    const from = await served({ authorize: verifySignatures({ keys, clock: systemClock }) })
    const to = await served()
    const admin = sqsClient(from.endpoint, { accessKeyId: 'KEY', secretAccessKey: 'right' })
    const { QueueUrl: url = '' } = await admin.send(new CreateQueueCommand({ QueueName: 'orders' }))
    const signed = (secretAccessKey: string) =>
      sourceOf(url, { credentials: { accessKeyId: 'KEY', secretAccessKey, sessionToken: 'token' } })
    expect(await signed('right').attributes()).toMatchObject({ VisibilityTimeout: '30' })
    await expect(importing(signed('wrong'), to, 'orders', 'copy')).rejects.toMatchObject({
      code: 'import-failed',
      message: expect.stringContaining('InvalidSignatureException: The request signature we calculated'),
    })
    await expect(
      importing(
        sourceOf(`${from.endpoint}/000000000000/gone`, {
          credentials: { accessKeyId: 'KEY', secretAccessKey: 'right', sessionToken: undefined },
        }),
        to,
        'gone',
        'copy',
      ),
    ).rejects.toThrow('QueueDoesNotExist')
  })

  it('deletes at the source only what is durable here', async () => {
    const to = await served()
    const deleted: string[] = []
    const message = (ReceiptHandle: string) => ({ MessageId: 'm', ReceiptHandle, Body: 'x' })
    // A standard queue may hand out one message twice; the second is seen while the first is on its way into the store.
    let received = 0
    let bothAreOut = (): void => {}
    const bothOut = new Promise<void>((resolve) => {
      bothAreOut = resolve
    })
    const source = {
      attributes: () => Promise.resolve({}),
      tags: () => Promise.resolve({}),
      receive: () => {
        received++
        if (received === 2) bothAreOut()
        return Promise.resolve(received <= 2 ? [message(`handle ${received}`)] : [])
      },
      delete: (handles: readonly string[]) => Promise.resolve(void deleted.push(...handles)),
    } as unknown as SqsSource
    const stuck = new Proxy(to.broker, {
      get(whole, name) {
        const value: unknown = Reflect.get(whole, name, whole)
        if (name === 'append' || name === 'deliver')
          return () => bothOut.then(() => Promise.reject(new SpindleError('disk-full', 'append')))
        return typeof value === 'function' ? value.bind(whole) : value
      },
    })
    const outcome = importSqsQueue({
      source,
      port: stuck,
      clock: to.clock,
      random: systemRandom,
      queue: 'orders',
      mode: 'move',
    })
    await expect(outcome).rejects.toThrow('The disk has no room')
    expect(deleted).toEqual([])
  })

  it('tries again what may have another answer, five times at most', async () => {
    const to = await served()
    let calls = 0
    const source = sourceOf('http://localhost:1/000000000000/orders', {
      clock: { ...systemClock, setTimer: (_delayMs, fire) => systemClock.setTimer(0, fire) },
      fetch: () => {
        calls++
        if (calls < 3) return Promise.reject(new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') }))
        return Promise.resolve(new Response('{"__type":"x#ServiceUnavailable","message":"later"}', { status: 503 }))
      },
    })
    await expect(importing(source, to, 'orders', 'copy')).rejects.toThrow("'ServiceUnavailable: later'")
    expect(calls).toBe(5)
  })

  it('is a command', { timeout: 60_000 }, async () => {
    const folder = await temporaryFolder()
    const server = spindle(['serve', '--data', `${folder}/from`, '--port', '0', '--amqp-port', 'off'])
    running.push({ kill: () => void server.child.kill('SIGKILL') })
    const line = await server.printed(/http:\/\/127\.0\.0\.1:\d+/)
    const endpoint = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? ''
    const { url } = await filled(endpoint)
    const command = spindle(['import', 'sqs', url, '--data', `${folder}/to`, '--queue', 'mine', '--move'])
    expect([await command.exited, command.errors()]).toEqual([0, ''])
    expect(command.output()).toBe("moved 100 messages into 'mine'\nnot taken over: Policy\n")
    const { open } = await import('../../src/index.ts')
    const store = await open(`file:${folder}/to`, { log: silentLog })
    const [measured] = await store.port.measure(['mine'])
    await store.close()
    expect(measured).toMatchObject({ ready: 100, policy: { leaseMs: 77_000 } })
    const wrong = spindle(['import', 'sqs', 'nonsense'])
    expect([await wrong.exited, wrong.errors()]).toEqual([
      2,
      expect.stringContaining("'nonsense' is no URL of a queue"),
    ])
    server.child.kill('SIGTERM')
    await server.exited
  })
})
