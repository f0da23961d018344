import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SQSClient } from '@aws-sdk/client-sqs'
import { onTestFinished } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import type { Authorize } from '../../src/frontends/aws/authorize.ts'
import { awsFrontend } from '../../src/frontends/aws/aws-frontend.ts'
import { openSqs } from '../../src/frontends/sqs/sqs-service.ts'
import type { Log } from '../../src/runtime/log.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { startedBroker } from '../broker/started.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

/** SQS over an engine, on a clock that the test moves, behind a real socket; gone with the test. */
export async function servedSqs(
  options: {
    awsLimits?: boolean
    sixtySecondRules?: boolean
    authorize?: Authorize
    log?: Log
    bodyBytesMax?: number
    messageBytesMax?: number
    /** Default: the reference engine. */
    engine?: (clock: VirtualClock) => Engine
  } = {},
) {
  const { authorize, log = silentLog, bodyBytesMax, engine, ...rules } = options
  const { broker, clock } = await startedBroker({ messageBytesMax: 4_000_000 }, engine)
  const random = seededRandom(7)
  const sqs = await openSqs({ port: broker, clock, random, ...rules })
  const server = createServer(
    awsFrontend({
      services: [sqs],
      clock,
      random,
      log,
      ...(authorize === undefined ? {} : { authorize }),
      ...(bodyBytesMax === undefined ? {} : { bodyBytesMax }),
    }),
  )
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
    await broker.close()
  })
  return { endpoint, clock, broker, server }
}

/** A client whose faults reach the test: it never retries. */
export function sqsClient(endpoint: string, region = 'us-east-1', accessKeyId = 'test'): SQSClient {
  const client = new SQSClient({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey: 'test' },
    maxAttempts: 1,
  })
  onTestFinished(() => client.destroy())
  return client
}

/** Any request, byte for byte. */
export function send(
  endpoint: string,
  asked: { method?: string; path?: string; headers?: Record<string, string>; body?: string | Uint8Array },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'POST', path = '/', headers = {}, body = '' } = asked
    const outgoing = request(new URL(path, endpoint), { method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      response.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

export function sendJson(endpoint: string, action: string, body: unknown): Promise<Answer> {
  return send(endpoint, {
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  })
}

export function sendForm(endpoint: string, fields: Record<string, string>, path = '/'): Promise<Answer> {
  return send(endpoint, {
    path,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ Version: '2012-11-05', ...fields }).toString(),
  })
}
