/**
 * Who waits for which journal record. Callers are resolved in the order of their records in one sweep per batch, from a ring
 * without an allocation for each.
 */
type Settle = (value: never) => void

export class Completions {
  #records = new Float64Array(1_024)
  #settles: (Settle | undefined)[] = new Array(1_024)
  #values: unknown[] = new Array(1_024)
  /** Callers behind each. */
  #callers = new Uint16Array(1_024)
  /** Places grow by one with each that is added: those from `#first` up to, not including, `#end` wait. */
  #first = 0
  #end = 0

  /** `records` never go back from call to call. Returns the place, for `join`. */
  add<T>(record: number, resolve: (value: T) => void, value: T): number {
    if (this.#end - this.#first === this.#records.length) this.#grow()
    const at = this.#end & (this.#records.length - 1)
    this.#records[at] = record
    this.#settles[at] = resolve as Settle
    this.#values[at] = value
    this.#callers[at] = 1
    return this.#end++
  }

  /** One caller more waits for what was added at `place`; false: it has `max` of them already, or was told. */
  join(place: number, max: number): boolean {
    if (place < this.#first) return false
    const at = place & (this.#records.length - 1)
    if ((this.#callers[at] as number) >= max) return false
    this.#callers[at] = (this.#callers[at] as number) + 1
    return true
  }

  /** Resolves those who wait for a record up to `reached`, until `max` callers are told; true: there are more. */
  reach(reached: number, max: number): boolean {
    const mask = this.#records.length - 1
    for (let left = max; this.#first < this.#end; ) {
      const at = this.#first & mask
      if ((this.#records[at] as number) > reached) return false
      if (left <= 0) return true
      left -= this.#callers[at] as number
      this.#take(at)(this.#values[at] as never)
      this.#values[at] = undefined
    }
    return false
  }

  fail(fault: unknown): void {
    if (this.#first === this.#end) return
    // Whose answer becomes this promise is rejected as it is.
    const failed = Promise.reject(fault)
    while (this.#first < this.#end) {
      const at = this.#first & (this.#records.length - 1)
      this.#values[at] = undefined
      this.#take(at)(failed as never)
    }
  }

  /** Takes out the first. */
  #take(at: number): Settle {
    const settle = this.#settles[at] as Settle
    this.#settles[at] = undefined
    this.#first++
    return settle
  }

  #grow(): void {
    const before = this.#records.length
    const records = new Float64Array(before * 2)
    const settles: (Settle | undefined)[] = new Array(before * 2)
    const values: unknown[] = new Array(before * 2)
    const callers = new Uint16Array(before * 2)
    for (let place = this.#first; place < this.#end; place++) {
      const from = place & (before - 1)
      const to = place & (before * 2 - 1)
      records[to] = this.#records[from] as number
      settles[to] = this.#settles[from]
      values[to] = this.#values[from]
      callers[to] = this.#callers[from] as number
    }
    this.#records = records
    this.#settles = settles
    this.#values = values
    this.#callers = callers
  }
}
