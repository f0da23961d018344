/**
 * The bytes of a segment. Numbers are little-endian.
 *
 *     segment   0       8         12        16      20     24    28           4096
 *               | magic | version | segment | bytes | salt | crc | zeros ... | records ... | zeros or older bytes to `bytes` |
 *                 and once more from 2048 on, in a sector of its own
 *
 *     record    0        4     8      9        12
 *               | length | crc | kind | zeros  | payload (length bytes) |
 *
 * A record's CRC begins with segment number, salt and the CRC of the record before it, and covers its own offset, length, kind and
 * payload. So a record passes only in its place and behind exactly the records it was written behind: neither what a recycled file
 * held before, nor what a write that was cut off left further on. The salt is drawn when a file becomes a segment: whoever wrote what it
 * held before could not know it.
 *
 * Kinds from 240 belong to the journal itself:
 * - marker, first in every write: magic, the place up to which everything was on stable storage when it was made, and a check of its own
 *   that needs no record before it. A bad record before that place is damage; one behind it is a torn tail.
 * - roll, last in every segment but the one in use: the number of the next. It is synced before anything is written there.
 * - segments: every segment that exists from now on; written before one is deleted.
 */
import { CRC_START, crcFeed, crcFeedUint32, crcFeedView } from './crc32.ts'
import type { Position } from './position.ts'

export const SEGMENT_HEADER_BYTES = 4_096
export const RECORD_HEADER_BYTES = 12

export const INTERNAL_KIND_FROM = 240
export const KIND_MARKER = 240
export const KIND_ROLL = 241
export const KIND_SEGMENTS = 242

export const MARKER_MAGIC = Buffer.from('\u0002spindl\u0003', 'latin1')
export const MARKER_PAYLOAD_BYTES = 20
export const MARKER_BYTES = RECORD_HEADER_BYTES + MARKER_PAYLOAD_BYTES
const ROLL_PAYLOAD_BYTES = 4
export const ROLL_BYTES = RECORD_HEADER_BYTES + ROLL_PAYLOAD_BYTES
/** What a segment needs besides its one record, so that any record fits into an empty segment of its size plus this. */
export const SEGMENT_OVERHEAD_BYTES = SEGMENT_HEADER_BYTES + MARKER_BYTES + ROLL_BYTES
/** A record, and so a segment, stays below what 32 bits can say. */
export const RECORD_PAYLOAD_BYTES_MAX = 2 ** 30

const SEGMENT_MAGIC = Buffer.from('SPINDLEJ', 'latin1')
const HEADER_CRC_AT = 24
const HEADER_COPY_AT = 2_048
/** Of the format before salts. */
const UNSALTED_CRC_AT = 20

/** `durable`: asks for a sync. `relaxed`: written only (leases, extends, relaxed appends). */
export type RecordDurability = 'durable' | 'relaxed'
/** `append` records may not use the segment that is held back for a full disk; `settle` ones (lease, settle, drop, copy) may. */
export type RecordRoom = 'append' | 'settle'

/** What binds records and markers to a segment and to this life of its file. */
export function segmentSeed(segment: number, salt: number): number {
  return crcFeedUint32(crcFeedUint32(CRC_START, segment), salt)
}

/** What a record follows: in the segment of that seed, one with the CRC `before` (0: none). */
export function originOf(seed: number, before: number): number {
  return seed ^ before
}

/** The CRC of the record at file place `offset` whose header begins at `bytes[at]`. `length`: of its payload. */
export function recordCrc(origin: number, offset: number, bytes: Buffer, at: number, length: number): number {
  return ~crcFeed(startOf(origin, offset, length), bytes, at + 8, at + RECORD_HEADER_BYTES + length) >>> 0
}

