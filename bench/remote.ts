/**
 * `npm run bench:remote [ms]`: the remote client (`open('http://…')`) over loopback against `spindle serve` on a data folder, beside amqplib
 * against the same server, run by run in turn, and beside the same calls in one process (`file:`). Bodies of 100 B, durable;
 * 1, 64 and 1,000 callers that each send, receive and ack one message at a time. Exits with 1 when a ratio falls below what
 * docs/concepts/remote.md says.
 */
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import amqp from 'amqplib'
import type { Spindle } from 'spindle-mq'
import { describeRun } from './machine.ts'
import { type Caller, drive, median, type Rate } from './measure.ts'
import { count } from './report.ts'
import { goAround } from './scenarios/queues.ts'
import { kitchen } from './scenarios/tasks.ts'
import { startSpindle } from './sqs-servers.ts'
import { loadPackage, withFolder } from './store.ts'

const RUN_MS_DEFAULT = 2_000
const WARM_UP_MS = 500
const ROUNDS = 3
const CALLERS = [1, 64, 1_000] as const
const BODY_BYTES = 100
const ITS = { bodyBytes: BODY_BYTES, batch: 1, durability: 'durable' } as const
/** Least ratios of the remote client's rate to amqplib's on the same server, by callers. */
const AGAINST_AMQP: Readonly<Record<(typeof CALLERS)[number], number>> = { 1: 1, 64: 0.5, 1000: 0.35 }
/** And of its tasks to those in one process. */
const TASKS_AGAINST_FILE = 0.3

interface Verdict {
  readonly what: string
  readonly held: boolean
}

interface Runner {
  readonly name: string
  run(callers: number, durationMs: number): Promise<Rate>
  close(): Promise<void>
}

async function queueRunner(name: string, spindle: Spindle): Promise<Runner> {
  const queue = await spindle.queue<Uint8Array>('round', { durability: 'durable' })
  return {
    name,
    run: (callers, durationMs) => drive({ callers, durationMs, caller: goAround(queue, ITS) }),
    close: () => spindle.close(),
  }
}

/** Confirmed, consumed and acked as a program does with amqplib; its acks are not answered, unlike ours. */
async function amqpRunner(url: string, callersMax: number): Promise<Runner> {
  const connection = await amqp.connect(url)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('amqp-round', { durable: true })
  const arrived: amqp.ConsumeMessage[] = []
  const waiting: ((message: amqp.ConsumeMessage) => void)[] = []
  await channel.prefetch(callersMax)
  await channel.consume('amqp-round', (message) => {
    if (message === null) return
    const next = waiting.shift()
    if (next === undefined) arrived.push(message)
    else next(message)
  })
  const body = Buffer.alloc(BODY_BYTES, 0x61)
  const taken = (): Promise<amqp.ConsumeMessage> => {
    const message = arrived.shift()
    return message === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(message)
  }
  const caller: Caller = async (lap) => {
    do {
      await new Promise<void>((resolve, reject) => {
        const confirmed = (fault: unknown): void => (fault ? reject(fault) : resolve())
        channel.sendToQueue('amqp-round', body, { persistent: true }, confirmed)
      })
      const message = await taken()
      if (message.content.length !== BODY_BYTES) throw new Error('another body')
      channel.ack(message)
    } while (lap(1))
  }
  return {
    name: 'amqplib',
    run: (callers, durationMs) => drive({ callers, durationMs, caller }),
    close: () => connection.close(),
  }
}

/** The runners in turn, so that all meet the same machine. The median of each ratio to the first. */
async function inTurn(runners: readonly Runner[], callers: number, runMs: number): Promise<Rate[][]> {
  for (const { run } of runners) await run(callers, WARM_UP_MS)
  const rounds: Rate[][] = []
  for (let round = 0; round < ROUNDS; round++) {
    const rates: Rate[] = []
    for (const { run } of runners) rates.push(await run(callers, runMs))
    rounds.push(rates)
  }
  return rounds
}

function middle(rounds: readonly Rate[][], at: number, of: (rate: Rate) => number): number {
  return median(rounds.map((rates) => of(rates[at] as Rate)))
}

function ratio(rounds: readonly Rate[][], at: number, to: number): number {
  return median(rounds.map((rates) => (rates[at] as Rate).perSecond / (rates[to] as Rate).perSecond))
}

function line(runners: readonly Runner[], rounds: readonly Rate[][], callers: number): string {
  const cells = runners.map(({ name }, at) => {
    const [p50, p99] = [middle(rounds, at, (rate) => rate.p50Ms), middle(rounds, at, (rate) => rate.p99Ms)]
    const perSecond = count(Math.round(middle(rounds, at, (rate) => rate.perSecond)))
    return `${name} ${perSecond}/s (p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)} ms)`
  })
  return `${count(callers)} callers: ${cells.join('; ')}`
}

async function messages(runners: readonly Runner[], runMs: number): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  for (const callers of CALLERS) {
    const rounds = await inTurn(runners, callers, runMs)
    console.log(line(runners, rounds, callers))
    const [least, got] = [AGAINST_AMQP[callers], ratio(rounds, 0, 1)]
    const own = ratio(rounds, 0, 2).toFixed(2)
    const what = `${count(callers)} callers: ${got.toFixed(2)}x amqplib, at least ${least}x; ${own}x one process`
    verdicts.push({ what, held: got >= least })
  }
  return verdicts
}

async function tasks(remote: Spindle, file: Spindle, runMs: number): Promise<Verdict[]> {
  const spindleMq = await loadPackage({ package: 'dist/index.js', engine: 'file:' })
  const verdicts: Verdict[] = []
  for (const callers of CALLERS) {
    const it = { bodyBytes: BODY_BYTES, callers, durability: 'durable' } as const
    const kitchens = [
      await kitchen({ spindle: remote, spindleMq }, it),
      await kitchen({ spindle: file, spindleMq }, it),
    ]
    const runners = kitchens.map(({ run }, at) => ({
      name: at === 0 ? 'remote' : 'one process',
      run: (_: number, durationMs: number) => run(durationMs),
      close: () => Promise.resolve(),
    }))
    const rounds = await inTurn(runners, callers, runMs)
    for (const { stop } of kitchens) await stop()
    console.log(`tasks, ${line(runners, rounds, callers)}`)
    const got = ratio(rounds, 0, 1)
    const what = `tasks, ${count(callers)} callers: ${got.toFixed(2)}x one process, at least ${TASKS_AGAINST_FILE}x`
    verdicts.push({ what, held: got >= TASKS_AGAINST_FILE })
  }
  return verdicts
}

async function main(): Promise<void> {
  const runMs = Number(process.argv[2] ?? RUN_MS_DEFAULT)
  const { open } = await loadPackage({ package: 'dist/index.js', engine: 'file:' })
  console.log(`${describeRun()}\n`)
  await withFolder(async (folder) => {
    const server = await startSpindle(join(folder, 'server'), { amqp: true })
    try {
      const [remote, file] = [await open(server.endpoint), await open(`file:${join(folder, 'own')}`)]
      const runners = [
        await queueRunner('remote', remote),
        await amqpRunner(server.amqpUrl, Math.max(...CALLERS)),
        await queueRunner('one process', file),
      ]
      const verdicts = [...(await messages(runners, runMs)), ...(await tasks(remote, file, runMs))]
      for (const { close } of runners) await close()
      console.log()
      for (const { what, held } of verdicts) console.log(`- ${held ? 'held' : 'MISSED'}: ${what}`)
      if (verdicts.some(({ held }) => !held)) process.exitCode = 1
    } finally {
      await server.stop()
    }
  })
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
await main()
