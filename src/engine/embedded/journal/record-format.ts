/**
 * The bytes of a segment. Numbers are little-endian.
 *
 *     segment   0      8         12        16       20     24                      4096
 *               | magic | version | segment | bytes | crc | zeros ...              | records ... | zeros to `bytes` |
 *
 *     record    0        4     8      9        12
 *               | length | crc | kind | zeros  | payload (length bytes) |
 *
 * A record's CRC covers the segment number, its own offset, its length, its kind and its payload, so that a record read from
 * the wrong place never passes. Twelve zero bytes say: nothing was written from here on.
 *
 * Kinds from 240 belong to the journal itself:
 * - marker, first in every write: magic, and the place up to which everything was on stable storage when it was made. A bad
 *   record before that place is damage; one behind it is a torn tail.
 * - roll, last in every segment but the one in use: the number of the next. It is synced before anything is written there.
 * - segments: every segment that exists from now on; written before one is deleted.
 */
import { CRC_START, crcFeed, crcFeedUint32, crcFeedView } from './crc32.ts'

export const SEGMENT_HEADER_BYTES = 4_096
export const RECORD_HEADER_BYTES = 12

export const INTERNAL_KIND_FROM = 240
export const KIND_MARKER = 240
export const KIND_ROLL = 241
export const KIND_SEGMENTS = 242

export const MARKER_MAGIC = Buffer.from('\u0002spindl\u0003', 'latin1')
export const MARKER_PAYLOAD_BYTES = 16
export const MARKER_BYTES = RECORD_HEADER_BYTES + MARKER_PAYLOAD_BYTES
const ROLL_PAYLOAD_BYTES = 4
export const ROLL_BYTES = RECORD_HEADER_BYTES + ROLL_PAYLOAD_BYTES
/** What a segment needs besides its one record, so that any record fits into an empty segment of its size plus this. */
export const SEGMENT_OVERHEAD_BYTES = SEGMENT_HEADER_BYTES + MARKER_BYTES + ROLL_BYTES
/** A record, and so a segment, stays below what 32 bits can say. */
export const RECORD_PAYLOAD_BYTES_MAX = 2 ** 30

const SEGMENT_MAGIC = Buffer.from('SPINDLEJ', 'latin1')
const HEADER_CRC_AT = 20

/** The running CRC that all records of a segment start from. */
export function segmentSeed(segment: number): number {
  return crcFeedUint32(CRC_START, segment)
}

/** The CRC of the record at file place `offset` whose header begins at `bytes[at]`. `length`: of its payload. */
export function recordCrc(seed: number, offset: number, bytes: Buffer, at: number, length: number): number {
  return ~crcFeed(seedOf(seed, offset, length), bytes, at + 8, at + RECORD_HEADER_BYTES + length) >>> 0
}

/** Where and how long it is comes first, so that it passes nowhere else. */
function seedOf(seed: number, offset: number, length: number): number {
  return crcFeedUint32(crcFeedUint32(seed, offset), length)
}

export function putUint32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

export function getUint32(bytes: Buffer, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  )
}

/** Memory in which records are made. */
export interface RecordMemory {
  readonly bytes: Buffer
  readonly view: DataView
}

/** Fills in the header of a record whose payload is in place already. */
export function sealRecord(
  seed: number,
  offset: number,
  { bytes, view }: RecordMemory,
  at: number,
  kind: number,
  length: number,
): void {
  view.setUint32(at, length, true)
  view.setUint32(at + 8, kind, true)
  const crc = crcFeedView(seedOf(seed, offset, length), bytes, view, at + 8, at + RECORD_HEADER_BYTES + length)
  view.setUint32(at + 4, ~crc, true)
}

export function putMarker(
  seed: number,
  offset: number,
  memory: RecordMemory,
  at: number,
  synced: { segment: number; offset: number },
): void {
  const { bytes } = memory
  MARKER_MAGIC.copy(bytes, at + RECORD_HEADER_BYTES)
  putUint32(bytes, at + RECORD_HEADER_BYTES + 8, synced.segment)
  putUint32(bytes, at + RECORD_HEADER_BYTES + 12, synced.offset)
  sealRecord(seed, offset, memory, at, KIND_MARKER, MARKER_PAYLOAD_BYTES)
}

export function putRoll(seed: number, offset: number, memory: RecordMemory, at: number, next: number): void {
  putUint32(memory.bytes, at + RECORD_HEADER_BYTES, next)
  sealRecord(seed, offset, memory, at, KIND_ROLL, ROLL_PAYLOAD_BYTES)
}

export interface SegmentHeader {
  readonly version: number
  readonly segment: number
  readonly bytes: number
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  SEGMENT_MAGIC.copy(bytes)
  bytes.writeUInt32LE(header.version, 8)
  bytes.writeUInt32LE(header.segment, 12)
  bytes.writeUInt32LE(header.bytes, 16)
  bytes.writeUInt32LE(~crcFeed(CRC_START, bytes, 0, HEADER_CRC_AT) >>> 0, HEADER_CRC_AT)
  return bytes
}

/** undefined: damaged. The zeros behind the header are part of the check. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  const header = {
    version: bytes.readUInt32LE(8),
    segment: bytes.readUInt32LE(12),
    bytes: bytes.readUInt32LE(16),
  }
  return encodeSegmentHeader(header).equals(bytes) ? header : undefined
}

/** The smallest segment that takes a record of that size. */
export function segmentBytesFor(payloadBytes: number): number {
  return payloadBytes + RECORD_HEADER_BYTES + SEGMENT_OVERHEAD_BYTES
}
