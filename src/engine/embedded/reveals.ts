/** Rows that become visible when their record is durable (or written), in the order of the records. */
export class Reveals {
  #records = new Float64Array(1_024)
  #slots = new Uint32Array(1_024)
  #head = 0
  #size = 0
  /** Rows taken out since the start. */
  #taken = 0

  /** `records` never go back from call to call. */
  add(record: number, slot: number): void {
    if (this.#size === this.#slots.length) this.#grow()
    const at = (this.#head + this.#size) & (this.#slots.length - 1)
    this.#records[at] = record
    this.#slots[at] = slot
    this.#size++
  }

  /** The next row whose record is at most `reached`; 0: there is none. */
  next(reached: number): number {
    if (this.#size === 0 || (this.#records[this.#head] as number) > reached) return 0
    const slot = this.#slots[this.#head] as number
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#size--
    this.#taken++
    return slot
  }

  /** Rows have positions that grow by one, and keep them while others go. */
  get firstPosition(): number {
    return this.#taken
  }

  get endPosition(): number {
    return this.#taken + this.#size
  }

  /** The row at a position between the two. */
  at(position: number): number {
    return this.#slots[(this.#head + (position - this.#taken)) & (this.#slots.length - 1)] as number
  }

  /** Every row that waits. */
  *rows(): Generator<number> {
    for (let i = 0; i < this.#size; i++) yield this.#slots[(this.#head + i) & (this.#slots.length - 1)] as number
  }

  #grow(): void {
    const before = this.#slots.length
    const records = new Float64Array(before * 2)
    const slots = new Uint32Array(before * 2)
    for (let i = 0; i < before; i++) {
      const from = (this.#head + i) & (before - 1)
      records[i] = this.#records[from] as number
      slots[i] = this.#slots[from] as number
    }
    this.#records = records
    this.#slots = slots
    this.#head = 0
  }
}
