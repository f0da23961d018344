import type { Worker } from './types.ts'

/** A worker of Spindle's own tasks (webhooks, workflows) beside the user's, begun when there is something for it: a store without them has no queue for them. */
export class Sideline {
  readonly #begin: () => Promise<Worker>
  #worker: Promise<Worker> | undefined
  #over = false

  constructor(begin: () => Promise<Worker>) {
    this.#begin = begin
  }

  start(): void {
    if (this.#worker !== undefined || this.#over) return
    this.#worker = this.#begin()
    this.#worker.catch(() => {
      this.#worker = undefined
    })
  }

  /** The worker that stops together with this: this last, because the last tasks may have something for it. */
  beside(worker: Worker): Worker {
    const stopBoth = async (): Promise<void> => {
      try {
        await worker.stopped
      } finally {
        this.#over = true
        const aside = await this.#worker?.catch(() => undefined)
        await aside?.stop()
      }
    }
    const stopped = stopBoth()
    // It is the same fault that `worker.stopped` told the log.
    stopped.catch(() => {})
    return {
      get running() {
        return worker.running
      },
      runs: () => worker.runs(),
      quiet: () => worker.quiet(),
      resume: () => worker.resume(),
      stop: (options) => worker.stop(options).then(() => stopped),
      stopped,
    }
  }
}
