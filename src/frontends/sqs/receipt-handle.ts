/**
 * Receipt handles: `receipt~id~seal`. Opaque to clients. The seal binds the delivery to its queue under a key of the store,
 * so that a handle of one queue opens nothing in another and none can be made up.
 *
 * The seal is HalfSipHash-2-4 with 64 bits: keyed, and a hundred times cheaper than an HMAC for a hundred bytes; ten of
 * them are made and ten checked in every batch.
 */
import type { MessageId, Receipt } from '../../model/message.ts'

export interface OpenedHandle {
  readonly receipt: Receipt
  readonly id: MessageId
}

/** Bytes of the key. */
export const SEAL_KEY_BYTES = 8

export class ReceiptHandles {
  readonly #key0: number
  readonly #key1: number

  constructor(key: Uint8Array) {
    if (key.length !== SEAL_KEY_BYTES) throw new RangeError(`a seal key has ${SEAL_KEY_BYTES} bytes, not ${key.length}`)
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
    this.#key0 = view.getInt32(0, true)
    this.#key1 = view.getInt32(4, true)
  }

  seal(queue: string, { receipt, id }: OpenedHandle): string {
    const open = `${receipt}~${id}`
    return `${open}~${this.#seal(queue, open)}`
  }

  /** undefined: not a handle of this queue. */
  open(queue: string, handle: string): OpenedHandle | undefined {
    const last = handle.lastIndexOf('~')
    const middle = handle.indexOf('~')
    if (middle <= 0 || last <= middle || handle.length > 1_024) return undefined
    const open = handle.slice(0, last)
    if (this.#seal(queue, open) !== handle.slice(last + 1)) return undefined
    return { receipt: handle.slice(0, middle) as Receipt, id: handle.slice(middle + 1, last) as MessageId }
  }

  #seal(queue: string, open: string): string {
    const text = `${queue}\0${open}`
    return halfSipHash(this.#key0, this.#key1, text)
  }
}

/** Aumasson and Bernstein's HalfSipHash-2-4, 64 bits out, over the UTF-16 code units of a text, two to a word. */
function halfSipHash(key0: number, key1: number, text: string): string {
  let v0 = key0
  let v1 = key1 ^ 0xee
  let v2 = key0 ^ 0x6c796765
  let v3 = key1 ^ 0x74656462
  const { length } = text
  const whole = length & ~1

  const round = (): void => {
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

  for (let at = 0; at < whole; at += 2) {
    const word = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16)
    v3 ^= word
    round()
    round()
    v0 ^= word
  }
  const tail = (length << 24) | (length & 1 ? text.charCodeAt(length - 1) : 0)
  v3 ^= tail
  round()
  round()
  v0 ^= tail
  v2 ^= 0xee
  for (let i = 0; i < 4; i++) round()
  const low = (v1 ^ v3) >>> 0
  v1 ^= 0xdd
  for (let i = 0; i < 4; i++) round()
  const high = (v1 ^ v3) >>> 0
  return high.toString(36) + low.toString(36).padStart(7, '0')
}
