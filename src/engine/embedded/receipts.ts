/**
 * A receipt is `number.counter.epoch` in decimal: which message, and the token of the delivery. It holds after a reopen,
 * when the row may be another.
 */
import type { Receipt } from '../../model/message.ts'

const COUNTERS_PER_EPOCH = 2 ** 36

export interface ParsedReceipt {
  number: number
  token: number
}

export class Receipts {
  #epoch = -1
  #suffix = ''
  /** Reused by `parse`: read it before the next call. */
  readonly #parsed: ParsedReceipt = { number: 0, token: 0 }

  format(number: number, token: number): Receipt {
    const epoch = Math.floor(token / COUNTERS_PER_EPOCH)
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      this.#suffix = `.${epoch}`
    }
    return `${number}.${token - epoch * COUNTERS_PER_EPOCH}${this.#suffix}` as Receipt
  }

  /** undefined: not a receipt of this store. */
  parse(receipt: string): ParsedReceipt | undefined {
    let part = 0
    let number = 0
    let counter = 0
    let value = 0
    const length = receipt.length
    if (length > 50) return undefined
    for (let at = 0; at < length; at++) {
      const code = receipt.charCodeAt(at)
      if (code === 46) {
        if (part === 0) number = value
        else if (part === 1) counter = value
        else return undefined
        part++
        value = 0
      } else if (code >= 48 && code <= 57) value = value * 10 + (code - 48)
      else return undefined
    }
    if (part !== 2) return undefined
    this.#parsed.number = number
    this.#parsed.token = value * COUNTERS_PER_EPOCH + counter
    return this.#parsed
  }
}
