/**
 * Message number -> slot. Numbers are given in sequence, so they are looked up by page: 256 neighbours share one
 * array that goes when the last of them is gone. About 4 bytes a message when numbers are dense, 1 KiB when one
 * old message is all that is left of its page.
 */
const PAGE_BITS = 8
const PAGE_NUMBERS = 1 << PAGE_BITS

interface Page {
  readonly slots: Uint32Array
  live: number
}

export class NumberMap {
  readonly #pages = new Map<number, Page>()
  /** The page used last: neighbours come together. */
  #lastKey = -1
  #last: Page | undefined

  /** The slot of `number`; 0: none. */
  get(number: number): number {
    const page = this.#page(Math.floor(number / PAGE_NUMBERS))
    return page === undefined ? 0 : (page.slots[number % PAGE_NUMBERS] as number)
  }

  set(number: number, slot: number): void {
    const key = Math.floor(number / PAGE_NUMBERS)
    let page = this.#page(key)
    if (page === undefined) {
      page = { slots: new Uint32Array(PAGE_NUMBERS), live: 0 }
      this.#pages.set(key, page)
      this.#lastKey = key
      this.#last = page
    }
    if (page.slots[number % PAGE_NUMBERS] === 0) page.live++
    page.slots[number % PAGE_NUMBERS] = slot
  }

  delete(number: number): void {
    const key = Math.floor(number / PAGE_NUMBERS)
    const page = this.#page(key)
    if (page === undefined || page.slots[number % PAGE_NUMBERS] === 0) return
    page.slots[number % PAGE_NUMBERS] = 0
    page.live--
    if (page.live > 0) return
    this.#pages.delete(key)
    this.#lastKey = -1
    this.#last = undefined
  }

  /** Visits all slots in the order of their numbers. */
  each(visit: (slot: number) => void): void {
    const keys = [...this.#pages.keys()].sort((a, b) => a - b)
    for (const key of keys) for (const slot of (this.#pages.get(key) as Page).slots) if (slot !== 0) visit(slot)
  }

  get bytes(): number {
    return this.#pages.size * PAGE_NUMBERS * 4
  }

  #page(key: number): Page | undefined {
    if (key === this.#lastKey) return this.#last
    const page = this.#pages.get(key)
    if (page !== undefined) {
      this.#lastKey = key
      this.#last = page
    }
    return page
  }
}
