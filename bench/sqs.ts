/**
 * `npm run bench:sqs [messages]`: one generator drives Spindle (durable, in a data folder) and fauxqs (in memory) in turn on the
 * same machine, 256 B, 16 connections. Writes bench/RESULTS-SQS.md; exits with 1 when a promise of the front end is missed.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Verdict } from './figures.ts'
import { describeRun } from './machine.ts'
import { median } from './measure.ts'
import { count, table } from './report.ts'
import { BODY_BYTES, CONNECTIONS, Load } from './sqs-generator.ts'
import { type RunningServer, startFauxqs, startSpindle } from './sqs-servers.ts'
import { type WakeUps, wakeUps } from './sqs-wake-ups.ts'
import { withFolder } from './store.ts'

const MESSAGES_DEFAULT = 60_000
const ROUNDS = 3
const BATCH = 10
const IDLE_POLLERS = 1_000
const IDLE_SECONDS = 25

const promised = {
  batchTimesFauxqs: 1.2,
  batchCpuOfFauxqs: 0.7,
  singleTimesFauxqs: 1,
  idleCoreShare: 0.05,
  wakeUpP50Ms: 5,
  wakeUpP99Ms: 10,
} as const

interface Measured {
  readonly send: number[]
  readonly drain: number[]
  readonly both: number[]
  /** Messages through the server a second, over the three phases. */
  readonly overall: number[]
  readonly cpuUsPerMessage: number[]
  readonly singleSend: number[]
  readonly singleP50Ms: number[]
  readonly singleP99Ms: number[]
}

async function round(server: RunningServer, load: Load, messages: number, into: Measured): Promise<void> {
  const before = server.cpuMs()
  const send = await load.run({ phase: 'send', messages, batch: BATCH })
  const drain = await load.run({ phase: 'drain', messages, batch: BATCH })
  const both = await load.run({ phase: 'both', messages, batch: BATCH })
  const after = server.cpuMs()
  into.send.push(messages / send.seconds)
  into.drain.push(messages / drain.seconds)
  into.both.push(messages / both.seconds)
  into.overall.push((2 * messages) / (send.seconds + drain.seconds + both.seconds))
  if (before !== undefined && after !== undefined)
    into.cpuUsPerMessage.push(((after - before) * 1_000) / (2 * messages))
  const singles = Math.ceil(messages / BATCH)
  const single = await load.run({ phase: 'send', messages: singles, batch: 1 })
  into.singleSend.push(singles / single.seconds)
  into.singleP50Ms.push(single.p50Ms)
  into.singleP99Ms.push(single.p99Ms)
  await load.run({ phase: 'drain', messages: singles, batch: BATCH })
}

/** Share of one core that idle long polls cost, over a whole cycle of theirs. */
async function idleShare(server: RunningServer, load: Load): Promise<number | undefined> {
  const polling = load.run({ phase: 'poll', pollers: IDLE_POLLERS, seconds: IDLE_SECONDS })
  // Connecting is not idling.
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  const before = server.cpuMs()
  const startMs = performance.now()
  await new Promise((resolve) => setTimeout(resolve, 20_000))
  const after = server.cpuMs()
  const share =
    before === undefined || after === undefined ? undefined : (after - before) / (performance.now() - startMs)
  await polling
  return share
}

function nothing(): Measured {
  return {
    send: [],
    drain: [],
    both: [],
    overall: [],
    cpuUsPerMessage: [],
    singleSend: [],
    singleP50Ms: [],
    singleP99Ms: [],
  }
}

async function main(): Promise<void> {
  const messages = Number(process.argv[2] ?? MESSAGES_DEFAULT)
  await withFolder(async (folder) => {
    const servers = [await startSpindle(join(folder, 'data')), await startFauxqs()]
    const runs = servers.map((server) => ({ server, load: new Load(server), measured: nothing() }))
    try {
      for (const { load } of runs) await load.ready()
      for (const { server, load } of runs) await round(server, load, messages, nothing())
      // In turn, so that whatever else the machine does meets both.
      for (let i = 0; i < ROUNDS; i++) {
        for (const { server, load, measured } of runs) {
          console.error(`${server.name}, round ${i + 1}`)
          await round(server, load, messages, measured)
        }
      }
      const [ours, theirs] = runs
      if (ours === undefined || theirs === undefined) throw new Error('two servers are compared')
      console.error(`${IDLE_POLLERS} idle long polls`)
      const idle = await idleShare(ours.server, ours.load)
      console.error('wake-ups of long polls')
      const woken = await wakeUps(ours.server)
      const verdicts = [...judge(ours.measured, theirs.measured, idle), ...judgeWakeUps(woken)]
      const page = report(
        runs.map(({ server, measured }) => ({ name: server.name, measured })),
        verdicts,
        messages,
      )
      writeFileSync('bench/RESULTS-SQS.md', page)
      console.log(page)
      if (verdicts.some(({ met }) => !met)) process.exitCode = 1
    } finally {
      for (const { load } of runs) load.stop()
      await Promise.all(servers.map((server) => server.stop()))
    }
  })
}

