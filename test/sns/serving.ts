import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SNSClient } from '@aws-sdk/client-sns'
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { onTestFinished } from 'vitest'
import type { Authorize } from '../../src/frontends/aws/authorize.ts'
import { awsFrontend } from '../../src/frontends/aws/aws-frontend.ts'
import { snsService } from '../../src/frontends/sns/sns-service.ts'
import { openSqs } from '../../src/frontends/sqs/sqs-service.ts'
import { silentLog } from '../../src/runtime/log.ts'
import type { Outbound } from '../../src/runtime/outbound-http.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { startedBroker } from '../broker/started.ts'

export const home = { region: 'us-east-1', account: '000000000000' }

/** SNS and SQS over the reference engine, on a clock that the test moves, behind a real socket; gone with the test. */
/** `faulty`: faults inside are what the test is about. */
export async function served(options: { authorize?: Authorize; outbound?: Outbound; faulty?: boolean } = {}) {
  const { authorize, outbound, faulty = false } = options
  const started = await startedBroker({ messageBytesMax: 2_000_000 })
  const { broker, clock } = started
  const parts = { port: broker, clock, random: systemRandom }
  const faults: unknown[] = []
  const log = { ...silentLog, error: (_message: string, fields: unknown) => void faults.push(fields) }
  const sns = snsService({ ...parts, log, home, ...(outbound === undefined ? {} : { outbound }) })
  await sns.start()
  const server = createServer(
    awsFrontend({
      services: [await openSqs(parts), sns],
      clock,
      random: systemRandom,
      log,
      ...(authorize === undefined ? {} : { authorize }),
    }),
  )
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  onTestFinished(async () => {
    await sns.stop()
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
    await broker.close()
    if (faults.length > 0 && !faulty)
      throw new Error(`faults were told as InternalFailure: ${JSON.stringify(faults.map(faultText))}`)
  })
  return { endpoint, clock, broker, sns, faults, client: snsClient(endpoint), queues: sqsClient(endpoint) }
}

function faultText(fields: unknown): string {
  const { fault } = fields as { fault?: unknown }
  return fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)
}

interface ClientOptions {
  readonly region?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
}

/** A client whose faults reach the test: it never retries. */
export function snsClient(endpoint: string, options: ClientOptions = {}): SNSClient {
  const client = new SNSClient(config(endpoint, options))
  onTestFinished(() => client.destroy())
  return client
}

export function sqsClient(endpoint: string, options: ClientOptions = {}): SQSClient {
  const client = new SQSClient(config(endpoint, options))
  onTestFinished(() => client.destroy())
  return client
}

function config(endpoint: string, options: ClientOptions) {
  const { region = home.region, accessKeyId = 'test', secretAccessKey = 'test' } = options
  return { endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 }
}

/** A queue and its ARN; FIFO by its name. */
export async function queue(client: SQSClient, name: string, attributes: Record<string, string> = {}) {
  const fifo = name.endsWith('.fifo') ? { FifoQueue: 'true' } : {}
  const { QueueUrl } = await client.send(
    new CreateQueueCommand({ QueueName: name, Attributes: { ...fifo, ...attributes } }),
  )
  const url = QueueUrl as string
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }),
  )
  return { url, arn: Attributes?.QueueArn as string }
}

/** What is in it now, with everything that can be asked for. */
export async function received(client: SQSClient, url: string): Promise<Message[]> {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: 10,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['All'],
    }),
  )
  return Messages
}

export async function bodies(client: SQSClient, url: string): Promise<string[]> {
  return (await received(client, url)).map(({ Body }) => Body as string)
}

/** What a page or a form of the Query protocol is answered, byte for byte. */
export async function ask(url: string, form?: Record<string, string>): Promise<{ status: number; text: string }> {
  const response = await fetch(url, form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) })
  return { status: response.status, text: await response.text() }
}

export interface Posted {
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An HTTP endpoint that answers with the statuses given, then 200, and tells what it was sent. */
export async function subscriber(...statuses: number[]) {
  const posts: Posted[] = []
  const waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      posts.push({ headers: request.headers, body })
      response.writeHead(statuses.shift() ?? 200)
      response.end('ok')
      for (const wake of waiting.splice(0)) wake()
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=1`,
    posts,
    /** Resolves once so many requests have come. */
    async heard(count: number): Promise<Posted[]> {
      while (posts.length < count) await new Promise<void>((wake) => waiting.push(wake))
      return posts
    },
  }
}
