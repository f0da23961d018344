/**
 * Tasks whose handler takes several at once. Each message stays a task of its own, with its own status, result and
 * retries; what gathers in one worker until there are `max` of them, or `waitMs` after the first, is run together.
 */
import type { Deadline, Deadlines } from './deadlines.ts'
import type { Run } from './run.ts'
import { TaskInterrupted } from './task-error.ts'
import type { AnyTask, BatchItem } from './types.ts'

interface Waiting {
  readonly run: Run
  readonly item: BatchItem<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (thrown: unknown) => void
}

interface Gathering {
  readonly waiting: Waiting[]
  readonly deadline: Deadline
}

export class Batches {
  readonly #deadlines: Deadlines
  readonly #sizeMax: number
  readonly #gatherings = new Map<AnyTask, Gathering>()

  /** `sizeMax`: the worker's concurrency; more than that never gather. */
  constructor(deadlines: Deadlines, sizeMax: number) {
    this.#deadlines = deadlines
    this.#sizeMax = sizeMax
  }

  /** Resolves with this one's part of what the handler returns. */
  run(run: Run, task: AnyTask, item: BatchItem<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { max = 1, waitMs = 0 } = task.options.batch ?? {}
      let gathering = this.#gatherings.get(task)
      if (gathering === undefined) {
        gathering = { waiting: [], deadline: this.#deadlines.after(waitMs, () => this.#flush(task)) }
        this.#gatherings.set(task, gathering)
      }
      gathering.waiting.push({ run, item, resolve, reject })
      if (gathering.waiting.length >= Math.min(max, this.#sizeMax)) this.#flush(task)
    })
  }

  #flush(task: AnyTask): void {
    const gathering = this.#gatherings.get(task)
    if (gathering === undefined) return
    this.#gatherings.delete(task)
    gathering.deadline.cancel()
    const waiting: Waiting[] = []
    for (const one of gathering.waiting) {
      const { interruption } = one.run
      if (interruption === undefined) waiting.push(one)
      // Cancelled while it waited, say.
      else one.reject(new TaskInterrupted(interruption))
    }
    if (waiting.length === 0) return
    runAll(task, waiting).catch((thrown: unknown) => {
      for (const { reject } of waiting) reject(thrown)
    })
  }
}

async function runAll(task: AnyTask, waiting: readonly Waiting[]): Promise<void> {
  const results = await task.options.runBatch?.(waiting.map(({ item }) => item))
  if (results !== undefined && (!Array.isArray(results) || results.length !== waiting.length)) {
    const got = Array.isArray(results) ? `${results.length} results` : `a ${typeof results}`
    throw new TypeError(`the handler of batch task '${task.name}' returned ${got} for ${waiting.length} inputs`)
  }
  for (const [i, { resolve, reject }] of waiting.entries()) {
    const result: unknown = results?.[i]
    if (result instanceof Error) reject(result)
    else resolve(result)
  }
}
