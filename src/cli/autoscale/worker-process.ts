/** `spindle work` as a child of the autoscaler: the same command that a person would start, for one queue. */
import { type ChildProcess, fork } from 'node:child_process'
import process from 'node:process'
import type { WorkerEvents, WorkerProcess } from '../../autoscale/targets/local-processes.ts'
import { CHILD_ENV, type FromChild } from '../work/supervisor.ts'

export interface WorkerCommand {
  readonly files: readonly string[]
  readonly url: string
  readonly queue: string
  readonly concurrency: number
  readonly drainS: number
}

let started = 0

export function startWorker(command: WorkerCommand, events: WorkerEvents): WorkerProcess {
  const [, script = ''] = process.argv
  const { files, url, queue, concurrency, drainS } = command
  const numbers = ['--concurrency', String(concurrency), '--drain', String(drainS)]
  // A group of its own: the terminal's Ctrl-C reaches it once, through its parent. When its parent dies, it drains and ends by itself.
  const child: ChildProcess = fork(script, ['work', ...files, '--url', url, ...numbers, '--plain', '--queue', queue], {
    env: { ...process.env, [CHILD_ENV]: String(started++) },
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let isOver = false
  const over = (how: { readonly code: number | null; readonly signal: string | null }): void => {
    if (isOver) return
    isOver = true
    events.ended(how)
  }
  child.on('message', (message) => {
    const told = message as FromChild
    if (told.kind === 'snapshot') events.report(told.running.length)
  })
  child.on('error', () => {
    if (child.pid === undefined) over({ code: null, signal: 'could not be started' })
  })
  child.on('exit', (code, signal) => over({ code, signal }))
  return {
    pid: child.pid,
    signal: (name) => {
      child.kill(name)
    },
  }
}