function judge(ours: Measured, theirs: Measured, idle: number | undefined): Verdict[] {
  const times = median(ours.overall) / median(theirs.overall)
  const single = median(ours.singleSend) / median(theirs.singleSend)
  const verdicts = [
    verdict('throughput, batches of 10', times, promised.batchTimesFauxqs, 'least'),
    verdict('single SendMessage', single, promised.singleTimesFauxqs, 'least'),
  ]
  if (ours.cpuUsPerMessage.length > 0) {
    const cpu = median(ours.cpuUsPerMessage) / median(theirs.cpuUsPerMessage)
    verdicts.push(verdict('server CPU a message, batches of 10', cpu, promised.batchCpuOfFauxqs, 'most'))
  }
  if (idle !== undefined) {
    const measured = `${(idle * 100).toFixed(1)} % of a core`
    const met = idle < promised.idleCoreShare
    verdicts.push({ what: `${count(IDLE_POLLERS)} idle long polls`, measured, figure: '< 5 % of a core', met })
  }
  return verdicts
}

function judgeWakeUps({ p50Ms, p99Ms }: WakeUps): Verdict[] {
  const what = 'a send until a waiting long poll has it'
  const { wakeUpP50Ms, wakeUpP99Ms } = promised
  return [
    {
      what: `${what}, p50`,
      measured: `${p50Ms.toFixed(1)} ms`,
      figure: `< ${wakeUpP50Ms} ms`,
      met: p50Ms < wakeUpP50Ms,
    },
    {
      what: `${what}, p99`,
      measured: `${p99Ms.toFixed(1)} ms`,
      figure: `< ${wakeUpP99Ms} ms`,
      met: p99Ms < wakeUpP99Ms,
    },
  ]
}

function verdict(what: string, ratio: number, bound: number, side: 'least' | 'most'): Verdict {
  const figure = `${side === 'least' ? '>=' : '<='} ${bound.toFixed(1)} of fauxqs`
  return { what, measured: ratio.toFixed(2), figure, met: side === 'least' ? ratio >= bound : ratio <= bound }
}

function report(
  runs: readonly { readonly name: string; readonly measured: Measured }[],
  verdicts: readonly Verdict[],
  messages: number,
): string {
  const rows = runs.map(({ name, measured }) => [
    name === 'Spindle' ? 'Spindle, durable' : `${name}, in memory`,
    ...[measured.send, measured.drain, measured.both, measured.overall].map((rates) => count(median(rates))),
    measured.cpuUsPerMessage.length === 0 ? '' : median(measured.cpuUsPerMessage).toFixed(1),
    count(median(measured.singleSend)),
    `${median(measured.singleP50Ms).toFixed(1)} / ${median(measured.singleP99Ms).toFixed(1)}`,
  ])
  const heads = [
    'messages/s',
    'send',
    'receive + delete',
    'both at once',
    'overall',
    'CPU µs a message',
    'single sends/s',
    'p50 / p99 ms',
  ]
  const judged = verdicts.map(({ what, figure, measured, met }) => [what, figure, measured, met ? 'met' : '**missed**'])
  return `# SQS bench results

Written by \`npm run bench:sqs\`; do not edit. One generator (AWS JSON 1.0, ${CONNECTIONS} connections, ${BODY_BYTES} B) drives each server in a
process of its own, in turn: ${count(messages)} messages a phase in batches of ${BATCH}, then ${count(messages / BATCH)} single sends; the median of ${ROUNDS} rounds after a warm-up.

${describeRun()}

## Figures

${table(['figure', 'promised', 'measured', ''], judged)}

## Rates

${table(heads, rows)}
`
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
await main()
