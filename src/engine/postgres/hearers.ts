/** Who hears what other processes broadcast. */
type Hearer = (channel: string, data: Uint8Array) => void

export class Hearers {
  readonly #hearers = new Set<Hearer>()

  add(hearer: Hearer): () => void {
    const own: Hearer = (channel, data) => hearer(channel, data)
    this.#hearers.add(own)
    return () => {
      this.#hearers.delete(own)
    }
  }

  tell(channel: string, data: Uint8Array): void {
    for (const hearer of [...this.#hearers]) hearer(channel, data)
  }
}
