/**
 * Fence tokens: an epoch, which the server gives to one broker and never again, and a counter in it. So a token is given once, whoever
 * gives it, and leads to the broker that gave it.
 */
const PER_EPOCH = 2 ** 31

export class Tokens {
  #epoch: number
  #count = 0

  constructor(epoch: number) {
    this.#epoch = epoch
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Time to draw another epoch: half of this one is used. */
  get isLow(): boolean {
    return this.#count > PER_EPOCH / 2
  }

  renew(epoch: number): void {
    this.#epoch = epoch
    this.#count = 0
  }

  next(): number {
    if (++this.#count >= PER_EPOCH) throw new Error('invariant: an epoch without tokens left')
    return this.#epoch * PER_EPOCH + this.#count
  }
}
