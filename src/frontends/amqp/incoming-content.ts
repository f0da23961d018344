/**
 * Content on its way in (section 4.2.6): basic.publish, a content header, then bodies until the announced size is there. What comes
 * out of step is UNEXPECTED_FRAME. Views of the frames are kept, copied only when a body has several parts.
 */
import { checkProperties } from '../../wire/amqp/properties.ts'
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD, WireError } from '../../wire/amqp/protocol.ts'
import { preconditionFailed } from './fault.ts'

const BASIC = 60
const HEADER_FIXED = 12
const MANDATORY = 1
const IMMEDIATE = 2
/** With exchange and routing key, a head stays below 64 KiB. */
const PROPERTIES_BYTES_MAX = 64_000
const NO_BODY = Buffer.alloc(0)

export class IncomingContent {
  /** Exchange and routing key as shortstrs, as basic.publish had them. */
  address: Buffer = NO_BODY
  mandatory = false
  immediate = false
  /** Flags and list. */
  properties: Buffer = NO_BODY
  flags = 0
  body: Buffer = NO_BODY
  readonly #bodyBytesMax: number
  #expects: 'method' | 'header' | 'body' = 'method'
  #bodyBytes = 0
  #parts: Buffer[] = []
  #partBytes = 0

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax
  }

  /** May this frame be a method? Throws UNEXPECTED_FRAME when content has to go on instead. */
  expectMethod(): void {
    if (this.#expects === 'method') return
    const [what, found] = this.#expects === 'header' ? ['header', 'non content header'] : ['body', 'non content body']
    this.#expects = 'method'
    throw new WireError(505, `expected content ${what} for class 60, got ${found} frame instead`)
  }

  /** The arguments of basic.publish: | ticket u16 | exchange shortstr | routing key shortstr | bits octet |. */
  begin(bytes: Buffer, at: number, end: number): void {
    const exchange = at + 2
    const key = exchange + 1 + (bytes[exchange] ?? 0)
    const bits = key + 1 + (bytes[key] ?? 0)
    if (bits + 1 !== end) throw new WireError(502, 'basic.publish does not fit its frame')
    this.address = bytes.subarray(exchange, bits)
    this.mandatory = ((bytes[bits] as number) & MANDATORY) !== 0
    this.immediate = ((bytes[bits] as number) & IMMEDIATE) !== 0
    this.#expects = 'header'
  }

  /** Takes a header or body frame; true when the content is complete. */
  frame(type: number, bytes: Buffer, start: number, end: number): boolean {
    if (type === FRAME_HEADER) return this.#header(bytes, start, end)
    if (type === FRAME_BODY) return this.#bodyPart(bytes, start, end)
    throw new WireError(type === FRAME_METHOD ? 505 : 501, `frame type ${type} is not content`)
  }

  #header(bytes: Buffer, start: number, end: number): boolean {
    if (this.#expects !== 'header') this.#unexpected('header')
    if (end - start < HEADER_FIXED + 2) throw new WireError(502, 'a content header is too short')
    if (bytes.readUInt16BE(start) !== BASIC) throw new WireError(505, 'expected content header for class 60')
    const size = bytes.readUInt32BE(start + 4) * 4_294_967_296 + bytes.readUInt32BE(start + 8)
    const at = start + HEADER_FIXED
    const { properties } = this
    // Publishers mostly repeat themselves: what was checked once needs no second look.
    if (!isSame(properties, bytes, at, end)) {
      this.flags = checkProperties(bytes, at, end)
      this.properties = bytes.subarray(at, end)
    }
    if (end - at > PROPERTIES_BYTES_MAX) {
      this.#expects = 'method'
      throw preconditionFailed(`properties of ${end - at} bytes are larger than the maximum of ${PROPERTIES_BYTES_MAX}`)
    }
    if (size > this.#bodyBytesMax) {
      this.#expects = 'method'
      throw preconditionFailed(`message size ${size} is larger than configured max size ${this.#bodyBytesMax}`)
    }
    this.#bodyBytes = size
    this.#partBytes = 0
    if (size > 0) {
      this.#expects = 'body'
      return false
    }
    this.#expects = 'method'
    this.body = NO_BODY
    return true
  }

  #bodyPart(bytes: Buffer, start: number, end: number): boolean {
    if (this.#expects !== 'body') this.#unexpected('body')
    const left = this.#bodyBytes - this.#partBytes
    const count = end - start
    if (count > left) throw new WireError(501, `a body has ${count} bytes where ${left} were left`)
    if (count === this.#bodyBytes) {
      this.#expects = 'method'
      this.body = bytes.subarray(start, end)
      return true
    }
    this.#parts.push(bytes.subarray(start, end))
    this.#partBytes += count
    if (count < left) return false
    this.#expects = 'method'
    this.body = Buffer.concat(this.#parts, this.#bodyBytes)
    this.#parts = []
    return true
  }

  #unexpected(got: 'header' | 'body'): never {
    if (this.#expects === 'method') throw new WireError(505, `expected method, got content ${got} frame instead`)
    throw new WireError(505, `expected content ${this.#expects} for class 60, got content ${got} frame instead`)
  }
}

export function isSame(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const { length } = known
  if (length !== end - start || length === 0) return false
  for (let i = 0; i < length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}
