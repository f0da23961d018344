/**
 * `npm run bench:amqp-room [backlog]`: what AMQP clients cost that only wait. A slow consumer beside a fast one on another queue, idle
 * channels, and a backlog (default 1,000,000 messages of 100 B). Exits with 1 when a promise of the front end is missed.
 */
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import amqp, { type ChannelModel, type ConsumeMessage } from 'amqplib'
import { type RunningBroker, startSpindle } from './amqp-brokers.ts'
import { buildGenerator, drive } from './amqp-generator.ts'
import { describeRun } from './machine.ts'
import { median } from './measure.ts'
import { count } from './report.ts'
import { withFolder } from './store.ts'

const BACKLOG_DEFAULT = 1_000_000
const BODY_BYTES = 100
const MIB = 1_048_576
const BACKLOG_GROWTH_MAX = 256 * MIB
const CONNECTIONS = 100
const CHANNELS = 10
const IDLE_MAX = 100 * MIB
/** Of one run beside the slow consumer. */
const FAST_MESSAGES = 200_000
const ROUNDS = 3
/** What the slow one has before it, and how it takes it: one at a time, with a pause. */
const SLOW_BACKLOG = 20_000
const SLOW_PREFETCH = 100
const SLOW_PAUSE_MS = 20
const SLOW_COST_MAX = 0.1

interface Verdict {
  readonly what: string
  readonly held: boolean
}

function rssOf(broker: RunningBroker): number {
  return broker.rssBytes() ?? 0
}

function inMib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}

/** Bytes by which the broker has grown for idle channels. */
async function idle(broker: RunningBroker): Promise<Verdict> {
  const before = rssOf(broker)
  const connections: ChannelModel[] = []
  for (let i = 0; i < CONNECTIONS; i++) {
    const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${broker.port}`)
    connections.push(connection)
    for (let k = 0; k < CHANNELS; k++) await connection.createChannel()
  }
  const grown = rssOf(broker) - before
  for (const connection of connections) await connection.close()
  const what = `${CONNECTIONS} connections of ${CHANNELS} channels: ${inMib(grown)} more, under ${inMib(IDLE_MAX)}`
  return { what, held: grown < IDLE_MAX }
}

/** Starts a consumer that is behind, and stays so. */
async function slowConsumer(broker: RunningBroker): Promise<() => Promise<void>> {
  const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${broker.port}`)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('slow')
  for (let i = 0; i < SLOW_BACKLOG; i++) channel.sendToQueue('slow', Buffer.alloc(1_024), { persistent: true })
  await channel.waitForConfirms()
  await channel.prefetch(SLOW_PREFETCH)
  const waiting: ConsumeMessage[] = []
  await channel.consume('slow', (message) => {
    if (message !== null) waiting.push(message)
  })
  const timer = setInterval(() => {
    const message = waiting.shift()
    if (message !== undefined) channel.ack(message)
  }, SLOW_PAUSE_MS)
  return async () => {
    clearInterval(timer)
    await channel.deleteQueue('slow')
    await connection.close()
  }
}

async function besideSlow(program: string, broker: RunningBroker): Promise<Verdict> {
  const { port } = broker
  const fast = async () =>
    (await drive(program, { port, messages: FAST_MESSAGES, bodyBytes: BODY_BYTES })).consumedPerSecond
  await fast()
  const [alone, beside]: [number[], number[]] = [[], []]
  // In turn, so that whatever else the machine does meets both.
  for (let round = 0; round < ROUNDS; round++) {
    console.error(`beside a slow consumer, round ${round + 1}`)
    alone.push(await fast())
    const stop = await slowConsumer(broker)
    beside.push(await fast())
    await stop()
  }
  const cost = 1 - median(beside) / median(alone)
  const rates = `${count(median(alone))}/s alone, ${count(median(beside))}/s beside it`
  const what = `a slow consumer costs a fast one ${(cost * 100).toFixed(1)} % (${rates}), under ${SLOW_COST_MAX * 100} %`
  return { what, held: cost < SLOW_COST_MAX }
}

async function backlog(program: string, broker: RunningBroker, messages: number): Promise<Verdict[]> {
  const { port } = broker
  const fresh = await drive(program, { port, messages: Math.ceil(messages / 4), bodyBytes: BODY_BYTES })
  const before = rssOf(broker)
  console.error(`a backlog of ${count(messages)}`)
  await drive(program, { port, messages, bodyBytes: BODY_BYTES, mode: 'pub' })
  const full = rssOf(broker)
  const { consumedPerSecond } = await drive(program, { port, messages, bodyBytes: BODY_BYTES, mode: 'sub' })
  const grown = Math.max(full, rssOf(broker)) - before
  return [
    {
      what: `a backlog of ${count(messages)}: ${inMib(grown)} more, under ${inMib(BACKLOG_GROWTH_MAX)}`,
      held: grown < BACKLOG_GROWTH_MAX,
    },
    {
      what: `it is consumed at ${count(consumedPerSecond)}/s, fresh messages at ${count(fresh.consumedPerSecond)}/s`,
      held: consumedPerSecond >= fresh.consumedPerSecond,
    },
  ]
}

async function main(): Promise<void> {
  const messages = Number(process.argv[2] ?? BACKLOG_DEFAULT)
  await withFolder(async (folder) => {
    const program = buildGenerator(folder)
    if (program === undefined) return
    const verdicts: Verdict[] = []
    const parts: [string, (broker: RunningBroker) => Promise<Verdict[]>][] = [
      ['idle', async (broker) => [await idle(broker)]],
      ['backlog', (broker) => backlog(program, broker, messages)],
      ['slow', async (broker) => [await besideSlow(program, broker)]],
    ]
    // A broker for each: memory that one part took is not given back to the system at once.
    for (const [name, part] of parts) {
      const broker = await startSpindle(`${folder}/${name}`)
      try {
        verdicts.push(...(await part(broker)))
      } finally {
        await broker.stop()
      }
    }
    console.log(`${describeRun()}\n`)
    for (const { what, held } of verdicts) console.log(`- ${held ? 'held' : 'MISSED'}: ${what}`)
    if (verdicts.some(({ held }) => !held)) process.exitCode = 1
  })
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
await main()
