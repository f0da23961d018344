/** Tells listeners which queues may have become leasable: once a queue and turn, after the change. */
import type { QueueState } from './index/queue-state.ts'

export class Watchers {
  readonly #listeners = new Set<(queue: string) => void>()
  #hinted: QueueState[] = []

  add(listener: (queue: string) => void): () => void {
    // A wrapper each, so that one function may watch twice.
    const entry = (queue: string): void => listener(queue)
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  hint(queue: QueueState): void {
    if (queue.hinted || this.#listeners.size === 0) return
    queue.hinted = true
    this.#hinted.push(queue)
    if (this.#hinted.length === 1) queueMicrotask(() => this.#tell())
  }

  #tell(): void {
    const hinted = this.#hinted
    this.#hinted = []
    for (const queue of hinted) queue.hinted = false
    for (const queue of hinted) for (const listener of [...this.#listeners]) listener(queue.name)
  }
}
