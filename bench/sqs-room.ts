/**
 * `npm run bench:sqs-room [messages]`: `spindle serve` with 2,000 queues, 100,000 message groups and (default) 1,000,000 waiting messages, all
 * sent by SQS. How soon it starts, after a stop and after kill -9, and what the load costs a queue that has nothing to do with it,
 * beside an empty server. Exits with 1 when a promise of the front end is missed.
 */
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { describeRun } from './machine.ts'
import { median } from './measure.ts'
import { count } from './report.ts'
import { type SqsCaller, sqsCaller } from './sqs-call.ts'
import { Load } from './sqs-generator.ts'
import { type RunningServer, startSpindle } from './sqs-servers.ts'
import { withFolder } from './store.ts'

const MESSAGES_DEFAULT = 1_000_000
const QUEUES = 2_000
const GROUPS_PER_QUEUE = 50
const BATCH = 10
const LANES = 24
const BODY = 'x'.repeat(256)
const START_MAX_MS = 3_000
/** Of a queue beside, in batches of 10. */
const BESIDE_MESSAGES = 30_000
const ROUNDS = 5
const SLOW_DOWN_MAX = 0.2

interface Verdict {
  readonly what: string
  readonly held: boolean
}

/** Every second queue is FIFO; the groups of the others are those of fair queues. */
function queueName(index: number): string {
  return index % 2 === 0 ? `room-${index}` : `room-${index}.fifo`
}

async function fill({ endpoint }: RunningServer, messages: number): Promise<void> {
  const caller = sqsCaller(endpoint, LANES)
  await inLanes(QUEUES, async (index) => {
    const isFifo = queueName(index).endsWith('.fifo')
    const Attributes = isFifo ? { FifoQueue: 'true' } : {}
    await caller.call('CreateQueue', { QueueName: queueName(index), Attributes })
  })
  await inLanes(Math.ceil(messages / BATCH), (index) => sendBatch(caller, index))
  caller.close()
}

/** The batches go round the queues, and within a queue round its groups. */
async function sendBatch(caller: SqsCaller, index: number): Promise<void> {
  const queue = queueName(index % QUEUES)
  const Entries = []
  for (let i = 0; i < BATCH; i++) {
    const number = Math.floor(index / QUEUES) * BATCH + i
    const MessageGroupId = `group-${number % GROUPS_PER_QUEUE}`
    const deduplication = queue.endsWith('.fifo') ? { MessageDeduplicationId: `message-${number}` } : {}
    Entries.push({ Id: String(i), MessageBody: BODY, MessageGroupId, ...deduplication })
  }
  const { Failed = [] } = await caller.call<{ Failed?: object[] }>('SendMessageBatch', { QueueUrl: queue, Entries })
  if (Failed.length > 0) throw new Error(`refused: ${JSON.stringify(Failed[0])}`)
}

async function inLanes(jobs: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < jobs) await work(next++)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

async function started(folder: string): Promise<{ readonly server: RunningServer; readonly startMs: number }> {
  const beganMs = performance.now()
  const server = await startSpindle(folder)
  return { server, startMs: performance.now() - beganMs }
}

function judgeStart(after: string, startMs: number, messages: number): Verdict {
  const what = `with ${count(messages)} messages it starts in ${(startMs / 1_000).toFixed(1)} s ${after}, under ${START_MAX_MS / 1_000} s`
  return { what, held: startMs < START_MAX_MS }
}

/** In turn, so that whatever else the machine does meets both. */
async function judgeBeside(full: RunningServer, empty: RunningServer, messages: number): Promise<Verdict> {
  const runs = [full, empty].map((server) => ({ load: new Load(server), rates: [] as number[] }))
  for (const { load } of runs) await load.ready()
  for (let round = -1; round < ROUNDS; round++) {
    for (const { load, rates } of runs) {
      const { seconds } = await load.run({ phase: 'both', messages: BESIDE_MESSAGES, batch: BATCH })
      if (round >= 0) rates.push(BESIDE_MESSAGES / seconds)
    }
  }
  for (const { load } of runs) load.stop()
  const [beside, alone] = runs.map(({ rates }) => median(rates))
  if (beside === undefined || alone === undefined) throw new Error('two servers are compared')
  const slowDown = 1 - beside / alone
  const rates = `${count(alone)}/s on an empty server, ${count(beside)}/s beside ${count(messages)} messages`
  const what = `an unrelated queue is ${(slowDown * 100).toFixed(1)} % slower (${rates}), under ${SLOW_DOWN_MAX * 100} %`
  return { what, held: slowDown < SLOW_DOWN_MAX }
}

async function main(): Promise<void> {
  const messages = Number(process.argv[2] ?? MESSAGES_DEFAULT)
  const verdicts: Verdict[] = []
  await withFolder(async (folder) => {
    const data = join(folder, 'full')
    const first = await started(data)
    console.error(`${count(QUEUES)} queues, ${count(QUEUES * GROUPS_PER_QUEUE)} groups, ${count(messages)} messages`)
    await fill(first.server, messages)
    await first.server.kill()
    const second = await started(data)
    verdicts.push(judgeStart('after kill -9', second.startMs, messages))
    await second.server.stop()
    const third = await started(data)
    verdicts.push(judgeStart('after a stop', third.startMs, messages))
    const empty = await startSpindle(join(folder, 'empty'))
    try {
      verdicts.push(await judgeBeside(third.server, empty, messages))
    } finally {
      await Promise.all([third.server.stop(), empty.stop()])
    }
  })
  console.log(`${describeRun()}\n`)
  for (const { what, held } of verdicts) console.log(`- ${held ? 'held' : 'MISSED'}: ${what}`)
  if (verdicts.some(({ held }) => !held)) process.exitCode = 1
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
await main()
