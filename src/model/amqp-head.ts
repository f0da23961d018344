/**
 * Heads that AMQP publishers made. They are kept as they came, so that a delivery needs no new encoding; this reads them for
 * everybody else, leniently: what does not fit is left out. docs/compat/amqp.md states the rule.
 *
 *   head:       | 3 | exchange shortstr | routing key shortstr | flags u16 | the properties whose flag is set |
 *   properties: content-type, content-encoding, headers (table), delivery-mode, priority, correlation-id, reply-to, expiration,
 *               message-id, timestamp, type, user-id, app-id, cluster-id; from the highest flag bit down
 */
import { utf8Bytes, utf8Text } from './bytes.ts'

/** As in content.ts, which imports this file. */
type HeaderValue = string | number | boolean | Uint8Array
type ContentKind = 'bytes' | 'text' | 'json'

export const AMQP_HEAD = 3

/** How the message was published. */
export interface Origin {
  readonly exchange: string
  readonly key: string
}

export interface AmqpHead {
  /** By content-type: application/json (or +json) is json, text/* is text, all else bytes; a content-encoding other than utf-8 makes it bytes. */
  readonly kind: ContentKind
  /** The property `type`; without one undefined. */
  readonly type: string | undefined
  /** Strings, numbers, booleans and byte arrays of the headers table; tables, arrays and void are left out. */
  readonly headers: Readonly<Record<string, HeaderValue>>
}

const HEADERS_MAX = 1_000

/** undefined: the head is not of this kind. */
export function originOf(head: Uint8Array): Origin | undefined {
  if (head[0] !== AMQP_HEAD) return undefined
  const reader = new Reader(head)
  reader.at = 1
  return { exchange: reader.shortstr(), key: reader.shortstr() }
}

/** The same head as if it had been published there. A head of another kind is returned as it is. */
export function withOrigin(head: Uint8Array, { exchange, key }: Origin): Uint8Array {
  if (head[0] !== AMQP_HEAD) return head
  const reader = new Reader(head)
  reader.at = 1
  reader.shortstr()
  reader.shortstr()
  const [exchangeBytes, keyBytes] = [shortBytes(exchange), shortBytes(key)]
  return Buffer.concat([
    Uint8Array.of(AMQP_HEAD, exchangeBytes.length),
    exchangeBytes,
    Uint8Array.of(keyBytes.length),
    keyBytes,
    head.subarray(reader.at),
  ])
}

export function readAmqpHead(head: Uint8Array): AmqpHead {
  const reader = new Reader(head)
  reader.at = 1
  reader.shortstr()
  reader.shortstr()
  const flags = reader.u16()
  const has = (property: number): boolean => (flags & (0x8000 >> property)) !== 0
  const contentType = has(0) ? reader.shortstr() : ''
  const encoding = has(1) ? reader.shortstr() : ''
  const headers = has(2) ? reader.headers() : (Object.create(null) as Record<string, HeaderValue>)
  reader.at += (has(3) ? 1 : 0) + (has(4) ? 1 : 0)
  for (let property = 5; property <= 8; property++) if (has(property)) reader.shortstr()
  if (has(9)) reader.at += 8
  const type = has(10) ? reader.shortstr() : ''
  return { kind: kindOf(contentType, encoding), type: type === '' ? undefined : type, headers: Object.freeze(headers) }
}

function kindOf(contentType: string, encoding: string): ContentKind {
  if (encoding !== '' && !/^utf-?8$/i.test(encoding)) return 'bytes'
  const media = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  if (media === 'application/json' || media.endsWith('+json')) return 'json'
  return media.startsWith('text/') ? 'text' : 'bytes'
}

function shortBytes(text: string): Uint8Array {
  return utf8Bytes(text).subarray(0, 255)
}

/** Reads beyond the end give zeros and empty strings: the bytes were checked when they came in. */
class Reader {
  readonly #bytes: Uint8Array
  at = 0
  end: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.end = bytes.length
  }

  u8(): number {
    return this.#bytes[this.at++] ?? 0
  }

  u16(): number {
    return this.u8() * 256 + this.u8()
  }

  u32(): number {
    return this.u16() * 65_536 + this.u16()
  }

  shortstr(): string {
    return utf8Text(this.#slice(this.u8()))
  }

  headers(): Record<string, HeaderValue> {
    const headers = Object.create(null) as Record<string, HeaderValue>
    const end = Math.min(this.end, this.u32() + this.at)
    for (let count = 0; this.at < end && count < HEADERS_MAX; count++) {
      const name = this.shortstr()
      const value = this.#value(String.fromCharCode(this.u8()))
      if (value === undefined) break
      if (value !== null) headers[name] = value
    }
    this.at = end
    return headers
  }

  /** null: of a type that headers do not have; undefined: of one that nobody has, so that what follows cannot be read. */
  #value(type: string): HeaderValue | null | undefined {
    switch (type) {
      case 't':
        return this.u8() !== 0
      case 'b':
        return this.#number(1).getInt8(0)
      case 'B':
        return this.u8()
      case 's':
        return this.#number(2).getInt16(0)
      case 'u':
        return this.u16()
      case 'I':
        return this.#number(4).getInt32(0)
      case 'i':
        return this.u32()
      case 'l':
        return Number(this.#number(8).getBigInt64(0))
      case 'L':
      case 'T':
        return Number(this.#number(8).getBigUint64(0))
      case 'f':
        return finite(this.#number(4).getFloat32(0))
      case 'd':
        return finite(this.#number(8).getFloat64(0))
      case 'D':
        return this.u8() === 0 ? this.#number(4).getInt32(0) : this.#decimal()
      case 'S':
        return utf8Text(this.#slice(this.u32()))
      case 'x':
        return new Uint8Array(this.#slice(this.u32()))
      case 'A':
      case 'F':
        this.#slice(this.u32())
        return null
      case 'V':
        return null
      default:
        return undefined
    }
  }

  #decimal(): number {
    const scale = this.#bytes[this.at - 1] ?? 0
    return this.#number(4).getInt32(0) / 10 ** scale
  }

  /** Always `count` bytes, so that a number can be read from them. */
  #number(count: number): DataView {
    const bytes = new Uint8Array(count)
    bytes.set(this.#slice(count))
    return new DataView(bytes.buffer)
  }

  #slice(count: number): Uint8Array {
    const from = Math.min(this.at, this.end)
    const to = Math.min(this.end, from + count)
    this.at = to
    return this.#bytes.subarray(from, to)
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
