/** Reads back what the journal holds: from memory as far as it is recent, else from the files of its segments. */
import type { Disk } from '../../../runtime/disk.ts'
import { corrupt } from './recovery.ts'
import type { SegmentTable } from './segment-table.ts'
import type { Sheet, Sheets } from './sheets.ts'
import type { JournalWriter } from './writer.ts'

export class StoredBytes {
  readonly #disk: Disk
  readonly #sheets: Sheets
  readonly #table: SegmentTable
  readonly #writer: JournalWriter

  constructor(parts: { disk: Disk; sheets: Sheets; table: SegmentTable; writer: JournalWriter }) {
    this.#disk = parts.disk
    this.#sheets = parts.sheets
    this.#table = parts.table
    this.#writer = parts.writer
  }

  /** The bytes in memory that hold all of `[offset, offset + length)`, when they are recent. They change once newer ones need the memory: copy what is kept. */
  recent(segment: number, offset: number, length: number): Sheet | undefined {
    return this.#sheets.find(segment, offset, length)
  }

  /** A copy of `length` bytes, from memory as far as they are there, else by a blocking read. Unverified: keep a CRC beside what must be checked. */
  readContent(segment: number, offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    const sheet = this.#sheets.find(segment, offset, length)
    if (sheet === undefined) this.#readFile(segment, offset, bytes)
    this.#sheets.overlay(bytes, segment, offset)
    return bytes
  }

  /** Up to where a segment is written. */
  writtenBytes(segment: number): number {
    const { segment: writing, offset } = this.#writer.writtenTo
    if (segment > writing) return 0
    return segment === writing ? offset : this.#table.bytesOf(segment)
  }

  #readFile(segment: number, offset: number, bytes: Buffer): void {
    const file = this.#table.find(segment)
    // A segment that is no file yet holds nothing but what is in memory.
    if (file === undefined && this.#table.has(segment)) return
    if (this.#table.fileOf(segment).file.readSync(bytes, offset) < bytes.length)
      throw corrupt(this.#disk, `segment ${segment} ends before offset ${offset + bytes.length}`)
  }
}
