/**
 * Reads segments back. The rules of what is damage and what is a torn tail live here:
 *
 * - A segment that ends in a roll record was synced as a whole before the next one got its first byte. So only one segment can be torn: the
 *   last that has records, and everything after it must be untouched.
 * - In that one, a bad record is a torn tail, unless some marker behind it (in a later write) says that the place had been synced.
 *   Then it is damage, as is any bad record anywhere else, and a loud refusal is the only honest answer.
 * - What lies behind the cut stays there, as does what a recycled file held before: no record passes behind others than those it was
 *   written behind (record-format.ts).
 */
import { SpindleError } from '../../../model/errors.ts'
import type { Disk, DiskFile } from '../../../runtime/disk.ts'
import type { Position } from './position.ts'
import {
  decodeSegmentHeader,
  getUint32,
  INTERNAL_KIND_FROM,
  isUnsaltedHeader,
  KIND_ROLL,
  KIND_SEGMENTS,
  MARKER_MAGIC,
  MARKER_PAYLOAD_BYTES,
  originOf,
  RECORD_HEADER_BYTES,
  readMarker,
  recordCrc,
  SEGMENT_HEADER_BYTES,
  segmentSeed,
} from './record-format.ts'

/**
 * Called for each record in order. The payload is `bytes[start..end)`; do not keep `bytes`. The payload begins at
 * `offset` of `segment`, so content at `bytes[p]` is at file offset `offset + (p - start)`.
 */
export type OnRecord = (
  kind: number,
  bytes: Buffer,
  start: number,
  end: number,
  segment: number,
  offset: number,
) => void

export interface SegmentFile {
  readonly id: number
  readonly path: string
  readonly file: DiskFile
  readonly bytes: number
  readonly salt: number
}

/** One read; between two of them the event loop turns. */
const READ_SLICE_BYTES = 1_048_576

export type SegmentEnd =
  /** It says which segment follows, in the record that ends at `offset`. */
  | { readonly kind: 'rolled'; readonly next: number; readonly offset: number }
  /** What stands at `offset` is no record that follows the one before, whose CRC is `before`. */
  | { readonly kind: 'open'; readonly offset: number; readonly before: number }

export function corrupt(disk: Disk, what: string): SpindleError {
  return new SpindleError('corrupt', `journal of ${disk.label}: ${what}`)
}

