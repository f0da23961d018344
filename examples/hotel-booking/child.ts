/** Child processes that come back when they are killed. One side for the launcher, one for the child. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SURROUNDINGS, type Surroundings } from './surroundings.ts'

const RESTART_MS = 400
const RESTART_MS_MAX = 10_000
const STOP_LIMIT_MS = 8_000

export type ChildState = 'starting' | 'running' | 'down' | 'stopped'

export interface ChildView {
  readonly state: ChildState
  readonly pid: number | undefined
  /** How often it has been started. */
  readonly starts: number
}

export class Child {
  #process: ChildProcess | undefined
  #view: ChildView = { state: 'down', pid: undefined, starts: 0 }
  #ready: Record<string, unknown> = {}
  #stopping = false
  #restartMs = RESTART_MS
  #restartTimer: NodeJS.Timeout | undefined
  readonly #file: URL
  readonly #surroundings: Surroundings
  readonly #onChange: (view: ChildView) => void

  /** `file` is a TypeScript file beside this one. */
  constructor(file: string, surroundings: Surroundings, onChange: (view: ChildView) => void) {
    this.#file = new URL(file, import.meta.url)
    this.#surroundings = surroundings
    this.#onChange = onChange
  }

  get view(): ChildView {
    return this.#view
  }

  /** What the child said when it became ready. */
  get ready(): Readonly<Record<string, unknown>> {
    return this.#ready
  }

  start(): void {
    const child = fork(fileURLToPath(this.#file), [], {
      execArgv: ['--import', import.meta.resolve('tsx')],
      env: { ...process.env, [SURROUNDINGS]: JSON.stringify(this.#surroundings) },
    })
    this.#process = child
    this.#change({ state: 'starting', pid: child.pid, starts: this.#view.starts + 1 })
    child.on('message', (message: Record<string, unknown>) => {
      if (child !== this.#process || this.#stopping) return
      this.#ready = message
      this.#restartMs = RESTART_MS
      this.#change({ ...this.#view, state: 'running' })
    })
    child.on('exit', () => {
      if (child === this.#process) this.#ended()
    })
  }

  /** kill -9: the process gets no chance to say or save anything. Resolves to its pid once it is dead. */
  async kill(): Promise<number | undefined> {
    const child = this.#process
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return undefined
    const dead = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await dead
    return child.pid
  }

  /** SIGTERM, and SIGKILL when that does not help in time. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#restartTimer)
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const dead = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    await dead
    clearTimeout(limit)
  }

  #ended(): void {
    this.#ready = {}
    this.#change({ ...this.#view, state: this.#stopping ? 'stopped' : 'down', pid: undefined })
    if (this.#stopping) return
    // A child that cannot even start is not started in a frenzy.
    this.#restartTimer = setTimeout(() => this.start(), this.#restartMs)
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS_MAX)
  }

  #change(view: ChildView): void {
    this.#view = view
    this.#onChange(view)
  }
}

/** In the child: tells the launcher that it is at work. */
export function announceReady(facts: Readonly<Record<string, unknown>>): void {
  process.send?.(facts)
}

/**
 * In the child: runs `stop` once and exits, on SIGTERM or when the launcher is gone. Ctrl-C reaches every process of
 * the terminal at once; the launcher alone answers it, so that children end in its order.
 */
export function whenAskedToStop(stop: () => Promise<void>): void {
  let asked = false
  const end = (): void => {
    if (asked) return
    asked = true
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', () => {})
  process.on('SIGTERM', end)
  process.on('disconnect', end)
}
