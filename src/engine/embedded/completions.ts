/**
 * Who waits for which journal record. Callers are resolved in the order of their records in one sweep per batch, from a ring
 * without an allocation for each.
 */
type Settle = (value: never) => void

export class Completions {
  #records = new Float64Array(1_024)
  #settles: (Settle | undefined)[] = new Array(1_024)
  #fails: (Settle | undefined)[] = new Array(1_024)
  #values: unknown[] = new Array(1_024)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** `records` never go back from call to call. */
  add<T>(record: number, resolve: (value: T) => void, reject: (fault: unknown) => void, value: T): void {
    if (this.#size === this.#records.length) this.#grow()
    const at = (this.#head + this.#size) & (this.#records.length - 1)
    this.#records[at] = record
    this.#settles[at] = resolve as Settle
    this.#fails[at] = reject as Settle
    this.#values[at] = value
    this.#size++
  }

  /** Resolves those who wait for a record up to `reached`, `max` of them at most; true: there are more. */
  reach(reached: number, max: number): boolean {
    const mask = this.#records.length - 1
    for (let left = max; this.#size > 0 && (this.#records[this.#head] as number) <= reached; left--) {
      if (left === 0) return true
      const at = this.#head
      const settle = this.#settles[at] as (value: unknown) => void
      const value = this.#values[at]
      this.#settles[at] = undefined
      this.#fails[at] = undefined
      this.#values[at] = undefined
      this.#head = (at + 1) & mask
      this.#size--
      settle(value)
    }
    return false
  }

  fail(fault: unknown): void {
    while (this.#size > 0) {
      const at = this.#head
      const fail = this.#fails[at] as unknown as (fault: unknown) => void
      this.#settles[at] = undefined
      this.#fails[at] = undefined
      this.#values[at] = undefined
      this.#head = (at + 1) & (this.#records.length - 1)
      this.#size--
      fail(fault)
    }
  }

  #grow(): void {
    const before = this.#records.length
    const records = new Float64Array(before * 2)
    const rotate = <T>(from: T[]): T[] => {
      const to = from.slice(this.#head).concat(from.slice(0, this.#head))
      to.length = before * 2
      return to
    }
    for (let i = 0; i < before; i++) records[i] = this.#records[(this.#head + i) & (before - 1)] as number
    this.#settles = rotate(this.#settles)
    this.#fails = rotate(this.#fails)
    this.#values = rotate(this.#values)
    this.#records = records
    this.#head = 0
  }
}
