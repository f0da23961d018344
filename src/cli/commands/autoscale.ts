/** `spindle autoscale FILE…`: as many workers as the queues need, between a minimum and a maximum. */
import process from 'node:process'
import { Command } from 'commander'
import { Controller } from '../../autoscale/controller.ts'
import { poolDefaults } from '../../autoscale/policy.ts'
import { Pool } from '../../autoscale/pool.ts'
import { AssumedWorkers } from '../../autoscale/targets/assumed-workers.ts'
import { CommandTarget } from '../../autoscale/targets/command.ts'
import { LocalProcesses } from '../../autoscale/targets/local-processes.ts'
import type { Target } from '../../autoscale/targets/target.ts'
import { systemClock } from '../../runtime/clock.ts'
import { EXIT_CODES, type StopSignal } from '../../tasks/signals.ts'
import { queueOf } from '../../tasks/task-queue.ts'
import { serveFigures } from '../autoscale/figures-endpoint.ts'
import { choosePools, type PoolChoice } from '../autoscale/pool-flags.ts'
import { startWorker } from '../autoscale/worker-process.ts'
import { consoleLog, print } from '../console-log.ts'
import { duration, wholeNumber } from '../options.ts'
import { tasksOfFiles } from '../task-files.ts'
import { UsageError } from '../usage.ts'

interface AutoscaleFlags {
  readonly queue?: readonly string[]
  readonly min: number
  readonly max: number
  readonly targetLatency: number
  readonly data: string
  readonly concurrency: number
  readonly poll: number
  readonly scaleInAfter: number
  readonly cooldown: number
  readonly startUp: number
  readonly drain: number
  readonly command?: string
  readonly metricsOnly?: boolean
  readonly port?: number
  readonly host: string
}

/** Beyond its own drain a worker gets this long to end before it is killed, ms. */
const KILL_GRACE_MS = 10_000
const POLL_MS_MIN = 100

const EXAMPLES = `
Examples:
  spindle autoscale ./tasks.js --min 1 --max 20 --target-latency 5s
  spindle autoscale ./tasks.js --queue mail=1..10@1s reports=0..2@1m   (a pool each: minimum, maximum, target)
  spindle autoscale --queue orders --command 'kubectl scale deploy/worker --replicas=$SPINDLE_WANTED'
  spindle autoscale --queue orders --metrics-only --port 9470          (for KEDA and HPA)

Each queue has its own pool. The command gets SPINDLE_QUEUE, SPINDLE_WANTED, SPINDLE_ACTUAL, SPINDLE_WAITING, SPINDLE_IN_FLIGHT and
SPINDLE_OLDEST_AGE_MS; it runs at each change and once a minute, and may print the number of workers there are.
The first SIGTERM or SIGINT lets all workers finish; the second makes them exit at once.`

export function autoscaleCommand(): Command {
  return new Command('autoscale')
    .summary('start and stop workers as the queues need them')
    .description('Starts and stops workers so that no message waits longer than the target, until SIGTERM or SIGINT.')
    .argument('[file...]', 'modules that export tasks; each worker is `spindle work` on them')
    .option('--queue <pool...>', 'only these queues: NAME, NAME=MIN..MAX, NAME@LATENCY, NAME=MIN..MAX@LATENCY')
    .option('--min <n>', 'workers at least, for each queue', wholeNumber(0), poolDefaults.min)
    .option('--max <n>', 'workers at most, for each queue', wholeNumber(1), poolDefaults.max)
    .option('--target-latency <time>', 'how long a message may wait: 500ms, 5s, 2m', duration, 5_000)
    .option('--data <dir>', 'data folder, opened or joined (SPINDLE_DATA)', process.env['SPINDLE_DATA'] ?? './data')
    .option('--concurrency <n>', 'tasks run at one time, by each worker', wholeNumber(1), poolDefaults.slots)
    .option('--poll <time>', 'time between two looks at the queues', duration, 1_000)
    .option('--scale-in-after <time>', 'for so long fewer workers must have been enough', duration, 30_000)
    .option('--cooldown <time>', 'least time between two scale-outs (default: none)', duration, 0)
    .option('--start-up <time>', 'how long a worker takes to start; of local ones it is measured', duration, 1_000)
    .option('--drain <seconds>', 'how long a stop of the autoscaler waits for running tasks', wholeNumber(0), 25)
    .option('--command <line>', 'run this to bring a fleet elsewhere to a number, instead of local processes')
    .option('--metrics-only', 'start nothing; others follow the figures')
    .option(
      '--port <port>',
      'HTTP: JSON at / and /queues/NAME, Prometheus at /metrics; 0: any (default: none)',
      wholeNumber(0),
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], flags: AutoscaleFlags) => autoscale(files, flags))
}

