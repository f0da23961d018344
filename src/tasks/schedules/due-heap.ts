/** Entries ordered by their next instant. Moving one costs log n; nothing is ever scanned. */
export interface HeapEntry {
  /** Wall ms; Infinity: not waiting for anything. */
  dueMs: number
  /** Kept by the heap; -1 outside it. */
  place: number
}

export class DueHeap<E extends HeapEntry> {
  readonly #entries: E[] = []

  get first(): E | undefined {
    return this.#entries[0]
  }

  get size(): number {
    return this.#entries.length
  }

  /** Puts the entry where `dueMs` belongs; new ones come in, those of Infinity leave. */
  place(entry: E, dueMs: number): void {
    entry.dueMs = dueMs
    if (dueMs === Number.POSITIVE_INFINITY) this.remove(entry)
    else {
      if (entry.place < 0) {
        entry.place = this.#entries.length
        this.#entries.push(entry)
      }
      this.#settle(entry)
    }
  }

  remove(entry: E): void {
    const { place } = entry
    if (place < 0) return
    entry.place = -1
    const last = this.#entries.pop()
    if (last === undefined || last === entry) return
    this.#put(last, place)
    this.#settle(last)
  }

  #settle(entry: E): void {
    this.#rise(entry)
    this.#sink(entry)
  }

  #rise(entry: E): void {
    while (entry.place > 0) {
      const parent = this.#entries[(entry.place - 1) >> 1] as E
      if (parent.dueMs <= entry.dueMs) return
      this.#swap(parent, entry)
    }
  }

  #sink(entry: E): void {
    for (;;) {
      const left = this.#entries[2 * entry.place + 1]
      const right = this.#entries[2 * entry.place + 2]
      const least = right !== undefined && left !== undefined && right.dueMs < left.dueMs ? right : left
      if (least === undefined || least.dueMs >= entry.dueMs) return
      this.#swap(entry, least)
    }
  }

  #swap(upper: E, lower: E): void {
    const { place } = upper
    this.#put(upper, lower.place)
    this.#put(lower, place)
  }

  #put(entry: E, place: number): void {
    this.#entries[place] = entry
    entry.place = place
  }
}
