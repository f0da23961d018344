/**
 * Holders: processes or connections that leases, queues and claims end with. They live for a while after each renewal, on
 * the monotonic clock, and are not stored: after a reopen those that leases and queues name start over.
 */
export class Holder {
  readonly name: string
  readonly index: number
  untilMs: number
  readonly slots = new Set<number>()

  constructor(name: string, index: number, untilMs: number) {
    this.name = name
    this.index = index
    this.untilMs = untilMs
  }
}

export class Holders {
  readonly #byName = new Map<string, Holder>()
  readonly #byIndex: (Holder | undefined)[] = [undefined]
  readonly #vacant: number[] = []
  /** No holder ends before this. */
  #firstMs = Number.POSITIVE_INFINITY

  get firstMs(): number {
    return this.#firstMs
  }

  get(name: string): Holder | undefined {
    return this.#byName.get(name)
  }

  at(index: number): Holder {
    return this.#byIndex[index] as Holder
  }

  /** The holder; one that is unknown lives until `untilMs`. */
  meet(name: string, untilMs: number): Holder {
    let holder = this.#byName.get(name)
    if (holder === undefined) {
      holder = new Holder(name, this.#vacant.pop() ?? this.#byIndex.length, untilMs)
      this.#byName.set(name, holder)
      this.#byIndex[holder.index] = holder
      if (untilMs < this.#firstMs) this.#firstMs = untilMs
    }
    return holder
  }

  renew(name: string, untilMs: number): void {
    const holder = this.meet(name, untilMs)
    holder.untilMs = untilMs
    if (untilMs < this.#firstMs) this.#firstMs = untilMs
  }

  /** Call when its leases are gone. */
  remove(holder: Holder): void {
    if (this.#byName.get(holder.name) !== holder) return
    this.#byName.delete(holder.name)
    this.#byIndex[holder.index] = undefined
    this.#vacant.push(holder.index)
  }

  /** Those whose time is over, first ended first. */
  ended(nowMs: number): Holder[] {
    const ended: Holder[] = []
    let first = Number.POSITIVE_INFINITY
    for (const holder of this.#byName.values()) {
      if (holder.untilMs <= nowMs) ended.push(holder)
      else if (holder.untilMs < first) first = holder.untilMs
    }
    this.#firstMs = first
    return ended.sort((a, b) => a.untilMs - b.untilMs)
  }

  /** When the first of them ends; Infinity: there is none. */
  nextEndMs(): number {
    let first = Number.POSITIVE_INFINITY
    for (const { untilMs } of this.#byName.values()) first = Math.min(first, untilMs)
    return first
  }

  lease(index: number, slot: number, joined: boolean): void {
    const { slots } = this.at(index)
    if (joined) slots.add(slot)
    else slots.delete(slot)
  }
}
