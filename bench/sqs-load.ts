/**
 * Drives one SQS endpoint (AWS JSON 1.0) over plain node:http. One line of JSON in, one line of figures out, until the input
 * ends: { phase: 'send' | 'drain' | 'both', messages, batch } or { phase: 'poll', pollers, seconds }.
 * Usage: sqs-load ENDPOINT CONNECTIONS BODY-BYTES
 */
import process from 'node:process'
import { createInterface } from 'node:readline'
import { type SqsCaller, sqsCaller } from './sqs-call.ts'

const [endpoint = '', connections = '16', bodyBytes = '256'] = process.argv.slice(2)
const lanes = Number(connections)
const caller = sqsCaller(endpoint, lanes * 2)
const MessageBody = 'x'.repeat(Number(bodyBytes))
const VISIBILITY_SECONDS = 120
/** Empty receives in a row after which a drain gives up: the messages it waits for are lost. */
const DRY_MAX = 200

interface Message {
  readonly MessageId: string
  readonly ReceiptHandle: string
}

export interface LoadFigures {
  readonly seconds: number
  /** Sent, or received and deleted. */
  readonly sent: number
  readonly received: number
  /** Messages that were received, each counted once. */
  readonly distinct: number
  readonly p50Ms: number
  readonly p99Ms: number
}

interface Drained {
  readonly received: number
  readonly distinct: number
  readonly endMs: number
}

let latencies: number[] = []

async function call<T>(action: string, body: object, through: SqsCaller = caller): Promise<T> {
  const startMs = performance.now()
  const answer = await through.call<T>(action, body)
  latencies.push(performance.now() - startMs)
  return answer
}

const { QueueUrl } = await call<{ QueueUrl: string }>('CreateQueue', { QueueName: 'load' })

async function send(messages: number, batch: number): Promise<number> {
  let left = messages
  await inLanes(async () => {
    while (left > 0) {
      const size = Math.min(batch, left)
      left -= size
      if (batch === 1) {
        await call('SendMessage', { QueueUrl, MessageBody })
        continue
      }
      const Entries = []
      for (let i = 0; i < size; i++) Entries.push({ Id: String(i), MessageBody })
      const { Failed = [] } = await call<{ Failed?: object[] }>('SendMessageBatch', { QueueUrl, Entries })
      if (Failed.length > 0) throw new Error(`refused: ${JSON.stringify(Failed[0])}`)
    }
  })
  return messages
}

/** `waitSeconds`: where messages are still being sent, consumers wait for them as real ones do, instead of asking in a circle. */
async function drain(messages: number, batch: number, waitSeconds: number): Promise<Drained> {
  const seen = new Set<string>()
  let received = 0
  let dry = 0
  let endMs = performance.now()
  await inLanes(async () => {
    while (received < messages && dry < DRY_MAX) {
      const wanted = {
        QueueUrl,
        MaxNumberOfMessages: batch,
        VisibilityTimeout: VISIBILITY_SECONDS,
        WaitTimeSeconds: waitSeconds,
      }
      const { Messages = [] } = await call<{ Messages?: Message[] }>('ReceiveMessage', wanted)
      dry = Messages.length === 0 ? dry + 1 : 0
      if (Messages.length === 0) continue
      received += Messages.length
      for (const { MessageId } of Messages) seen.add(MessageId)
      const Entries = []
      for (const [i, { ReceiptHandle }] of Messages.entries()) Entries.push({ Id: String(i), ReceiptHandle })
      if (batch === 1) await call('DeleteMessage', { QueueUrl, ReceiptHandle: Messages[0]?.ReceiptHandle })
      else await call('DeleteMessageBatch', { QueueUrl, Entries })
      endMs = performance.now()
    }
  })
  return { received, distinct: seen.size, endMs }
}

/** Long polls that find nothing, each asked again as soon as it ends. */
async function poll(pollers: number, seconds: number): Promise<void> {
  const own = sqsCaller(endpoint, pollers)
  const untilMs = performance.now() + seconds * 1_000
  const waiting: Promise<void>[] = []
  for (let i = 0; i < pollers; i++) waiting.push(pollUntil(untilMs, own))
  await Promise.all(waiting)
  own.close()
}

async function pollUntil(untilMs: number, through: SqsCaller): Promise<void> {
  const wanted = { QueueUrl, WaitTimeSeconds: 20 }
  while (performance.now() < untilMs) await call('ReceiveMessage', wanted, through)
}

async function inLanes(work: () => Promise<void>): Promise<void> {
  const running: Promise<void>[] = []
  for (let i = 0; i < lanes; i++) running.push(work())
  await Promise.all(running)
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

export type LoadJob =
  | { readonly phase: 'send' | 'drain' | 'both'; readonly messages: number; readonly batch: number }
  | { readonly phase: 'poll'; readonly pollers: number; readonly seconds: number }

async function run(job: LoadJob): Promise<LoadFigures> {
  latencies = []
  const startMs = performance.now()
  let sent = 0
  let drained: Drained = { received: 0, distinct: 0, endMs: 0 }
  if (job.phase === 'poll') await poll(job.pollers, job.seconds)
  else if (job.phase === 'send') sent = await send(job.messages, job.batch)
  else if (job.phase === 'drain') drained = await drain(job.messages, job.batch, 0)
  else [sent, drained] = await Promise.all([send(job.messages, job.batch), drain(job.messages, job.batch, 1)])
  // The last delete ends it, not the receives that still wait for more.
  const endMs = drained.endMs === 0 ? performance.now() : drained.endMs
  const seconds = (endMs - startMs) / 1_000
  const sorted = latencies.sort((a, b) => a - b)
  const { received, distinct } = drained
  return { seconds, sent, received, distinct, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) }
}

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await run(JSON.parse(line) as LoadJob)))
}
caller.close()
