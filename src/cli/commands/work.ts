/** `spindle work FILE…`: runs the tasks that these modules export, until it is told to stop. */
import process from 'node:process'
import { Command } from 'commander'
import { serverPlace } from '../../client/remote/network-port.ts'
import type { RunningTask } from '../../tasks/types.ts'
import { print } from '../console-log.ts'
import { wholeNumber } from '../options.ts'
import { drawLive, Ends, type LiveFacts, type QueueFigures } from '../work/live-view.ts'
import { runWorker, type WorkFlags } from '../work/run-worker.ts'
import { openScreen } from '../work/screen.ts'
import { CHILD_ENV, supervise } from '../work/supervisor.ts'

const EXAMPLES = `
Examples:
  spindle work ./tasks.js
  spindle work ./mail.js ./reports.js --url file:./data --concurrency 50
  spindle work ./tasks.js --url https://queue.example          (the token in SPINDLE_TOKEN)
  spindle work ./tasks.js --queue critical=6 default=3 low     (first six, three or one times of ten)
  spindle work ./tasks.js --queue news mail --strict            (mail only when there is no news)
  spindle work ./tasks.js --processes 4 --max-tasks 10000 --max-memory 512

The first SIGTERM or SIGINT stops claiming, waits for what runs and gives the rest back unspent; the second exits at once.
SIGTSTP (Ctrl-Z) stops claiming and lets run what runs; SIGCONT goes on.`

export function workCommand(): Command {
  return new Command('work')
    .summary('run the tasks that modules export')
    .description('Runs the tasks that the given modules export, until SIGTERM or SIGINT.')
    .argument('<file...>', 'modules that export tasks (JavaScript, or TypeScript where tsx or jiti is installed)')
    .option(
      '--url <url>',
      'file:PATH, memory: or a server, http://HOST:PORT (SPINDLE_URL)',
      process.env['SPINDLE_URL'] ?? 'file:./data',
    )
    .option('--token <token>', 'of a user of that server; better in SPINDLE_TOKEN, where other users cannot see it')
    .option('--concurrency <n>', 'tasks run at one time, by each process', wholeNumber(1), 10)
    .option('--queue <name...>', 'only tasks of these queues; NAME=WEIGHT says how often it is first')
    .option('--strict', 'a queue is asked only when those before it are empty')
    .option('--processes <n>', 'worker processes; one that ends is replaced', wholeNumber(1), 1)
    .option('--max-tasks <n>', 'replace a process after so many tasks', wholeNumber(1))
    .option('--max-memory <MB>', 'replace a process that holds more than this', wholeNumber(1))
    .option('--drain <seconds>', 'how long a stop waits for running tasks', wholeNumber(0), 25)
    .option('--plain', 'lines instead of the live view, also on a terminal')
    .addHelpText('after', EXAMPLES)
    .action((files: readonly string[], flags: WorkFlags) => work(files, flags))
}

async function work(files: readonly string[], flags: WorkFlags): Promise<void> {
  const live = process.stdout.isTTY === true && flags.plain !== true
  if (process.env[CHILD_ENV] !== undefined) return runWorker(files, flags, { child: true, live: false })
  const isSupervised = flags.processes > 1 || flags.maxTasks !== undefined || flags.maxMemory !== undefined
  if (!isSupervised) return runWorker(files, flags, { child: false, live })
  process.exitCode = await workTogether(flags, live)
}

/** Several processes, or one that is replaced now and then. */
async function workTogether({ url: given, concurrency, processes }: WorkFlags, live: boolean): Promise<number> {
  const url = serverPlace(given)?.shown ?? given
  const startedMs = performance.now()
  const ends = new Ends()
  const running = new Map<number, readonly RunningTask[]>()
  let queues: readonly QueueFigures[] = []
  let state: LiveFacts['state'] = 'working'
  const screen = live
    ? openScreen((size) => {
        const nowMs = performance.now()
        const all = [...running.values()].flat()
        const facts = { url, processes, concurrency, state, upMs: nowMs - startedMs, queues, running: all }
        return drawLive(facts, ends, { ...size, nowMs })
      })
    : undefined
  try {
    return await supervise({
      processes,
      quietOutput: live,
      print: live ? () => {} : print,
      state: (now) => {
        state = now
      },
      told: (child, message) => {
        if (message.kind === 'ended') ends.add(message.end, performance.now())
        else {
          running.set(child, message.running)
          queues = message.queues
        }
      },
    })
  } finally {
    screen?.close()
  }
}
