/** One worker process: alone on the terminal, or as a child that reports to its supervisor. */
import process from 'node:process'
import { EXIT_CODES, quietOnSignals, type StopSignal, stopOnSignals } from '../../tasks/signals.ts'
import { queueOf } from '../../tasks/task-queue.ts'
import type { TaskEnd } from '../../tasks/types.ts'
import { consoleLog, firstLine, print } from '../console-log.ts'
import { tasksOfFiles } from '../task-files.ts'
import { drawLive, Ends, type LiveFacts, type QueueFigures } from './live-view.ts'
import { chooseQueues } from './queue-flags.ts'
import { Recycling } from './recycling.ts'
import { openScreen, type Screen } from './screen.ts'
import type { FromChild } from './supervisor.ts'

export interface WorkFlags {
  readonly url: string
  readonly token?: string
  readonly concurrency: number
  readonly queue?: readonly string[]
  readonly strict?: boolean
  readonly drain: number
  readonly processes: number
  readonly maxTasks?: number
  readonly maxMemory?: number
  readonly plain?: boolean
}

/** How often figures are read for whoever looks at them, ms. */
const FIGURES_MS = 500

export async function runWorker(
  files: readonly string[],
  flags: WorkFlags,
  as: { readonly child: boolean; readonly live: boolean },
): Promise<void> {
  const { tasks, order } = chooseQueues(await tasksOfFiles(files), flags.queue, flags.strict === true)
  // Not before it is needed: `--help` must not open an engine.
  const { open } = await import('../../index.ts')
  const token = flags.token ?? process.env['SPINDLE_TOKEN']
  const log = as.live ? silentBut(consoleLog) : consoleLog
  const spindle = await open(flags.url, { log, ...(token === undefined ? {} : { auth: { token } }) })
  const { concurrency, drain } = flags
  const { url } = spindle
  const recycling = new Recycling({ tasksMax: flags.maxTasks, memoryMbMax: flags.maxMemory }, () =>
    process.memoryUsage.rss(),
  )
  const startedMs = performance.now()
  const ends = new Ends()
  const tell = (message: FromChild): boolean => process.send?.(message) ?? false
  let queues: readonly QueueFigures[] = []
  let state: LiveFacts['state'] = 'working'
  let stoppedBy: StopSignal | undefined
  let screen: Screen | undefined
  let figures: NodeJS.Timeout | undefined
  const say = (line: string): void => {
    if (screen === undefined) print(line)
  }
  try {
    const ended = (end: TaskEnd): void => {
      ends.add(end, performance.now())
      say(endLine(end))
      if (as.child) tell({ kind: 'ended', end })
      const why = recycling.ended()
      if (why === undefined) return
      say(`recycling: ${why}`)
      worker.stop().catch(() => {})
    }
    const worker = await spindle.work(tasks, {
      concurrency,
      drainMs: drain * 1_000,
      files,
      order,
      ended,
      ...(flags.maxTasks === undefined ? {} : { tasksMax: flags.maxTasks }),
    })
    stopOnSignals(worker, (signal) => {
      stoppedBy = signal
      state = 'stopping'
      say(`${signal}: waiting up to ${drain} s for ${worker.running} running; again to exit at once`)
    })
    quietOnSignals(worker, (now) => {
      state = now
      say(now === 'quiet' ? 'SIGTSTP: nothing more is claimed until SIGCONT' : 'SIGCONT: claiming again')
    })
    // Its supervisor is gone without a word: nobody would stop this one.
    const orphaned = (): void => void worker.stop().catch(() => {})
    if (as.child) process.once('disconnect', orphaned)
    say(`working on ${tasks.map(({ name }) => name).join(', ')} at ${url}, ${concurrency} at a time`)
    const names = [...new Set(tasks.map(queueOf))]
    const read = async (): Promise<void> => {
      queues = (await spindle.port.measure(names)).map(figuresOf)
      if (as.child) tell({ kind: 'snapshot', running: worker.runs(), queues })
    }
    if (as.child || as.live) {
      await read()
      figures = setInterval(() => void read().catch(() => {}), FIGURES_MS)
    }
    if (as.live) {
      screen = openScreen((size) => {
        const nowMs = performance.now()
        const facts = { url, processes: 1, concurrency, state, upMs: nowMs - startedMs, queues, running: worker.runs() }
        return drawLive(facts, ends, { ...size, nowMs })
      })
    }
    await worker.stopped
    clearInterval(figures)
    screen?.close()
    screen = undefined
    say(as.live ? `stopped; ${ends.count} ended, ${ends.failed} failed attempts` : 'stopped')
  } finally {
    clearInterval(figures)
    screen?.close()
    await spindle.close()
    if (process.connected) process.disconnect()
  }
  if (stoppedBy !== undefined) process.exitCode = EXIT_CODES[stoppedBy]
}

/** `mail.send 0190… succeeded 12 ms`, with the error of what did not. */
function endLine({ task, id, outcome, runMs, attempt, error }: TaskEnd): string {
  const why = error === undefined ? '' : ` (attempt ${attempt}: ${error.name}: ${firstLine(error.message)})`
  return `${task} ${id} ${outcome} ${Math.round(runMs)} ms${why}`
}

function figuresOf({ queue, ready, delayed, leased, dead }: QueueFigures): QueueFigures {
  return { queue, ready, delayed, leased, dead }
}

/** On a live screen only what went wrong is said besides, on stderr. */
function silentBut(log: typeof consoleLog): typeof consoleLog {
  return { ...log, info() {} }
}
