import { WireError } from './protocol.ts'

const FIRST_BYTES = 256

/** Writes AMQP's integers and strings into a buffer that grows by doubling. For methods and headers, not for bodies. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #at = 0

  get length(): number {
    return this.#at
  }

  /** What was written so far; a view. */
  result(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  u8(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#room(2)
    this.#bytes.writeUInt16BE(value, at)
  }

  u32(value: number): void {
    const at = this.#room(4)
    this.#bytes.writeUInt32BE(value, at)
  }

  u64(value: bigint): void {
    const at = this.#room(8)
    this.#bytes.writeBigUInt64BE(value, at)
  }

  i8(value: number): void {
    const at = this.#room(1)
    this.#bytes.writeInt8(value, at)
  }

  i16(value: number): void {
    const at = this.#room(2)
    this.#bytes.writeInt16BE(value, at)
  }

  i32(value: number): void {
    const at = this.#room(4)
    this.#bytes.writeInt32BE(value, at)
  }

  i64(value: bigint): void {
    const at = this.#room(8)
    this.#bytes.writeBigInt64BE(value, at)
  }

  f32(value: number): void {
    const at = this.#room(4)
    this.#bytes.writeFloatBE(value, at)
  }

  f64(value: number): void {
    const at = this.#room(8)
    this.#bytes.writeDoubleBE(value, at)
  }

  tag(value: number): void {
    const high = Math.floor(value / 4_294_967_296)
    this.u32(high)
    this.u32(value - high * 4_294_967_296)
  }

  /** Throws `WireError` 502 for more than 255 bytes of UTF-8. */
  shortstr(text: string): void {
    const length = Buffer.byteLength(text)
    if (length > 255) throw new WireError(502, `a short string of ${length} bytes cannot be sent`)
    this.u8(length)
    const at = this.#room(length)
    this.#bytes.write(text, at, 'utf8')
  }

  longstr(value: string | Uint8Array): void {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    this.u32(bytes.length)
    this.raw(bytes)
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** Room for a length that is known later; `fillLength` puts it there. */
  reserveLength(): number {
    return this.#room(4)
  }

  fillLength(reserved: number): void {
    this.#bytes.writeUInt32BE(this.#at - reserved - 4, reserved)
  }

  /** Call it before `#bytes` is looked at: it may put a larger buffer there. */
  #room(count: number): number {
    const at = this.#at
    const needed = at + count
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, at)
      this.#bytes = grown
    }
    this.#at = needed
    return at
  }
}
