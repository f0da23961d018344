/**
 * Copies a queue over from an SQS endpoint into a store: its attributes, its tags and its messages, with their attributes and
 * groups. They arrive through our own SQS front end, so that they are what a client would have sent. On a FIFO queue the id of the
 * message stands in for its deduplication id: two that were sent an hour apart may share that, and arrive here within its window.
 *
 * SQS cannot be read without receiving. So either each message is deleted at the source once it is durable here (`move`), or all of
 * them stay hidden there until the end and are shown again (`copy`). A message that is received twice is stored once.
 */
import type { Port } from '../../broker/port.ts'
import type { AwsCall } from '../../frontends/aws/call.ts'
import { openSqs } from '../../frontends/sqs/sqs-service.ts'
import { SpindleError } from '../../model/errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { AwsError } from '../../wire/aws/error.ts'
import type { SourceMessage, SqsSource } from './sqs-source.ts'

export interface ImportOptions {
  readonly source: SqsSource
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  /** Of the queue here: a plain name, as SQS has them. */
  readonly queue: string
  readonly mode: 'copy' | 'move'
  /** Called after each batch. */
  readonly progress?: (imported: number) => void
  /** Aborted: what is under way is finished, hidden messages are shown again, and it resolves. */
  readonly signal?: AbortSignal
}

export interface ImportReport {
  readonly imported: number
  /** Attributes of the source that were not taken over, since they name other queues, keys or accounts. */
  readonly left: readonly string[]
}

/** Those that mean the same everywhere. */
const TAKEN = new Set([
  'VisibilityTimeout',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'DelaySeconds',
  'ReceiveMessageWaitTimeSeconds',
  'FifoQueue',
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoThroughputLimit',
])
const LEFT = ['Policy', 'RedrivePolicy', 'RedriveAllowPolicy', 'KmsMasterKeyId']
/** Receives at one time. */
const RECEIVERS = 4
/** A queue is empty once every receiver waited this long for nothing. */
const WAIT_SECONDS = 2
const COPY_HIDDEN_SECONDS = 3_600
const MOVE_HIDDEN_SECONDS = 120
/** SQS lets no more than 120,000 be hidden at one time. */
const COPY_MAX = 100_000
const BATCH_BYTES_MAX = 1_048_576

/** Rejects `import-failed`. What was imported by then is there. */
export async function importSqsQueue(options: ImportOptions): Promise<ImportReport> {
  const { source, queue, mode, signal } = options
  const attributes = await source.attributes()
  const isFifo = attributes['FifoQueue'] === 'true'
  if (isFifo && mode === 'copy')
    throw failed(queue, 'a FIFO queue hides what follows a received message, so it can only be moved')
  if (isFifo !== queue.endsWith('.fifo'))
    throw failed(queue, `the source is ${isFifo ? '' : 'no '}FIFO queue, and the name says otherwise`)
  const target = await openTarget(options)
  await target.create(attributes, await source.tags())

  const seen = new Set<string>()
  /** Durable here; only these may be deleted there. */
  const stored = new Set<string>()
  const hidden: string[] = []
  let imported = 0
  const receiver = async (): Promise<void> => {
    while (signal?.aborted !== true) {
      const hiddenSeconds = mode === 'copy' ? COPY_HIDDEN_SECONDS : MOVE_HIDDEN_SECONDS
      const messages = await source.receive({ hiddenSeconds, waitSeconds: WAIT_SECONDS })
      if (messages.length === 0) return
      const fresh = messages.filter(({ MessageId }) => !seen.has(MessageId))
      if (mode === 'copy') hidden.push(...messages.map(({ ReceiptHandle }) => ReceiptHandle))
      for (const { MessageId } of fresh) seen.add(MessageId)
      if (mode === 'copy' && seen.size > COPY_MAX)
        throw failed(queue, `more than ${COPY_MAX} messages can only be moved`)
      for (const batch of batchesOf(fresh)) {
        await target.send(batch, isFifo)
        for (const { MessageId } of batch) stored.add(MessageId)
      }
      imported += fresh.length
      const movable = messages.filter(({ MessageId }) => stored.has(MessageId))
      if (mode === 'move' && movable.length > 0) {
        await source.delete(movable.map(({ ReceiptHandle }) => ReceiptHandle))
      }
      options.progress?.(imported)
    }
  }
  try {
    // The order of a FIFO queue is that of one receiver.
    const outcomes = await Promise.allSettled(Array.from({ length: isFifo ? 1 : RECEIVERS }, receiver))
    const fault = outcomes.find((outcome) => outcome.status === 'rejected')
    if (fault !== undefined) throw fault.reason
  } finally {
    for (let from = 0; from < hidden.length; from += 10) await source.show(hidden.slice(from, from + 10))
  }
  return { imported, left: LEFT.filter((name) => (attributes[name] ?? '') !== '') }
}

