/**
 * `npm run bench:amqp [messages]`: builds bench/amqp-perf.c (librabbitmq) and lets it drive Spindle and, where it is installed, Debian's
 * RabbitMQ, in turn on the same machine: one publisher (persistent, confirmed, window 2,000) and one consumer (prefetch 2,000).
 * Exits with 1 when a promise of the front end is missed.
 */
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { type RunningBroker, rabbitmqIsInstalled, startRabbitmq, startSpindle } from './amqp-brokers.ts'
import { buildGenerator, drive, type Figures } from './amqp-generator.ts'
import { describeRun } from './machine.ts'
import { median } from './measure.ts'
import { count, table } from './report.ts'
import { withFolder } from './store.ts'

const ROUNDS = 3
const MESSAGES_DEFAULT = 300_000
const SIZES = [100, 1_024]
/** The top of what is published for one RabbitMQ node. */
const LEAST_PER_SECOND = 100_000
const TIMES_RABBITMQ = 3

type Measured = Pick<Figures, 'perSecond' | 'p50Ms' | 'p99Ms'>

async function measure(program: string, brokers: readonly RunningBroker[], messages: number, bodyBytes: number) {
  const runs = new Map<string, Figures[]>(brokers.map(({ name }) => [name, []]))
  for (const broker of brokers) {
    await drive(program, { port: broker.port, messages: Math.ceil(messages / 10), bodyBytes })
  }
  // In turn, so that whatever else the machine does meets both.
  for (let round = 0; round < ROUNDS; round++) {
    for (const broker of brokers) {
      console.error(`${broker.name}, ${bodyBytes} B, round ${round + 1}`)
      runs.get(broker.name)?.push(await drive(program, { port: broker.port, messages, bodyBytes }))
    }
  }
  return new Map(
    [...runs].map(([name, figures]): [string, Measured] => [
      name,
      {
        perSecond: median(figures.map(({ perSecond }) => perSecond)),
        p50Ms: median(figures.map(({ p50Ms }) => p50Ms)),
        p99Ms: median(figures.map(({ p99Ms }) => p99Ms)),
      },
    ]),
  )
}

function verdicts(bodyBytes: number, figures: ReadonlyMap<string, Measured>): [string, boolean][] {
  const ours = figures.get('Spindle') as Measured
  const theirs = figures.get('RabbitMQ')
  const found: [string, boolean][] = []
  if (bodyBytes === 100) {
    found.push([
      `${count(ours.perSecond)}/s at 100 B, at least ${count(LEAST_PER_SECOND)}/s`,
      ours.perSecond >= LEAST_PER_SECOND,
    ])
  }
  if (theirs === undefined) return found
  const times = ours.perSecond / theirs.perSecond
  const latency = ours.p50Ms / theirs.p50Ms
  found.push([
    `${times.toFixed(1)} times RabbitMQ at ${bodyBytes} B, at least ${TIMES_RABBITMQ}`,
    times >= TIMES_RABBITMQ,
  ])
  found.push([`p50 latency ${latency.toFixed(2)} of RabbitMQ's at ${bodyBytes} B, at most 0.33`, latency <= 1 / 3])
  return found
}

async function main(): Promise<void> {
  const messages = Number(process.argv[2] ?? MESSAGES_DEFAULT)
  await withFolder(async (folder) => {
    const program = buildGenerator(folder)
    if (program === undefined) return
    const brokers = [await startSpindle(join(folder, 'spindle'))]
    try {
      if (rabbitmqIsInstalled()) brokers.push(await startRabbitmq(join(folder, 'rabbitmq')))
      else console.log('left out: RabbitMQ is not installed here')
      const rows: string[][] = []
      const judged: [string, boolean][] = []
      for (const bodyBytes of SIZES) {
        const figures = await measure(program, brokers, messages, bodyBytes)
        for (const [name, { perSecond, p50Ms, p99Ms }] of figures) {
          rows.push([`${name}, ${bodyBytes} B`, count(perSecond), p50Ms.toFixed(1), p99Ms.toFixed(1)])
        }
        judged.push(...verdicts(bodyBytes, figures))
      }
      console.log(describeRun())
      console.log(`\n${table(['', 'messages/s', 'p50 ms', 'p99 ms'], rows)}\n`)
      for (const [what, held] of judged) console.log(`- ${held ? 'held' : 'MISSED'}: ${what}`)
      if (judged.some(([, held]) => !held)) process.exitCode = 1
    } finally {
      for (const broker of brokers) await broker.stop()
    }
  })
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
await main()
