import { WireError } from './protocol.ts'

/** Reads AMQP's integers and strings from a range of bytes. Running past its end is a SYNTAX_ERROR (502), never a garbage value. */
export class ByteReader {
  readonly bytes: Buffer
  at: number
  readonly end: number

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get left(): number {
    return this.end - this.at
  }

  u8(): number {
    return this.bytes.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.bytes.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.bytes.readUInt32BE(this.#take(4))
  }

  u64(): bigint {
    return this.bytes.readBigUInt64BE(this.#take(8))
  }

  i8(): number {
    return this.bytes.readInt8(this.#take(1))
  }

  i16(): number {
    return this.bytes.readInt16BE(this.#take(2))
  }

  i32(): number {
    return this.bytes.readInt32BE(this.#take(4))
  }

  i64(): bigint {
    return this.bytes.readBigInt64BE(this.#take(8))
  }

  f32(): number {
    return this.bytes.readFloatBE(this.#take(4))
  }

  f64(): number {
    return this.bytes.readDoubleBE(this.#take(8))
  }

  /** A delivery tag: beyond 2^53 it is no tag that anybody gave. */
  tag(): number {
    const at = this.#take(8)
    return this.bytes.readUInt32BE(at) * 4_294_967_296 + this.bytes.readUInt32BE(at + 4)
  }

  shortstr(): string {
    const length = this.u8()
    const at = this.#take(length)
    return this.bytes.toString('utf8', at, at + length)
  }

  /** A view of the bytes, not a copy. */
  longstr(): Buffer {
    const length = this.u32()
    const at = this.#take(length)
    return this.bytes.subarray(at, at + length)
  }

  /** A reader of the next `length` bytes, which this one skips. */
  range(length: number): ByteReader {
    const at = this.#take(length)
    return new ByteReader(this.bytes, at, at + length)
  }

  #take(count: number): number {
    const { at } = this
    if (count > this.end - at) {
      throw new WireError(502, `${count} bytes are announced where ${this.end - at} are left`)
    }
    this.at = at + count
    return at
  }
}