/** Opens a segment and checks its header and size. Rejects `corrupt`, `format-newer`, `format-older`. */
export async function openSegment(
  disk: Disk,
  place: { readonly id: number; readonly path: string },
  formatVersion: number,
): Promise<SegmentFile> {
  const { id, path } = place
  const file = await disk.open(path, 'existing')
  try {
    const bytes = await file.sizeBytes()
    const head = Buffer.alloc(SEGMENT_HEADER_BYTES)
    const whole = (await file.read(head, 0)) === head.length
    const header = whole ? decodeSegmentHeader(head) : undefined
    const isOlder = header === undefined ? whole && isUnsaltedHeader(head) : header.version < formatVersion
    if (isOlder)
      throw new SpindleError('format-older', `opening ${disk.label} (this Spindle reads format ${formatVersion})`)
    if (header === undefined) throw corrupt(disk, `the header of segment ${id} (${path}) fails its checksum`)
    if (header.version > formatVersion)
      throw new SpindleError(
        'format-newer',
        `opening ${disk.label} (format ${header.version}; this Spindle reads up to ${formatVersion})`,
      )
    if (header.segment !== id) throw corrupt(disk, `segment ${id} (${path}) says it is segment ${header.segment}`)
    if (header.bytes !== bytes)
      throw corrupt(
        disk,
        `segment ${id} (${path}) is cut: ${bytes} bytes at offset ${bytes} instead of ${header.bytes}`,
      )
    return { id, path, file, bytes, salt: header.salt }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** One segment in memory, read slice by slice as far as somebody asks. Slices share the buffer of the reader. */
export class SegmentReader {
  readonly #segment: SegmentFile
  readonly #bytes: Buffer
  readonly #seed: number
  #filled = 0
  /** CRC of the last record that passed; 0: there is none yet. */
  #before = 0

  constructor(segment: SegmentFile, buffer: Buffer) {
    this.#segment = segment
    this.#bytes = buffer.subarray(0, segment.bytes)
    this.#seed = segmentSeed(segment.id, segment.salt)
  }

  /** Replays from `from` (undefined: from the first record). `segments` hears of the lists of existing segments. */
  async replay(
    from: { readonly offset: number; readonly before: number } | undefined,
    onRecord: OnRecord,
    onSegments: (ids: number[]) => void,
  ): Promise<SegmentEnd> {
    const { id, bytes: size } = this.#segment
    const bytes = this.#bytes
    let at = from?.offset ?? SEGMENT_HEADER_BYTES
    this.#before = from?.before ?? 0
    for (;;) {
      const open = { kind: 'open', offset: at, before: this.#before } as const
      if (at + RECORD_HEADER_BYTES > size) return open
      await this.#fill(at + RECORD_HEADER_BYTES)
      const length = getUint32(bytes, at)
      const end = at + RECORD_HEADER_BYTES + length
      if (end > size) return open
      await this.#fill(end)
      // Everything read so far is replayed without a turn in between.
      const kind = this.#check(at, length)
      if (kind === undefined) return open
      const start = at + RECORD_HEADER_BYTES
      if (kind < INTERNAL_KIND_FROM) onRecord(kind, bytes, start, end, id, start)
      else if (kind === KIND_ROLL) return { kind: 'rolled', next: getUint32(bytes, start), offset: end }
      else if (kind === KIND_SEGMENTS) onSegments(readSegmentIds(bytes, start, end))
      at = end
      at = this.#replayFilled(at, onRecord)
    }
  }

  /** The markers of this segment at or behind `offset`: where each stands, and what it says was synced. */
  async markersBehind(offset: number): Promise<{ readonly at: number; readonly synced: Position }[]> {
    const { bytes: size } = this.#segment
    await this.#fill(size)
    const markers: { at: number; synced: Position }[] = []
    for (let from = offset + RECORD_HEADER_BYTES; ; ) {
      const found = this.#bytes.indexOf(MARKER_MAGIC, from)
      if (found < 0 || found + MARKER_PAYLOAD_BYTES > size) return markers
      from = found + 1
      const at = found - RECORD_HEADER_BYTES
      const synced = readMarker(this.#seed, at, this.#bytes, found)
      if (synced !== undefined) markers.push({ at, synced })
    }
  }

  /** Writes what was read of `[from, to)` once more to where it stands, durably. */
  async writeAgain(from: number, to: number): Promise<void> {
    await this.#fill(to)
    const { file } = this.#segment
    if (to > from) await file.write(this.#bytes.subarray(from, to), from)
    await file.datasync()
  }

  /** Replays the ordinary records that are wholly in memory; returns where it stopped. */
  #replayFilled(from: number, onRecord: OnRecord): number {
    const bytes = this.#bytes
    const { id } = this.#segment
    let at = from
    while (at + RECORD_HEADER_BYTES <= this.#filled) {
      const length = getUint32(bytes, at)
      const kind = bytes[at + 8] as number
      const start = at + RECORD_HEADER_BYTES
      if (start + length > this.#filled || kind === KIND_ROLL || kind === KIND_SEGMENTS) break
      if (this.#check(at, length) === undefined) break
      at = start + length
      if (kind < INTERNAL_KIND_FROM) onRecord(kind, bytes, start, at, id, start)
    }
    return at
  }

  /** The kind of the record, or undefined when it is none that follows the one before. It is in memory as a whole. */
  #check(at: number, length: number): number | undefined {
    const bytes = this.#bytes
    const kind = getUint32(bytes, at + 8)
    if (kind === 0 || kind > 255) return undefined
    const crc = getUint32(bytes, at + 4)
    if (crc !== recordCrc(originOf(this.#seed, this.#before), at, bytes, at, length)) return undefined
    this.#before = crc
    return kind
  }

  async #fill(end: number): Promise<void> {
    while (this.#filled < end) {
      const from = this.#filled
      const slice = this.#bytes.subarray(from, Math.min(from + READ_SLICE_BYTES, this.#segment.bytes))
      const count = await this.#segment.file.read(slice, from)
      if (count < slice.length) throw new Error(`segment ${this.#segment.id} shrank while it was read`)
      this.#filled = from + count
    }
  }
}

function readSegmentIds(bytes: Buffer, start: number, end: number): number[] {
  const ids: number[] = []
  for (let at = start; at + 4 <= end; at += 4) ids.push(getUint32(bytes, at))
  return ids
}