/** Behind what, where and how long it is comes first, so that it passes nowhere else. */
function startOf(origin: number, offset: number, length: number): number {
  return crcFeedUint32(crcFeedUint32(origin, offset), length)
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

/** Fills in the header of a record whose payload is in place already. Returns its CRC, which the next one follows. */
export function sealRecord(
  origin: number,
  offset: number,
  { bytes, view }: RecordMemory,
  at: number,
  kind: number,
  length: number,
): number {
  view.setUint32(at, length, true)
  view.setUint32(at + 8, kind, true)
  const crc = ~crcFeedView(startOf(origin, offset, length), bytes, view, at + 8, at + RECORD_HEADER_BYTES + length)
  view.setUint32(at + 4, crc, true)
  return crc
}

/** `seed`: of the segment. Returns the marker's CRC. */
export function putMarker(
  { seed, before }: { readonly seed: number; readonly before: number },
  offset: number,
  memory: RecordMemory,
  at: number,
  synced: Position,
): number {
  const { bytes } = memory
  const start = at + RECORD_HEADER_BYTES
  MARKER_MAGIC.copy(bytes, start)
  putUint32(bytes, start + 8, synced.segment)
  putUint32(bytes, start + 12, synced.offset)
  putUint32(bytes, start + 16, markerCheck(seed, offset, synced))
  return sealRecord(originOf(seed, before), offset, memory, at, KIND_MARKER, MARKER_PAYLOAD_BYTES)
}

/** What the marker at file place `offset` says was synced; undefined: it is none of this segment. `start`: of its payload in `bytes`. */
export function readMarker(seed: number, offset: number, bytes: Buffer, start: number): Position | undefined {
  const synced = { segment: getUint32(bytes, start + 8), offset: getUint32(bytes, start + 12) }
  return getUint32(bytes, start + 16) === markerCheck(seed, offset, synced) ? synced : undefined
}

function markerCheck(seed: number, offset: number, synced: Position): number {
  return ~crcFeedUint32(crcFeedUint32(crcFeedUint32(seed, offset), synced.segment), synced.offset) >>> 0
}

export function putRoll(origin: number, offset: number, memory: RecordMemory, at: number, next: number): void {
  putUint32(memory.bytes, at + RECORD_HEADER_BYTES, next)
  sealRecord(origin, offset, memory, at, KIND_ROLL, ROLL_PAYLOAD_BYTES)
}

export interface SegmentHeader {
  readonly version: number
  readonly segment: number
  readonly bytes: number
  readonly salt: number
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  SEGMENT_MAGIC.copy(bytes)
  bytes.writeUInt32LE(header.version, 8)
  bytes.writeUInt32LE(header.segment, 12)
  bytes.writeUInt32LE(header.bytes, 16)
  bytes.writeUInt32LE(header.salt, 20)
  bytes.writeUInt32LE(~crcFeed(CRC_START, bytes, 0, HEADER_CRC_AT) >>> 0, HEADER_CRC_AT)
  bytes.copy(bytes, HEADER_COPY_AT, 0, HEADER_CRC_AT + 4)
  return bytes
}

/** undefined: damaged. The zeros behind the header are part of the check. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  const header = headerAt(bytes, 0)
  return encodeSegmentHeader(header).equals(bytes) ? header : undefined
}

/** What one of its copies still says of a damaged header; undefined: nothing. */
export function restOfSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  for (const at of [0, HEADER_COPY_AT]) {
    const crc = ~crcFeed(CRC_START, bytes, at, at + HEADER_CRC_AT) >>> 0
    const isWhole = bytes.subarray(at, at + SEGMENT_MAGIC.length).equals(SEGMENT_MAGIC)
    if (isWhole && bytes.readUInt32LE(at + HEADER_CRC_AT) === crc) return headerAt(bytes, at)
  }
  return undefined
}

function headerAt(bytes: Buffer, at: number): SegmentHeader {
  return {
    version: bytes.readUInt32LE(at + 8),
    segment: bytes.readUInt32LE(at + 12),
    bytes: bytes.readUInt32LE(at + 16),
    salt: bytes.readUInt32LE(at + 20),
  }
}

/** Is it a whole header of the format whose records were not chained? */
export function isUnsaltedHeader(bytes: Buffer): boolean {
  const crc = ~crcFeed(CRC_START, bytes, 0, UNSALTED_CRC_AT) >>> 0
  return bytes.subarray(0, SEGMENT_MAGIC.length).equals(SEGMENT_MAGIC) && bytes.readUInt32LE(UNSALTED_CRC_AT) === crc
}

/** The smallest segment that takes a record of that size. */
export function segmentBytesFor(payloadBytes: number): number {
  return payloadBytes + RECORD_HEADER_BYTES + SEGMENT_OVERHEAD_BYTES
}
