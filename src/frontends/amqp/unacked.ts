/**
 * Deliveries of one channel that wait for an answer, by delivery tag. Tags grow by one, and nearly all answers come in that order, so
 * they stand in a ring; one that stays behind for long is moved aside, so that the ring is as long as what is new, not as what is old.
 */
import type { MessageId, Receipt } from '../../model/message.ts'

export interface Unanswered<Consumer> {
  readonly receipt: Receipt
  readonly id: MessageId
  /** undefined: it came by basic.get. */
  readonly consumer: Consumer | undefined
}

export type Each<Consumer> = (receipt: Receipt, id: MessageId, consumer: Consumer | undefined, tag: number) => void

const FIRST_CAPACITY = 64

export class Unacked<Consumer> {
  #receipts: (Receipt | undefined)[] = new Array(FIRST_CAPACITY).fill(undefined)
  #ids: (MessageId | undefined)[] = new Array(FIRST_CAPACITY).fill(undefined)
  #consumers: (Consumer | undefined)[] = new Array(FIRST_CAPACITY).fill(undefined)
  #mask = FIRST_CAPACITY - 1
  /** The ring holds the tags from `#first` (inclusive) to `#next` (exclusive). */
  #first = 1
  #next = 1
  readonly #stragglers = new Map<number, Unanswered<Consumer>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Tags that have a place in the ring. */
  get capacity(): number {
    return this.#mask + 1
  }

  /** The tag of this delivery: 1 for the channel's first. */
  add(receipt: Receipt, id: MessageId, consumer: Consumer | undefined): number {
    if (this.#next - this.#first > this.#mask) this.#makeRoom()
    const tag = this.#next++
    const at = tag & this.#mask
    this.#receipts[at] = receipt
    this.#ids[at] = id
    this.#consumers[at] = consumer
    this.#size++
    return tag
  }

  /** A tag for a delivery that needs no answer. */
  skip(): number {
    if (this.#first === this.#next) this.#first++
    else if (this.#next - this.#first > this.#mask) this.#makeRoom()
    return this.#next++
  }

  /** Puts back what `take` gave, under its tag: a transaction was rolled back. */
  restore(tag: number, unanswered: Unanswered<Consumer>): void {
    this.#stragglers.set(tag, unanswered)
    this.#size++
  }

  /** Hands it over and forgets it; false: there is none. */
  take(tag: number, each: Each<Consumer>): boolean {
    if (tag >= this.#first && tag < this.#next) {
      if (!this.#takeFromRing(tag, each)) return false
      this.#advance()
      return true
    }
    const straggler = this.#stragglers.get(tag)
    if (straggler === undefined) return false
    this.#stragglers.delete(tag)
    this.#size--
    each(straggler.receipt, straggler.id, straggler.consumer, tag)
    return true
  }

  /** All up to `tag` (0: all there are), oldest first; false: there was none, or the tag was never given. */
  takeThrough(tag: number, each: Each<Consumer>): boolean {
    if (tag >= this.#next) return false
    const last = tag === 0 ? this.#next - 1 : tag
    const before = this.#size
    for (const [old, { receipt, id, consumer }] of this.#stragglers) {
      if (old > last) continue
      this.#stragglers.delete(old)
      this.#size--
      each(receipt, id, consumer, old)
    }
    for (let next = this.#first; next <= last; next++) this.#takeFromRing(next, each)
    this.#advance()
    return this.#size < before
  }

  #takeFromRing(tag: number, each: Each<Consumer>): boolean {
    const at = tag & this.#mask
    const receipt = this.#receipts[at]
    if (receipt === undefined) return false
    const id = this.#ids[at] as MessageId
    const consumer = this.#consumers[at]
    this.#receipts[at] = undefined
    this.#ids[at] = undefined
    this.#consumers[at] = undefined
    this.#size--
    each(receipt, id, consumer, tag)
    return true
  }

  /** The ring begins with one that waits, or is empty. */
  #advance(): void {
    let first = this.#first
    while (first < this.#next && this.#receipts[first & this.#mask] === undefined) first++
    this.#first = first
  }

  #makeRoom(): void {
    const capacity = this.#mask + 1
    // Mostly holes: those that hold up the ring step aside.
    if ((this.#size - this.#stragglers.size) * 2 < capacity) {
      const half = this.#first + capacity / 2
      for (; this.#first < half; this.#first++) {
        const tag = this.#first
        const moved = this.#takeFromRing(tag, (receipt, id, consumer) => {
          this.#stragglers.set(tag, { receipt, id, consumer })
        })
        if (moved) this.#size++
      }
      this.#advance()
      return
    }
    const [receipts, ids, consumers, mask] = [this.#receipts, this.#ids, this.#consumers, this.#mask]
    this.#mask = capacity * 2 - 1
    this.#receipts = new Array(capacity * 2).fill(undefined)
    this.#ids = new Array(capacity * 2).fill(undefined)
    this.#consumers = new Array(capacity * 2).fill(undefined)
    for (let tag = this.#first; tag < this.#next; tag++) {
      this.#receipts[tag & this.#mask] = receipts[tag & mask]
      this.#ids[tag & this.#mask] = ids[tag & mask]
      this.#consumers[tag & this.#mask] = consumers[tag & mask]
    }
  }
}
