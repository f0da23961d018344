/**
 * Receipt handles: `receipt~id~seal`. Opaque to clients. The seal binds the receipt to its queue under a key of the store, so
 * that a handle of one queue opens nothing in another and none can be made up.
 *
 * The seal is HalfSipHash-2-4 with 64 bits under a key of the queue: keyed, and a hundred times cheaper than an HMAC for
 * twenty bytes; ten of them are made and ten checked in every batch. The id is not sealed: with another one the handle
 * still opens its own delivery and nothing else.
 */
import type { MessageId, Receipt } from '../../model/message.ts'

export interface OpenedHandle {
  readonly receipt: Receipt
  readonly id: MessageId
}

/** Bytes of the key. */
export const SEAL_KEY_BYTES = 8
const HANDLE_CHARACTERS_MAX = 1_024
const QUEUES_MAX = 10_000

interface SealKey {
  readonly key0: number
  readonly key1: number
}

export class ReceiptHandles {
  readonly #key: SealKey
  /** Keys of queues, made from the store's. */
  readonly #queueKeys = new Map<string, SealKey>()

  constructor(key: Uint8Array) {
    if (key.length !== SEAL_KEY_BYTES) throw new RangeError(`a seal key has ${SEAL_KEY_BYTES} bytes, not ${key.length}`)
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
    this.#key = { key0: view.getInt32(0, true), key1: view.getInt32(4, true) }
  }

  seal(queue: string, { receipt, id }: OpenedHandle): string {
    return `${receipt}~${id}~${halfSipHash(this.#keyOf(queue), receipt)}`
  }

  /** undefined: not a handle of this queue. */
  open(queue: string, handle: string): OpenedHandle | undefined {
    if (handle.length > HANDLE_CHARACTERS_MAX) return undefined
    const middle = handle.indexOf('~')
    const last = handle.lastIndexOf('~')
    if (middle <= 0 || last === middle) return undefined
    const receipt = handle.slice(0, middle)
    if (halfSipHash(this.#keyOf(queue), receipt) !== handle.slice(last + 1)) return undefined
    return { receipt: receipt as Receipt, id: handle.slice(middle + 1, last) as MessageId }
  }

  #keyOf(queue: string): SealKey {
    let key = this.#queueKeys.get(queue)
    if (key === undefined) {
      const seal = halfSipHash(this.#key, queue)
      key = { key0: Number.parseInt(seal.slice(0, 8), 16) | 0, key1: Number.parseInt(seal.slice(8), 16) | 0 }
      if (this.#queueKeys.size >= QUEUES_MAX) this.#queueKeys.clear()
      this.#queueKeys.set(queue, key)
    }
    return key
  }
}

/**
 * Aumasson and Bernstein's HalfSipHash-2-4, 64 bits out as 16 hex digits, over the UTF-16 code units of a text, two to a
 * word. The rounds stand in one loop over locals: shared through a closure they cost five times as much.
 */
function halfSipHash({ key0, key1 }: SealKey, text: string): string {
  let v0 = key0
  let v1 = key1 ^ 0xee
  let v2 = key0 ^ 0x6c796765
  let v3 = key1 ^ 0x74656462
  let low = 0
  const { length } = text
  // Words of text, the last one with the length in it; then four rounds to each half of the answer.
  const words = (length >>> 1) + 1
  for (let step = 0; step < words + 2; step++) {
    const at = step * 2
    let word = 0
    let rounds = 2
    if (step < words - 1) word = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16)
    else if (step === words - 1) word = (length << 24) | (length & 1 ? text.charCodeAt(length - 1) : 0)
    else rounds = 4
    if (step === words) v2 ^= 0xee
    else if (step === words + 1) {
      low = v1 ^ v3
      v1 ^= 0xdd
    }
    v3 ^= word
    for (; rounds > 0; rounds--) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    v0 ^= word
  }
  return hex(low, v1 ^ v3)
}

/** Sixteen digits in one string; `toString(16)` of numbers over 2^30 goes through decimals. */
function hex(low: number, high: number): string {
  return String.fromCharCode(
    digit(low >>> 28),
    digit(low >>> 24),
    digit(low >>> 20),
    digit(low >>> 16),
    digit(low >>> 12),
    digit(low >>> 8),
    digit(low >>> 4),
    digit(low),
    digit(high >>> 28),
    digit(high >>> 24),
    digit(high >>> 20),
    digit(high >>> 16),
    digit(high >>> 12),
    digit(high >>> 8),
    digit(high >>> 4),
    digit(high),
  )
}

function digit(word: number): number {
  const value = word & 15
  return value < 10 ? 48 + value : 87 + value
}