async function autoscale(files: readonly string[], flags: AutoscaleFlags): Promise<void> {
  const choices = await choose(files, flags)
  // Not before it is needed: `--help` must not open an engine.
  const { open } = await import('../../index.ts')
  const url = `file:${flags.data}`
  const spindle = await open(url, { log: consoleLog })
  const locals: LocalProcesses[] = []
  const targetOf = ({ queue, settings }: PoolChoice): Target => {
    const parts = { clock: systemClock, log: consoleLog, startUpMs: flags.startUp, ready: settings.min }
    if (flags.command !== undefined) return new CommandTarget({ ...parts, command: flags.command })
    if (flags.metricsOnly === true) return new AssumedWorkers(parts)
    const command = { files, url, queue, concurrency: flags.concurrency, drainS: flags.drain }
    const killAfterMs = flags.drain * 1_000 + KILL_GRACE_MS
    const local = new LocalProcesses({ ...parts, killAfterMs, start: (events) => startWorker(command, events) })
    locals.push(local)
    return local
  }
  const pools = choices.map((choice) => new Pool({ ...choice, target: targetOf(choice), log: consoleLog }))
  const controller = new Controller({
    port: spindle.port,
    history: spindle.port,
    pools,
    clock: systemClock,
    log: consoleLog,
    pollMs: flags.poll,
  })
  try {
    const endpoint =
      flags.port === undefined
        ? undefined
        : await serveFigures(() => controller.views(), { host: flags.host, port: flags.port })
    if (endpoint !== undefined) print(`figures at ${endpoint.url}`)
    const told = stopSignal(() => {
      for (const local of locals) local.stopNow()
    })
    controller.start()
    print(`scaling ${choices.map(describe).join(', ')} at ${url}`)
    const signal = await told
    print(`${signal}: waiting up to ${flags.drain} s for running tasks; again to exit at once`)
    await controller.stop()
    await endpoint?.close()
    print('stopped')
    process.exitCode = EXIT_CODES[signal]
  } finally {
    await controller.stop()
    await spindle.close()
  }
}

async function choose(files: readonly string[], flags: AutoscaleFlags): Promise<PoolChoice[]> {
  const isLocal = flags.command === undefined && flags.metricsOnly !== true
  if (flags.command !== undefined && flags.metricsOnly === true) {
    throw new UsageError('--command and --metrics-only exclude each other')
  }
  if (isLocal && files.length === 0)
    throw new UsageError('which modules? Name files, or use --command or --metrics-only')
  if (flags.poll < POLL_MS_MIN) throw new UsageError(`--poll must be ${POLL_MS_MIN} ms or more`)
  if (files.length === 0 && flags.queue === undefined) throw new UsageError('which queues? Name files or --queue')
  const known = files.length === 0 ? undefined : [...new Set((await tasksOfFiles(files)).map(queueOf))]
  const { min, max, targetLatency, concurrency, scaleInAfter, cooldown } = flags
  return choosePools(flags.queue, known, {
    min,
    max,
    targetLatencyMs: targetLatency,
    slots: concurrency,
    scaleInAfterMs: scaleInAfter,
    scaleOutCooldownMs: cooldown,
  })
}

function describe({ queue, settings: { min, max, targetLatencyMs } }: PoolChoice): string {
  return `${queue} (${min} to ${max} workers, ${targetLatencyMs} ms)`
}

/** Resolves at the first signal to stop; `again` is called at each further one. */
function stopSignal(again: () => void): Promise<StopSignal> {
  return new Promise((resolve) => {
    let first = true
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (first) resolve(signal)
        else again()
        first = false
      })
    }
  })
}
