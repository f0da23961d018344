/** What `spindle work` shows on a terminal: queues, what runs, and what failed last. Drawing is pure; the clock is passed in. */
import type { RunningTask, TaskEnd } from '../../tasks/types.ts'
import { printable } from '../table.ts'

export interface QueueFigures {
  readonly queue: string
  readonly ready: number
  readonly delayed: number
  readonly leased: number
  readonly dead: number
}

export interface LiveFacts {
  readonly url: string
  readonly processes: number
  readonly concurrency: number
  readonly state: 'working' | 'quiet' | 'stopping'
  readonly upMs: number
  readonly queues: readonly QueueFigures[]
  readonly running: readonly RunningTask[]
}

const RATE_WINDOW_MS = 10_000
const FAILURES_KEPT = 5
const FAILED: ReadonlySet<TaskEnd['outcome']> = new Set(['failed', 'retrying', 'lost', 'discarded'])

/** Ends as they come in: how many a second, of which queue, and which failed. */
export class Ends {
  readonly #recent: { readonly queue: string; readonly atMs: number }[] = []
  readonly #failures: TaskEnd[] = []
  #count = 0
  #failed = 0

  add(end: TaskEnd, nowMs: number): void {
    this.#count++
    this.#recent.push({ queue: end.queue, atMs: nowMs })
    this.#forget(nowMs)
    if (!FAILED.has(end.outcome)) return
    this.#failed++
    this.#failures.unshift(end)
    this.#failures.length = Math.min(this.#failures.length, FAILURES_KEPT)
  }

  get count(): number {
    return this.#count
  }

  get failed(): number {
    return this.#failed
  }

  get failures(): readonly TaskEnd[] {
    return this.#failures
  }

  /** Ends a second over the last ten, by queue. */
  rates(nowMs: number): ReadonlyMap<string, number> {
    this.#forget(nowMs)
    const counts = new Map<string, number>()
    for (const { queue } of this.#recent) counts.set(queue, (counts.get(queue) ?? 0) + 1)
    return new Map([...counts].map(([queue, count]) => [queue, (count * 1_000) / RATE_WINDOW_MS]))
  }

  #forget(nowMs: number): void {
    const first = this.#recent.findIndex(({ atMs }) => nowMs - atMs < RATE_WINDOW_MS)
    if (first !== 0) this.#recent.splice(0, first < 0 ? this.#recent.length : first)
  }
}

/** Lines, none longer than `columns`, no more than `rows`. */
export function drawLive(
  facts: LiveFacts,
  ends: Ends,
  screen: { readonly columns: number; readonly rows: number; readonly nowMs: number },
): string[] {
  const { url, processes, concurrency, state, upMs, queues, running } = facts
  const rates = ends.rates(screen.nowMs)
  const workers = processes === 1 ? `${concurrency} at a time` : `${processes} processes, ${concurrency} at a time each`
  const lines = [
    `spindle work  ${url}  ${workers}  ${state}  up ${duration(upMs)}  ended ${ends.count}, failed attempts ${ends.failed}`,
    '',
    row(['queue', 'ready', 'delayed', 'running', 'dead', 'ends/s']),
    ...queues.map(({ queue, ready, delayed, leased, dead }) =>
      row([queue, ready, delayed, leased, dead, (rates.get(queue) ?? 0).toFixed(1)]),
    ),
    '',
    `running here: ${running.length}`,
  ]
  const failures = ends.failures.map(
    ({ task, id, outcome, attempt, error }) =>
      `  ${task} ${id} ${outcome} (attempt ${attempt}${error === undefined ? '' : `: ${error.name}: ${error.message}`})`,
  )
  const room = screen.rows - lines.length - (failures.length === 0 ? 1 : failures.length + 3)
  const shown = running.slice(0, Math.max(0, room))
  for (const { task, id, attempt, runMs, progress } of shown) {
    const again = attempt > 1 ? `  attempt ${attempt}` : ''
    lines.push(`  ${task} ${id}  ${duration(runMs)}  ${progress === undefined ? '' : bar(progress)}${again}`.trimEnd())
  }
  if (shown.length < running.length) lines.push(`  and ${running.length - shown.length} more`)
  if (failures.length > 0) lines.push('', 'failed last:', ...failures)
  return lines.slice(0, screen.rows).map((line) => cut(printable(line), screen.columns))
}

const WIDTHS = [28, 9, 9, 9, 9, 9]

function row(cells: readonly (string | number)[]): string {
  return cells
    .map((cell, at) => {
      const width = WIDTHS[at] ?? 9
      return at === 0 ? cut(String(cell), width).padEnd(width) : String(cell).padStart(width)
    })
    .join('')
}

const BAR_WIDTH = 20

function bar(fraction: number): string {
  const full = Math.round(fraction * BAR_WIDTH)
  return `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)} ${Math.round(fraction * 100)} %`
}

function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  const minutes = Math.floor(ms / 60_000)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}
