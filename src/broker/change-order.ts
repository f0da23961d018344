/**
 * The order of changes to one thing that many share. Changes `beside` each other run at the same time, so that their commits share a
 * sync, unless they have the same key; one that runs `alone` waits for all before it, and all after it wait for it.
 */
export class ChangeOrder {
  /** The end of the latest that runs alone. Never rejects, like the others here. */
  #barrier: Promise<unknown> = Promise.resolve()
  /** The ends of those that run beside each other since. */
  readonly #beside = new Set<Promise<unknown>>()
  /** Of these the latest by key. */
  readonly #tails = new Map<string, Promise<unknown>>()

  beside<T>(key: string, change: () => Promise<T>): Promise<T> {
    const done = Promise.all([this.#barrier, this.#tails.get(key)]).then(change)
    const end = done.then(ignore, ignore).then(() => {
      this.#beside.delete(end)
      if (this.#tails.get(key) === end) this.#tails.delete(key)
    })
    this.#beside.add(end)
    this.#tails.set(key, end)
    return done
  }

  alone<T>(change: () => Promise<T>): Promise<T> {
    const done = Promise.all([this.#barrier, ...this.#beside]).then(change)
    this.#barrier = done.then(ignore, ignore)
    return done
  }
}

function ignore(): void {}
