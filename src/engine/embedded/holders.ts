/**
 * Holders: processes or connections that leases, queues and claims end with. They live for a while after each renewal, on
 * the monotonic clock, and are not stored: after a reopen those that leases and queues name start over.
 */
import { NONE, SLOT_MASK, type Slots } from './index/slots.ts'

export class Holder {
  readonly name: string
  readonly index: number
  untilMs: number
  /** The row leased last; the others follow by `HolderLinks.next`. */
  first = NONE
  /** While it ends in pieces: rows still to look at, the next one last. */
  ending: number[] | undefined
  /** Do its leases cost an attempt when it ends? */
  spends = true

  constructor(name: string, index: number, untilMs: number) {
    this.name = name
    this.index = index
    this.untilMs = untilMs
  }
}

export class Holders {
  readonly #slots: Slots
  readonly #byName = new Map<string, Holder>()
  readonly #byIndex: (Holder | undefined)[] = [undefined]
  readonly #vacant: number[] = []
  /** No holder ends before this. */
  #firstMs = Number.POSITIVE_INFINITY

  constructor(slots: Slots) {
    this.#slots = slots
  }

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
    holder.spends = true
    if (untilMs < this.#firstMs) this.#firstMs = untilMs
  }

  /** It ends, and is not over yet: the next look at what is due goes on. */
  stayDue(holder: Holder, nowMs: number): void {
    holder.untilMs = Math.min(holder.untilMs, nowMs)
    this.#firstMs = Math.min(this.#firstMs, holder.untilMs)
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

  /** The row's lease ends with the holder from now on. Linked through the rows: a set of them costs each message a hash and its growth. */
  join(index: number, slot: number): void {
    const holder = this.at(index)
    const { first } = holder
    const links = this.#slots.holderLinks(slot)
    links.next[slot & SLOT_MASK] = first
    links.before[slot & SLOT_MASK] = NONE
    if (first !== NONE) this.#slots.holderLinks(first).before[first & SLOT_MASK] = slot
    holder.first = slot
  }

  leave(index: number, slot: number): void {
    const links = this.#slots.holderLinks(slot)
    const next = links.next[slot & SLOT_MASK] as number
    const before = links.before[slot & SLOT_MASK] as number
    if (before === NONE) this.at(index).first = next
    else this.#slots.holderLinks(before).next[before & SLOT_MASK] = next
    if (next !== NONE) this.#slots.holderLinks(next).before[next & SLOT_MASK] = before
  }

  /** Rows whose leases end with it, latest first. */
  rowsOf(holder: Holder): number[] {
    const rows: number[] = []
    for (let slot = holder.first; slot !== NONE; ) {
      rows.push(slot)
      slot = this.#slots.holderLinks(slot).next[slot & SLOT_MASK] as number
    }
    return rows
  }
}
