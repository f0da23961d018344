/**
 * Several worker processes as one command. Each child runs the same command with CHILD_ENV set; it tells what ends and what
 * runs, hears the signals of its parent, and is replaced when it ends: at once after a recycling, after a pause that grows
 * when it crashed. The parent opens no store.
 */
import { type ChildProcess, fork } from 'node:child_process'
import process from 'node:process'
import { EXIT_CODES, type StopSignal } from '../../tasks/signals.ts'
import type { RunningTask, TaskEnd } from '../../tasks/types.ts'
import type { QueueFigures } from './live-view.ts'

export const CHILD_ENV = 'SPINDLE_WORK_CHILD'
/** A child that must not be started again as it stands: its command line is wrong. */
const USAGE = 2
const PAUSE_MS = 1_000
const PAUSE_MS_MAX = 30_000
/** After this long a crash is news, not a loop. */
const SETTLED_MS = 60_000

export type FromChild =
  | { readonly kind: 'ended'; readonly end: TaskEnd }
  | { readonly kind: 'snapshot'; readonly running: readonly RunningTask[]; readonly queues: readonly QueueFigures[] }

export interface SupervisorParts {
  readonly processes: number
  readonly told: (child: number, message: FromChild) => void
  readonly print: (line: string) => void
  /** Do children share the terminal, or does the parent draw for all? */
  readonly quietOutput: boolean
  readonly state: (state: 'working' | 'quiet' | 'stopping') => void
}

interface Child {
  readonly number: number
  process: ChildProcess | undefined
  startedMs: number
  pauseMs: number
  timer: NodeJS.Timeout | undefined
}

/** Resolves to the exit code of the whole. */
export function supervise(parts: SupervisorParts): Promise<number> {
  const children = Array.from(
    { length: parts.processes },
    (_, number): Child => ({ number, process: undefined, startedMs: 0, pauseMs: 0, timer: undefined }),
  )
  return new Promise((resolve) => {
    let stoppedBy: StopSignal | undefined
    let exitCode: number | undefined

    const finish = (): void => {
      if (children.some(({ process: running, timer }) => running !== undefined || timer !== undefined)) return
      for (const { signal, heard } of listeners) process.off(signal, heard)
      resolve(exitCode ?? (stoppedBy === undefined ? 0 : EXIT_CODES[stoppedBy]))
    }
    const begin = (child: Child): void => {
      child.timer = undefined
      child.startedMs = Date.now()
      child.process = startChild(child.number, parts.quietOutput)
      child.process.on('message', (message) => parts.told(child.number, message as FromChild))
      child.process.on('exit', (code, signal) => ended(child, code, signal))
    }
    const ended = (child: Child, code: number | null, signal: NodeJS.Signals | null): void => {
      child.process = undefined
      if (code === USAGE && exitCode === undefined) {
        exitCode = USAGE
        tellAll('SIGTERM')
      }
      if (stoppedBy !== undefined || exitCode !== undefined) {
        finish()
        return
      }
      if (code === 0) {
        child.pauseMs = 0
        begin(child)
        return
      }
      const isNews = Date.now() - child.startedMs >= SETTLED_MS
      child.pauseMs = isNews || child.pauseMs === 0 ? PAUSE_MS : Math.min(PAUSE_MS_MAX, child.pauseMs * 2)
      parts.print(
        `process ${child.number + 1} ended (${signal ?? `code ${code}`}) and starts again in ${child.pauseMs} ms`,
      )
      child.timer = setTimeout(() => begin(child), child.pauseMs)
    }
    const tellAll = (signal: NodeJS.Signals): void => {
      for (const child of children) {
        child.process?.kill(signal)
        if (signal === 'SIGTERM' || signal === 'SIGINT') {
          clearTimeout(child.timer)
          child.timer = undefined
        }
      }
    }
    const stop = (signal: StopSignal): void => {
      stoppedBy ??= signal
      parts.state('stopping')
      // In their own way, whatever a terminal sent to the whole group: the second one makes them exit at once.
      tellAll('SIGTERM')
      finish()
    }
    const listeners = [
      { signal: 'SIGTERM' as const, heard: () => stop('SIGTERM') },
      { signal: 'SIGINT' as const, heard: () => stop('SIGINT') },
      {
        signal: 'SIGTSTP' as const,
        heard: () => {
          parts.state('quiet')
          tellAll('SIGTSTP')
        },
      },
      {
        signal: 'SIGCONT' as const,
        heard: () => {
          parts.state('working')
          tellAll('SIGCONT')
        },
      },
    ]
    for (const { signal, heard } of listeners) process.on(signal, heard)
    for (const child of children) begin(child)
  })
}

/** In a group of its own, so that the terminal's Ctrl-C reaches it once, through its parent. */
function startChild(number: number, quietOutput: boolean): ChildProcess {
  const [, script = ''] = process.argv
  return fork(script, process.argv.slice(2), {
    env: { ...process.env, [CHILD_ENV]: String(number) },
    detached: true,
    stdio: ['ignore', quietOutput ? 'ignore' : 'inherit', 'inherit', 'ipc'],
  })
}
