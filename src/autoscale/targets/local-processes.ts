/**
 * Worker processes on this machine, each for one pool.
 *
 *   starting --first report--> ready --too many--> leaving --nothing runs--> told to stop --> gone
 *                                ^------still busy, and wanted again------/
 *
 * A worker that leaves claims nothing more (quiet) and is told to stop (SIGTERM) only when it has nothing in its hands: scale-in
 * interrupts no task, however long it lasts. One that dies is replaced at the next look, after a pause where that happens again and again.
 */
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Fleet, Order, Target } from './target.ts'

export interface WorkerProcess {
  readonly pid: number | undefined
  signal(name: 'SIGTERM' | 'SIGKILL' | 'SIGTSTP' | 'SIGCONT'): void
}

export interface WorkerEvents {
  /** It takes messages, and so many run in it. Told now and then; the first one says that it is up. */
  report(running: number): void
  ended(how: { readonly code: number | null; readonly signal: string | null }): void
}

export interface LocalProcessesParts {
  readonly start: (events: WorkerEvents) => WorkerProcess
  readonly clock: Clock
  readonly log: Log
  /** A guess until one has started. Default 1,000. */
  readonly startUpMs?: number
  /** At a stop of the pool: after so long a process is killed. */
  readonly killAfterMs: number
}

interface LocalWorker {
  readonly process: WorkerProcess
  readonly startedAtMs: number
  readyAtMs: number | undefined
  running: number
  leaving: boolean
  /** Reports since it leaves that nothing ran: the first may have been written before it heard that it should claim no more. */
  idleReports: number
  toldToStop: boolean
}

const PAUSE_MS = 1_000
const PAUSE_MS_MAX = 30_000
/** One that lived for so long was not started in vain. */
const SETTLED_MS = 60_000
const IDLE_REPORTS = 2
/** Weight of the newest start in the start-up time. */
const FRESH = 0.5

export class LocalProcesses implements Target {
  readonly #parts: LocalProcessesParts
  readonly #workers = new Set<LocalWorker>()
  #startUpMs: number
  #crashes = 0
  #startAfterMs = Number.NEGATIVE_INFINITY
  #stopping: Promise<void> | undefined
  #gone: () => void = () => {}

  constructor(parts: LocalProcessesParts) {
    this.#parts = parts
    this.#startUpMs = parts.startUpMs ?? 1_000
  }

  fleet(): Fleet {
    let ready = 0
    let starting = 0
    let leaving = 0
    for (const worker of this.#workers) {
      if (worker.leaving) leaving++
      else if (worker.readyAtMs === undefined) starting++
      else ready++
    }
    return { ready, starting, leaving, startUpMs: this.#startUpMs }
  }

  async apply({ wanted }: Pick<Order, 'wanted'>): Promise<void> {
    if (this.#stopping !== undefined) return
    const staying = [...this.#workers].filter(({ leaving }) => !leaving)
    if (staying.length > wanted) {
      // The idle first, and among them the youngest.
      staying.sort((a, b) => a.running - b.running || b.startedAtMs - a.startedAtMs)
      for (const worker of staying.slice(0, staying.length - wanted)) this.#dismiss(worker)
      return
    }
    let missing = wanted - staying.length
    for (const worker of this.#workers) {
      if (missing === 0) break
      if (!worker.leaving || worker.toldToStop) continue
      worker.leaving = false
      if (worker.readyAtMs !== undefined) worker.process.signal('SIGCONT')
      missing--
    }
    if (this.#parts.clock.monotonicMs() < this.#startAfterMs) return
    for (; missing > 0; missing--) this.#start()
  }

  /** Tells all of them to stop: they finish what runs, as long as their own drain lasts. */
  stop(): Promise<void> {
    this.#stopping ??= new Promise((resolve) => {
      if (this.#workers.size === 0) {
        resolve()
        return
      }
      const timer = this.#parts.clock.setTimer(
        this.#parts.killAfterMs,
        () => {
          for (const { process } of this.#workers) process.signal('SIGKILL')
        },
        { keepAlive: true },
      )
      this.#gone = () => {
        timer.cancel()
        resolve()
      }
      for (const worker of this.#workers) this.#tellToStop(worker)
    })
    return this.#stopping
  }

  /** Tells all of them once more, which makes them exit at once. */
  stopNow(): void {
    for (const { process } of this.#workers) process.signal('SIGTERM')
  }

  #start(): void {
    const startedAtMs = this.#parts.clock.monotonicMs()
    const process = this.#parts.start({
      report: (running) => this.#reported(worker, running),
      ended: (how) => this.#ended(worker, how),
    })
    const worker: LocalWorker = {
      process,
      startedAtMs,
      readyAtMs: undefined,
      running: 0,
      leaving: false,
      idleReports: 0,
      toldToStop: false,
    }
    this.#workers.add(worker)
  }

  #reported(worker: LocalWorker, running: number): void {
    worker.running = running
    if (worker.readyAtMs === undefined) {
      worker.readyAtMs = this.#parts.clock.monotonicMs()
      this.#startUpMs += FRESH * (worker.readyAtMs - worker.startedAtMs - this.#startUpMs)
      // Only now does it know what the signal means.
      if (worker.leaving) worker.process.signal('SIGTSTP')
      return
    }
    worker.idleReports = running === 0 ? worker.idleReports + 1 : 0
    if (worker.leaving && worker.idleReports >= IDLE_REPORTS) this.#tellToStop(worker)
  }

  #dismiss(worker: LocalWorker): void {
    worker.leaving = true
    worker.idleReports = 0
    if (worker.readyAtMs !== undefined) worker.process.signal('SIGTSTP')
  }

  #tellToStop(worker: LocalWorker): void {
    if (worker.toldToStop) return
    worker.toldToStop = true
    worker.process.signal('SIGTERM')
  }

  #ended(
    worker: LocalWorker,
    { code, signal }: { readonly code: number | null; readonly signal: string | null },
  ): void {
    this.#workers.delete(worker)
    if (this.#workers.size === 0) this.#gone()
    if (worker.toldToStop || this.#stopping !== undefined) return
    const nowMs = this.#parts.clock.monotonicMs()
    this.#crashes = nowMs - worker.startedAtMs >= SETTLED_MS ? 1 : this.#crashes + 1
    const pauseMs = this.#crashes === 1 ? 0 : Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** Math.min(10, this.#crashes - 2))
    this.#startAfterMs = nowMs + pauseMs
    const how = signal ?? `code ${code}`
    this.#parts.log.warn(`worker ${worker.process.pid} ended (${how}) and is replaced`, { pauseMs })
  }
}
