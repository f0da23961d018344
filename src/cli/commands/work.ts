/** `spindle work FILE…`: runs the tasks that these modules export, until it is told to stop. */
import process from 'node:process'
import { Command } from 'commander'
import { EXIT_CODES, type StopSignal, stopOnSignals } from '../../tasks/signals.ts'
import { queueOf } from '../../tasks/task-queue.ts'
import type { AnyTask, TaskEnd } from '../../tasks/types.ts'
import { consoleLog, firstLine, print } from '../console-log.ts'
import { wholeNumber } from '../options.ts'
import { tasksOfFiles } from '../task-files.ts'
import { UsageError } from '../usage.ts'

interface WorkFlags {
  readonly url: string
  readonly concurrency: number
  readonly queue?: readonly string[]
  readonly drain: number
}

const EXAMPLES = `
Examples:
  spindle work ./tasks.js
  spindle work ./mail.js ./reports.js --url file:./data --concurrency 50
  spindle work ./tasks.js --queue mail reports

The first SIGTERM or SIGINT stops claiming, waits for what runs and gives the rest back unspent; the second exits at once.`

export function workCommand(): Command {
  return new Command('work')
    .summary('run the tasks that modules export')
    .description('Runs the tasks that the given modules export, until SIGTERM or SIGINT.')
    .argument('<file...>', 'modules that export tasks (JavaScript, or TypeScript where tsx or jiti is installed)')
    .option('--url <url>', 'the store: file:PATH or memory: (SPINDLE_URL)', process.env['SPINDLE_URL'] ?? 'file:./data')
    .option('--concurrency <n>', 'tasks run at one time', wholeNumber(1), 10)
    .option('--queue <name...>', 'only tasks of these queues')
    .option('--drain <seconds>', 'how long a stop waits for running tasks', wholeNumber(0), 25)
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], flags: WorkFlags) => work(files, flags))
}

async function work(files: readonly string[], flags: WorkFlags): Promise<void> {
  const tasks = ofQueues(await tasksOfFiles(files), flags.queue)
  // Not before it is needed: `--help` must not open an engine.
  const { open } = await import('../../index.ts')
  const spindle = await open(flags.url, { log: consoleLog })
  let stoppedBy: StopSignal | undefined
  try {
    const { concurrency, drain } = flags
    const worker = await spindle.work(tasks, { concurrency, drainMs: drain * 1_000, files, ended: printEnd })
    stopOnSignals(worker, (signal) => {
      stoppedBy = signal
      print(`${signal}: waiting up to ${drain} s for ${worker.running} running; again to exit at once`)
    })
    const names = tasks.map(({ name }) => name).join(', ')
    print(`working on ${names} at ${flags.url}, ${concurrency} at a time`)
    await worker.stopped
    print('stopped')
  } finally {
    await spindle.close()
  }
  if (stoppedBy !== undefined) process.exitCode = EXIT_CODES[stoppedBy]
}

function ofQueues(tasks: readonly AnyTask[], queues: readonly string[] | undefined): readonly AnyTask[] {
  if (queues === undefined) return tasks
  const known = new Set(tasks.map(queueOf))
  const unknown = queues.find((queue) => !known.has(queue))
  if (unknown !== undefined) {
    throw new UsageError(`no task goes through queue '${unknown}'; the files have ${[...known].join(', ')}`)
  }
  return tasks.filter((task) => queues.includes(queueOf(task)))
}

/** `2026-11-21T06:00:00.000Z mail.send 0190… succeeded 12 ms`, with the error of what did not. */
function printEnd({ task, id, outcome, runMs, attempt, error }: TaskEnd): void {
  const why = error === undefined ? '' : ` (attempt ${attempt}: ${error.name}: ${firstLine(error.message)})`
  print(`${task} ${id} ${outcome} ${Math.round(runMs)} ms${why}`)
}