interface Target {
  create(attributes: Readonly<Record<string, string>>, tags: Readonly<Record<string, string>>): Promise<void>
  send(messages: readonly SourceMessage[], isFifo: boolean): Promise<void>
}

async function openTarget({ port, clock, random, queue }: ImportOptions): Promise<Target> {
  const sqs = await openSqs({ port, clock, random })
  const call = async (action: string, params: AwsCall['params']): Promise<object> => {
    try {
      return (await sqs.answer({ ...localCall, receivedAtMs: clock.wallMs(), action, params })).result
    } catch (fault) {
      throw fault instanceof AwsError ? failed(queue, fault.message, fault) : fault
    }
  }
  return {
    async create(attributes, tags) {
      const taken = Object.entries(attributes).filter(([name]) => TAKEN.has(name))
      const known = await port.measure([queue])
      if (known.length > 0) return
      await call('CreateQueue', { QueueName: queue, Attributes: Object.fromEntries(taken), tags })
    },
    async send(messages, isFifo) {
      const Entries = messages.map((message, i) => entryOf(message, { id: String(i), isFifo }))
      const { Failed = [] } = (await call('SendMessageBatch', { QueueUrl: queue, Entries })) as {
        readonly Failed?: readonly { readonly Message: string }[]
      }
      const [first] = Failed
      if (first !== undefined) throw failed(queue, first.Message)
    },
  }
}

/** As if a client had called. */
const localCall = {
  service: 'sqs',
  protocol: 'json',
  region: 'us-east-1',
  account: '000000000000',
  identity: undefined,
  requestId: 'import',
  baseUrl: 'http://localhost',
  path: '/',
  client: { address: '', gone: false, signal: () => new AbortController().signal },
} as const

function entryOf(message: SourceMessage, { id, isFifo }: { readonly id: string; readonly isFifo: boolean }): object {
  const { MessageId, Body, Attributes = {}, MessageAttributes } = message
  const { MessageGroupId, AWSTraceHeader } = Attributes
  return {
    Id: id,
    MessageBody: Body,
    ...(MessageAttributes === undefined ? {} : { MessageAttributes }),
    ...(MessageGroupId === undefined ? {} : { MessageGroupId }),
    ...(AWSTraceHeader === undefined
      ? {}
      : { MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: AWSTraceHeader } } }),
    // Whatever delay the queue has, these have waited.
    ...(isFifo ? { MessageDeduplicationId: MessageId } : { DelaySeconds: 0 }),
  }
}

/** A batch may be as large as one message. */
function batchesOf(messages: readonly SourceMessage[]): SourceMessage[][] {
  const batches: SourceMessage[][] = []
  let bytes = 0
  for (const message of messages) {
    const more = Buffer.byteLength(message.Body) + Buffer.byteLength(JSON.stringify(message.MessageAttributes ?? {}))
    const last = batches.at(-1)
    if (last === undefined || bytes + more > BATCH_BYTES_MAX) {
      batches.push([message])
      bytes = more
    } else {
      last.push(message)
      bytes += more
    }
  }
  return batches
}

function failed(queue: string, why: string, cause?: unknown): SpindleError {
  return new SpindleError('import-failed', `import into '${queue}' (${why})`, { cause })
}
