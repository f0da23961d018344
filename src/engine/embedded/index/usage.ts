/** How many bytes of each segment are still somebody's content, note or kept result; and which contents are shared. */
export class Usage {
  readonly #live = new Map<number, { bytes: number }>()
  /** segment * 2^32 + offset -> entries that share it. */
  readonly #shared = new Map<number, number>()
  #lastSegment = -1
  #last = { bytes: 0 }

  bytesOf(segment: number): number {
    return this.#live.get(segment)?.bytes ?? 0
  }

  add(segment: number, bytes: number): void {
    this.#of(segment).bytes += bytes
  }

  remove(segment: number, bytes: number): void {
    this.#of(segment).bytes -= bytes
  }

  /** One more user of a content. */
  share(segment: number, offset: number): void {
    const key = segment * 2 ** 32 + offset
    this.#shared.set(key, (this.#shared.get(key) ?? 0) + 1)
  }

  /** Entries that share it so far. */
  usersOf(segment: number, offset: number): number {
    return this.#shared.get(segment * 2 ** 32 + offset) ?? 0
  }

  /** One user less; true when it was the last. */
  unshare(segment: number, offset: number): boolean {
    const key = segment * 2 ** 32 + offset
    const users = (this.#shared.get(key) ?? 1) - 1
    if (users > 0) this.#shared.set(key, users)
    else this.#shared.delete(key)
    return users <= 0
  }

  forget(segment: number): void {
    this.#live.delete(segment)
    this.#lastSegment = -1
  }

  get total(): number {
    let total = 0
    for (const { bytes } of this.#live.values()) total += bytes
    return total
  }

  #of(segment: number): { bytes: number } {
    if (segment === this.#lastSegment) return this.#last
    let live = this.#live.get(segment)
    if (live === undefined) {
      live = { bytes: 0 }
      this.#live.set(segment, live)
    }
    this.#lastSegment = segment
    this.#last = live
    return live
  }
}
