/**
 * The content header of class 60 (basic), section 4.2.6.1 and the class's property list.
 *
 *   payload: | class u16 = 60 | weight u16 = 0 | body size u64 | flags u16 | the values whose flag is set, in order |
 *
 * The lowest flag bit says that another word of flags follows; class 60 has 14 properties, so it never does.
 */
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { EMPTY_TABLE, type FieldTable, readTable, writeTable } from './field-table.ts'
import { WireError } from './protocol.ts'

export interface Properties {
  contentType?: string
  contentEncoding?: string
  headers?: FieldTable
  deliveryMode?: number
  priority?: number
  correlationId?: string
  replyTo?: string
  /** Milliseconds, in text. */
  expiration?: string
  messageId?: string
  /** Seconds since 1970. */
  timestamp?: bigint
  type?: string
  userId?: string
  appId?: string
  clusterId?: string
}

const CONTENT_TYPE = 0x8000
const CONTENT_ENCODING = 0x4000
const HEADERS = 0x2000
const DELIVERY_MODE = 0x1000
const PRIORITY = 0x0800
const CORRELATION_ID = 0x0400
const REPLY_TO = 0x0200
const EXPIRATION = 0x0100
const MESSAGE_ID = 0x0080
const TIMESTAMP = 0x0040
const TYPE = 0x0020
const USER_ID = 0x0010
const APP_ID = 0x0008
const CLUSTER_ID = 0x0004
const UNUSED = 0x0003

/** Flags of properties that the broker itself acts on, besides some of the headers. */
export const ACTED_ON: number = PRIORITY | REPLY_TO | EXPIRATION | USER_ID
export const HAS_HEADERS: number = HEADERS

/** `bytes` from `at` to `end`: flags and list. Throws `WireError` 502 when they do not fit. */
export function readProperties(bytes: Buffer, at = 0, end: number = bytes.length): Properties {
  const reader = new ByteReader(bytes, at, end)
  const flags = reader.u16()
  if ((flags & UNUSED) !== 0) throw new WireError(502, `the content header has the unknown flags ${flags & UNUSED}`)
  const properties: Properties = {}
  if (flags & CONTENT_TYPE) properties.contentType = reader.shortstr()
  if (flags & CONTENT_ENCODING) properties.contentEncoding = reader.shortstr()
  if (flags & HEADERS) properties.headers = readTable(reader)
  if (flags & DELIVERY_MODE) properties.deliveryMode = reader.u8()
  if (flags & PRIORITY) properties.priority = reader.u8()
  if (flags & CORRELATION_ID) properties.correlationId = reader.shortstr()
  if (flags & REPLY_TO) properties.replyTo = reader.shortstr()
  if (flags & EXPIRATION) properties.expiration = reader.shortstr()
  if (flags & MESSAGE_ID) properties.messageId = reader.shortstr()
  if (flags & TIMESTAMP) properties.timestamp = reader.u64()
  if (flags & TYPE) properties.type = reader.shortstr()
  if (flags & USER_ID) properties.userId = reader.shortstr()
  if (flags & APP_ID) properties.appId = reader.shortstr()
  if (flags & CLUSTER_ID) properties.clusterId = reader.shortstr()
  if (reader.left > 0) throw new WireError(502, `the content header has ${reader.left} bytes too many`)
  return properties
}

/** Flags and list, as they stand in a content header frame after the body size. */
export function writeProperties(properties: Properties): Buffer {
  const writer = new ByteWriter()
  writer.u16(flagsOf(properties))
  if (properties.contentType !== undefined) writer.shortstr(properties.contentType)
  if (properties.contentEncoding !== undefined) writer.shortstr(properties.contentEncoding)
  if (properties.headers !== undefined) writeTable(writer, properties.headers ?? EMPTY_TABLE)
  if (properties.deliveryMode !== undefined) writer.u8(properties.deliveryMode)
  if (properties.priority !== undefined) writer.u8(properties.priority)
  if (properties.correlationId !== undefined) writer.shortstr(properties.correlationId)
  if (properties.replyTo !== undefined) writer.shortstr(properties.replyTo)
  if (properties.expiration !== undefined) writer.shortstr(properties.expiration)
  if (properties.messageId !== undefined) writer.shortstr(properties.messageId)
  if (properties.timestamp !== undefined) writer.u64(properties.timestamp)
  if (properties.type !== undefined) writer.shortstr(properties.type)
  if (properties.userId !== undefined) writer.shortstr(properties.userId)
  if (properties.appId !== undefined) writer.shortstr(properties.appId)
  if (properties.clusterId !== undefined) writer.shortstr(properties.clusterId)
  return writer.result()
}

function flagsOf(properties: Properties): number {
  return (
    (properties.contentType === undefined ? 0 : CONTENT_TYPE) |
    (properties.contentEncoding === undefined ? 0 : CONTENT_ENCODING) |
    (properties.headers === undefined ? 0 : HEADERS) |
    (properties.deliveryMode === undefined ? 0 : DELIVERY_MODE) |
    (properties.priority === undefined ? 0 : PRIORITY) |
    (properties.correlationId === undefined ? 0 : CORRELATION_ID) |
    (properties.replyTo === undefined ? 0 : REPLY_TO) |
    (properties.expiration === undefined ? 0 : EXPIRATION) |
    (properties.messageId === undefined ? 0 : MESSAGE_ID) |
    (properties.timestamp === undefined ? 0 : TIMESTAMP) |
    (properties.type === undefined ? 0 : TYPE) |
    (properties.userId === undefined ? 0 : USER_ID) |
    (properties.appId === undefined ? 0 : APP_ID) |
    (properties.clusterId === undefined ? 0 : CLUSTER_ID)
  )
}

/** Walks flags and list without reading them; the flags. Throws `WireError` 502 exactly when `readProperties` would. */
export function checkProperties(bytes: Buffer, at: number, end: number): number {
  if (end - at < 2) throw new WireError(502, 'a content header is too short')
  const flags = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  if ((flags & UNUSED) !== 0) throw new WireError(502, `the content header has the unknown flags ${flags & UNUSED}`)
  let next = at + 2
  if (flags & CONTENT_TYPE) next += 1 + (bytes[next] ?? 0)
  if (flags & CONTENT_ENCODING) next += 1 + (bytes[next] ?? 0)
  if (flags & HEADERS) {
    // A table may hold anything: it is read once here, so that nobody reads nonsense later.
    if (next > end) throw new WireError(502, 'the content header is cut short')
    const reader = new ByteReader(bytes, next, end)
    readTable(reader)
    next = reader.at
  }
  if (flags & DELIVERY_MODE) next += 1
  if (flags & PRIORITY) next += 1
  if (flags & CORRELATION_ID) next += 1 + (bytes[next] ?? 0)
  if (flags & REPLY_TO) next += 1 + (bytes[next] ?? 0)
  if (flags & EXPIRATION) next += 1 + (bytes[next] ?? 0)
  if (flags & MESSAGE_ID) next += 1 + (bytes[next] ?? 0)
  if (flags & TIMESTAMP) next += 8
  if (flags & TYPE) next += 1 + (bytes[next] ?? 0)
  if (flags & USER_ID) next += 1 + (bytes[next] ?? 0)
  if (flags & APP_ID) next += 1 + (bytes[next] ?? 0)
  if (flags & CLUSTER_ID) next += 1 + (bytes[next] ?? 0)
  if (next !== end) throw new WireError(502, `the content header ends ${end - next} bytes off`)
  return flags
}
