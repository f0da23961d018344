/**
 * Bytes of a socket -> frames, whatever the split (section 4.2.3).
 *
 *   | type octet | channel u16 | size u32 | payload: size bytes | end octet = 0xCE |
 *
 * One frame at a time is looked at in place: `next` moves to it, and `bytes`, `start` and `end` say where its payload is, until the
 * following `next`. Only a frame that is split over chunks is copied, once, into a buffer of its own size.
 */
import { FRAME_END, FRAME_OVERHEAD, PROTOCOL_HEADER, WireError } from './protocol.ts'

const HEADER_BYTES = 7
const NO_BYTES = Buffer.alloc(0)

export class FrameDecoder {
  type = 0
  channel = 0
  bytes: Buffer = NO_BYTES
  start = 0
  end = 0

  #frameMax: number
  readonly #chunks: Buffer[] = []
  #at = 0
  /** A frame (or protocol header) that began in an earlier chunk. */
  readonly #head = Buffer.alloc(PROTOCOL_HEADER.length)
  #partial: Buffer | undefined
  #filled = 0

  /** `frameMax`: bytes of a whole frame that may arrive; 0: no limit. */
  constructor(frameMax: number) {
    this.#frameMax = frameMax
  }

  set frameMax(bytes: number) {
    this.#frameMax = bytes
  }

  feed(chunk: Buffer): void {
    if (chunk.length > 0) this.#chunks.push(chunk)
  }

  /** The first eight bytes of a connection. `refused`: as soon as one of them is wrong. */
  protocolHeader(): 'more' | 'accepted' | 'refused' {
    while (this.#filled < PROTOCOL_HEADER.length) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) return 'more'
      if (chunk[this.#at] !== PROTOCOL_HEADER[this.#filled]) return 'refused'
      this.#filled++
      this.#advance(chunk, this.#at + 1)
    }
    this.#filled = 0
    return 'accepted'
  }

  /** false: more bytes are needed. Throws `WireError` 501 for a wrong size, type or end; the stream is unusable after it. */
  next(): boolean {
    const chunk = this.#chunks[0]
    if (chunk === undefined) return false
    if (this.#partial !== undefined || this.#filled > 0) return this.#resume()
    const at = this.#at
    if (chunk.length - at < HEADER_BYTES) return this.#resume()
    const size = this.#readHeader(chunk, at)
    const after = at + size + FRAME_OVERHEAD
    if (after > chunk.length) return this.#resume()
    this.#found(chunk, at + HEADER_BYTES, after - 1)
    this.#advance(chunk, after)
    return true
  }

  #resume(): boolean {
    while (this.#partial === undefined && this.#filled < HEADER_BYTES) {
      const copied = this.#copyInto(this.#head, HEADER_BYTES)
      if (!copied) return false
    }
    let partial = this.#partial
    if (partial === undefined) {
      const size = this.#readHeader(this.#head, 0)
      partial = Buffer.allocUnsafe(size + FRAME_OVERHEAD)
      this.#head.copy(partial, 0, 0, HEADER_BYTES)
      this.#partial = partial
    }
    while (this.#filled < partial.length) if (!this.#copyInto(partial, partial.length)) return false
    this.#readHeader(partial, 0)
    this.#partial = undefined
    this.#filled = 0
    this.#found(partial, HEADER_BYTES, partial.length - 1)
    return true
  }

  /** Copies what the first chunk has, up to `length` bytes of `target`; false when there is no chunk. */
  #copyInto(target: Buffer, length: number): boolean {
    const chunk = this.#chunks[0]
    if (chunk === undefined) return false
    const count = Math.min(chunk.length - this.#at, length - this.#filled)
    chunk.copy(target, this.#filled, this.#at, this.#at + count)
    this.#filled += count
    this.#advance(chunk, this.#at + count)
    return true
  }

  #advance(chunk: Buffer, at: number): void {
    if (at < chunk.length) {
      this.#at = at
      return
    }
    this.#chunks.shift()
    this.#at = 0
  }

  #readHeader(bytes: Buffer, at: number): number {
    const type = bytes[at] as number
    if (type !== 1 && type !== 2 && type !== 3 && type !== 8) throw new WireError(501, `frame type ${type} is unknown`)
    this.type = type
    this.channel = ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
    const size = bytes.readUInt32BE(at + 3)
    if (this.#frameMax > 0 && size + FRAME_OVERHEAD > this.#frameMax) {
      throw new WireError(501, `type ${type}: {frame_too_large,${size},${this.#frameMax - FRAME_OVERHEAD}}`)
    }
    return size
  }

  #found(bytes: Buffer, start: number, end: number): void {
    if (bytes[end] !== FRAME_END)
      throw new WireError(501, `type ${this.type}: {invalid_frame_end_marker,${bytes[end]}}`)
    this.bytes = bytes
    this.start = start
    this.end = end
  }
}
