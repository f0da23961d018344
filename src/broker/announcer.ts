/** Channels inside one broker: heard by whoever listens now, stored nowhere. */
export class Announcer {
  readonly #channels = new Map<string, Set<(data: Uint8Array) => void>>()

  /** Lets a caller skip the work of making an announcement that nobody would hear. */
  get quiet(): boolean {
    return this.#channels.size === 0
  }

  heard(channel: string): boolean {
    return this.#channels.has(channel)
  }

  announce(channel: string, data: Uint8Array): void {
    for (const listener of this.#channels.get(channel) ?? []) listener(data)
  }

  listen(channel: string, heard: (data: Uint8Array) => void): () => void {
    // A listener of its own, so that one function listening twice is told twice and ends each alone.
    const listener = (data: Uint8Array): void => heard(data)
    const listeners = this.#channels.get(channel) ?? new Set()
    this.#channels.set(channel, listeners.add(listener))
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.#channels.delete(channel)
    }
  }
}
