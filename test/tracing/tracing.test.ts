import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import * as api from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { connect } from 'amqplib'
import { open, openTelemetry, type Spindle } from 'spindle-mq'
import { task } from 'spindle-mq/tasks'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { addHeaders, decodeHead, encodeContent } from '../../src/model/content.ts'
import { carrierOf } from '../../src/tasks/trace-carrier.ts'
import { testServer } from '../serve/test-server.ts'

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
beforeAll(() => {
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  api.propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  api.trace.setGlobalTracerProvider(provider)
})
afterAll(() => api.trace.disable())

const stores: Spindle[] = []
beforeEach(() => exporter.reset())
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})
async function traced(url = 'memory:'): Promise<Spindle> {
  const store = await open(url, { tracing: openTelemetry(api) })
  stores.push(store)
  return store
}
const spans = () => exporter.getFinishedSpans()
const named = (name: string) => spans().filter((span) => span.name === name)

describe('a trace', () => {
  it('goes from whoever enqueues through the task to what the task sends', async () => {
    const store = await traced()
    const orders = await store.queue('orders')
    const render = task('render', {
      queue: 'rendering',
      input: z.object({ id: z.number() }),
      run: async ({ id }) => {
        await orders.send({ id })
        return id
      },
    })
    const worker = await store.work([render])
    const job = await api.trace.getTracer('app').startActiveSpan('request', async (request) => {
      const enqueued = await store.enqueue(render, { id: 7 })
      request.end()
      return enqueued
    })
    expect(await job.result({ timeoutMs: 30_000 })).toBe(7)
    await worker.stop()
    const [request] = named('request')
    const [send] = named('send rendering')
    const [process] = named('process rendering')
    const [follow] = named('send orders')
    expect(send?.parentSpanId).toBe(request?.spanContext().spanId)
    expect(process?.parentSpanId).toBe(send?.spanContext().spanId)
    expect(follow?.parentSpanId).toBe(process?.spanContext().spanId)
    expect(new Set([request, send, process, follow].map((span) => span?.spanContext().traceId)).size).toBe(1)
    expect([send?.kind, process?.kind]).toEqual([api.SpanKind.PRODUCER, api.SpanKind.CONSUMER])
    expect(process?.attributes).toEqual({
      'messaging.system': 'spindle',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'rendering',
      'messaging.message.id': job.id,
      'messaging.message.body.size': '{"id":7}'.length,
      'spindle.task.name': 'render',
      'spindle.task.attempt': 1,
    })
  })

  it('shows an attempt that failed as failed, and each attempt by itself', async () => {
    const store = await traced()
    let calls = 0
    const flaky = task('flaky', {
      input: z.object({}),
      retry: { attempts: 2, backoff: () => 0 },
      run: async () => {
        if (++calls === 1) throw new TypeError('no paper')
        return calls
      },
    })
    const worker = await store.work([flaky])
    expect(await (await store.enqueue(flaky, {})).result({ timeoutMs: 30_000 })).toBe(2)
    await worker.stop()
    const attempts = spans().filter(({ name }) => name.startsWith('process '))
    expect(
      attempts.map(({ attributes, status }) => [
        attributes['spindle.task.attempt'],
        attributes['error.type'],
        status.code,
      ]),
    ).toEqual([
      [1, 'TypeError', api.SpanStatusCode.ERROR],
      [2, undefined, api.SpanStatusCode.UNSET],
    ])
  })

  it('is carried by queues, topics and transactions, in batches as well', async () => {
    const store = await traced()
    const mail = await store.queue('mail')
    const topic = await store.topic('news')
    await topic.bind(mail)
    await mail.sendMany([{ body: 'a' }, { body: 'b' }])
    await topic.publish('c')
    await store.transaction((transaction) => transaction.send(mail, 'd'))
    const page = await mail.browse({ limit: 10 })
    const carried = page.messages.map(({ content }) => String(decodeHead(content.head).headers['traceparent']))
    expect(carried).toHaveLength(4)
    for (const traceparent of carried) expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(named('send mail').map(({ attributes }) => attributes['messaging.batch.message_count'])).toEqual([
      2,
      undefined,
    ])
    expect(named('send news')).toHaveLength(1)
  })

  it('goes on from SQS message attributes, AWS trace headers and AMQP headers', async () => {
    const server = await testServer({ amqpPort: 0 })
    const store = await traced(server.url)
    const echo = task('echo', { queue: 'echo', input: z.object({ n: z.number() }), run: async ({ n }) => n })
    const worker = await store.work([echo])
    const traceId = (digit: string): string => digit.repeat(32)
    const sqs = new SQSClient({
      endpoint: server.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    })
    const message = { QueueUrl: `${server.url}/000000000000/echo`, MessageBody: '{"n":1}' }
    const traceparent = `00-${traceId('1')}-${'a'.repeat(16)}-01`
    await sqs.send(
      new SendMessageCommand({
        ...message,
        MessageAttributes: { traceparent: { DataType: 'String', StringValue: traceparent } },
      }),
    )
    const xray = `Root=1-${'2'.repeat(8)}-${'2'.repeat(24)};Parent=${'b'.repeat(16)};Sampled=1`
    await sqs.send(
      new SendMessageCommand({
        ...message,
        MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: xray } },
      }),
    )
    sqs.destroy()
    const amqp = await connect(server.amqpUrl)
    const channel = await amqp.createConfirmChannel()
    const headers = { traceparent: `00-${traceId('3')}-${'c'.repeat(16)}-01` }
    channel.sendToQueue('echo', Buffer.from('{"n":3}'), { headers, contentType: 'application/json' })
    await channel.waitForConfirms()
    await amqp.close()
    const endMs = Date.now() + 30_000
    while (named('process echo').length < 3 && Date.now() < endMs)
      await new Promise((resolve) => setTimeout(resolve, 20))
    await worker.stop()
    const found = named('process echo').map((span) => [span.spanContext().traceId, span.parentSpanId])
    expect(found.sort()).toEqual([
      [traceId('1'), 'a'.repeat(16)],
      [traceId('2'), 'b'.repeat(16)],
      [traceId('3'), 'c'.repeat(16)],
    ])
    await store.close()
    stores.length = 0
    await server.close()
  })

  it('of a message that is passed on stays what its sender said', () => {
    const { head } = encodeContent('x', { headers: { traceparent: 'theirs', kind: 'order' } })
    expect(decodeHead(addHeaders(head, { traceparent: 'ours', tracestate: 's' })).headers).toEqual({
      traceparent: 'theirs',
      tracestate: 's',
      kind: 'order',
    })
    expect(addHeaders(head, {})).toBe(head)
    const amqp = Uint8Array.of(3, 1, 2)
    expect(addHeaders(amqp, { traceparent: 'ours' })).toBe(amqp)
  })

  it('is read in any case, and not from what is none', () => {
    expect(carrierOf({ TraceParent: 'x', Baggage: 'b', kind: 'k', tracestate: 7 }, undefined)).toEqual({
      traceparent: 'x',
      baggage: 'b',
    })
    for (const wrong of ['', 'Root=1-xyz', `Root=1-${'2'.repeat(8)}-${'2'.repeat(24)}`])
      expect(carrierOf({}, wrong)).toEqual({})
  })
})

describe('without tracing', () => {
  it('nothing is added to a message, and the short way is taken', async () => {
    const store = await open('memory:')
    stores.push(store)
    const mail = await store.queue('mail')
    await mail.send('a')
    const { messages } = await mail.browse({ limit: 1 })
    expect(messages[0]?.content.head.length).toBe(1)
    expect(spans()).toEqual([])
    expect((await traced()).port.direct).toBeUndefined()
  })
})
