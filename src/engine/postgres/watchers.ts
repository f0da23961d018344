/** Tells listeners which queues may have become leasable: once a queue and turn, after the change. */
export class Watchers {
  readonly #listeners = new Set<(queue: string) => void>()
  readonly #hinted = new Set<string>()
  #telling = false

  get listening(): boolean {
    return this.#listeners.size > 0
  }

  add(listener: (queue: string) => void): () => void {
    // A wrapper each, so that one function may watch twice.
    const own = (queue: string): void => listener(queue)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  hint(queues: Iterable<string>): void {
    for (const queue of queues) this.#hinted.add(queue)
    if (this.#telling || this.#hinted.size === 0) return
    this.#telling = true
    queueMicrotask(() => {
      this.#telling = false
      const hinted = [...this.#hinted]
      this.#hinted.clear()
      for (const queue of hinted) for (const listener of [...this.#listeners]) listener(queue)
    })
  }

  clear(): void {
    this.#listeners.clear()
  }
}
