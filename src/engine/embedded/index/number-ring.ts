/** A queue of message numbers in blocks, so that it grows and shrinks without copying. */
const BLOCK = 1_024

export class NumberRing {
  readonly #blocks: Float64Array[] = []
  #head = 0
  #tail = 0

  get size(): number {
    return this.#tail - this.#head
  }

  push(number: number): void {
    if (this.#tail === this.#blocks.length * BLOCK) this.#blocks.push(new Float64Array(BLOCK))
    const block = this.#blocks[Math.floor(this.#tail / BLOCK)] as Float64Array
    block[this.#tail % BLOCK] = number
    this.#tail++
  }

  /** The oldest; undefined when empty. */
  shift(): number | undefined {
    if (this.#head === this.#tail) return undefined
    const number = (this.#blocks[0] as Float64Array)[this.#head]
    this.#head++
    if (this.#head === BLOCK) {
      this.#blocks.shift()
      this.#head = 0
      this.#tail -= BLOCK
    }
    return number
  }

  clear(): void {
    this.#blocks.length = 0
    this.#head = 0
    this.#tail = 0
  }
}
