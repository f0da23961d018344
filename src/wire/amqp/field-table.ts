/**
 * Field tables with RabbitMQ's types (its errata to section 4.2.1), kept with their type so that a table that is read and written
 * again has the same bytes.
 *
 *   table: | u32 bytes | name shortstr | type octet | value | name … |
 *   array: | u32 bytes | type octet | value | type octet … |
 */
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { WireError } from './protocol.ts'

export type FieldValue =
  | { readonly type: 't'; readonly value: boolean }
  /** int8, uint8, int16, uint16, int32, uint32, float, double. */
  | { readonly type: 'b' | 'B' | 's' | 'u' | 'I' | 'i' | 'f' | 'd'; readonly value: number }
  /** int64, uint64, timestamp in seconds. */
  | { readonly type: 'l' | 'L' | 'T'; readonly value: bigint }
  /** value / 10^scale. */
  | { readonly type: 'D'; readonly scale: number; readonly value: number }
  /** Long string (mostly UTF-8), byte array. */
  | { readonly type: 'S' | 'x'; readonly value: Uint8Array }
  | { readonly type: 'A'; readonly value: readonly FieldValue[] }
  | { readonly type: 'F'; readonly value: FieldTable }
  | { readonly type: 'V' }

/** A Map: no name in it can be mistaken for a property of an object. A name that comes twice has its last value. */
export type FieldTable = ReadonlyMap<string, FieldValue>

export const EMPTY_TABLE: FieldTable = new Map()

/** Tables and arrays within each other. */
const DEPTH_MAX = 32
/** Values of one table, those of inner ones included. */
const VALUES_MAX = 16_384

interface Budget {
  values: number
}

/** Throws `WireError` 502 for an unknown type, depth over 32, over 16,384 values, or lengths that do not fit. */
export function readTable(reader: ByteReader): FieldTable {
  return tableWithin(reader, 1, { values: VALUES_MAX })
}

function tableWithin(reader: ByteReader, depth: number, budget: Budget): FieldTable {
  const inner = reader.range(reader.u32())
  if (inner.left === 0) return EMPTY_TABLE
  checkDepth(depth)
  const table = new Map<string, FieldValue>()
  while (inner.left > 0) table.set(inner.shortstr(), readValue(inner, depth, budget))
  return table
}

function readValue(reader: ByteReader, depth: number, budget: Budget): FieldValue {
  if (--budget.values < 0) throw new WireError(502, `a table has more than ${VALUES_MAX} values`)
  const type = String.fromCharCode(reader.u8())
  switch (type) {
    case 't':
      return { type, value: reader.u8() !== 0 }
    case 'b':
      return { type, value: reader.i8() }
    case 'B':
      return { type, value: reader.u8() }
    case 's':
      return { type, value: reader.i16() }
    case 'u':
      return { type, value: reader.u16() }
    case 'I':
      return { type, value: reader.i32() }
    case 'i':
      return { type, value: reader.u32() }
    case 'f':
      return { type, value: reader.f32() }
    case 'd':
      return { type, value: reader.f64() }
    case 'l':
      return { type, value: reader.i64() }
    case 'L':
    case 'T':
      return { type, value: reader.u64() }
    case 'D':
      return { type, scale: reader.u8(), value: reader.i32() }
    case 'S':
    case 'x':
      return { type, value: reader.longstr() }
    case 'A':
      return { type, value: arrayWithin(reader, depth + 1, budget) }
    case 'F':
      return { type, value: tableWithin(reader, depth + 1, budget) }
    case 'V':
      return { type }
    default:
      throw new WireError(502, `a table has a value of the unknown type ${JSON.stringify(type)}`)
  }
}

function arrayWithin(reader: ByteReader, depth: number, budget: Budget): readonly FieldValue[] {
  checkDepth(depth)
  const inner = reader.range(reader.u32())
  const values: FieldValue[] = []
  while (inner.left > 0) values.push(readValue(inner, depth, budget))
  return values
}

function checkDepth(depth: number): void {
  if (depth > DEPTH_MAX) throw new WireError(502, `a table is deeper than ${DEPTH_MAX}`)
}

export function writeTable(writer: ByteWriter, table: FieldTable): void {
  const length = writer.reserveLength()
  for (const [name, value] of table) {
    writer.shortstr(name)
    writeValue(writer, value)
  }
  writer.fillLength(length)
}

function writeValue(writer: ByteWriter, field: FieldValue): void {
  writer.u8(field.type.charCodeAt(0))
  switch (field.type) {
    case 't':
      writer.u8(field.value ? 1 : 0)
      break
    case 'b':
      writer.i8(field.value)
      break
    case 'B':
      writer.u8(field.value)
      break
    case 's':
      writer.i16(field.value)
      break
    case 'u':
      writer.u16(field.value)
      break
    case 'I':
      writer.i32(field.value)
      break
    case 'i':
      writer.u32(field.value)
      break
    case 'f':
      writer.f32(field.value)
      break
    case 'd':
      writer.f64(field.value)
      break
    case 'l':
      writer.i64(field.value)
      break
    case 'L':
    case 'T':
      writer.u64(field.value)
      break
    case 'D':
      writer.u8(field.scale)
      writer.i32(field.value)
      break
    case 'S':
    case 'x':
      writer.longstr(field.value)
      break
    case 'A': {
      const length = writer.reserveLength()
      for (const value of field.value) writeValue(writer, value)
      writer.fillLength(length)
      break
    }
    case 'F':
      writeTable(writer, field.value)
      break
    case 'V':
      break
    default:
      field satisfies never
  }
}

/** What fields made here are: text, whole numbers (int32 or int64), booleans, tables. */
export function fieldOf(value: string | number | boolean | Uint8Array | FieldTable): FieldValue {
  if (typeof value === 'string') return { type: 'S', value: Buffer.from(value) }
  if (typeof value === 'boolean') return { type: 't', value }
  if (value instanceof Uint8Array) return { type: 'x', value }
  if (typeof value !== 'number') return { type: 'F', value }
  if (!Number.isInteger(value) || Object.is(value, -0) || !Number.isSafeInteger(value)) return { type: 'd', value }
  return value >= -2_147_483_648 && value <= 2_147_483_647 ? { type: 'I', value } : { type: 'l', value: BigInt(value) }
}

/** A table of such fields. */
export function tableOf(fields: Readonly<Record<string, string | number | boolean | FieldTable>>): FieldTable {
  return new Map(Object.entries(fields).map(([name, value]) => [name, fieldOf(value)]))
}

/** The text of a string field; undefined for every other type. */
export function textOf(field: FieldValue | undefined): string | undefined {
  if (field?.type !== 'S') return undefined
  const { value } = field
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
}
