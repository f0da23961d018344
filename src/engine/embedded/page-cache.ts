/**
 * Contents, from the journal's memory or by pages of its files, oldest dropped first: one that is read back brings its
 * neighbours. Deliveries get copies, so a slow consumer pins no page.
 */
import type { Content } from '../../model/message.ts'
import { CONTENT_HEADER_BYTES } from './codec.ts'
import { copyBytes, copyViewed } from './copy-bytes.ts'
import { crc32 } from './journal/crc32.ts'
import { getUint32 } from './journal/record-format.ts'

const PAGE_BITS = 16
const PAGE_BYTES = 1 << PAGE_BITS
/** Pages of one segment; segments are below 2^30 bytes. */
const SEGMENT_PAGES = 2 ** 15
/** Copies up to this size are cut from a common slab. */
const SLICE_BYTES_MAX = 4_096
const SLAB_BYTES = 65_536
const VIEWED_BYTES_MAX = 384

export interface ContentSource {
  /** What holds all of it in memory, as it was written. */
  recent(
    segment: number,
    offset: number,
    length: number,
  ): { bytes: Buffer; view: DataView; fileOffset: number } | undefined
  /** Up to where a segment may be read ahead. */
  writtenBytes(segment: number): number
  readContent(segment: number, offset: number, length: number): Buffer
}

export class PageCache {
  readonly #source: ContentSource
  /** Oldest first. */
  readonly #pages = new Map<number, Buffer>()
  readonly #pagesMax: number
  readonly #corrupt: (segment: number, offset: number) => Error
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #slabView: DataView = new DataView(this.#slab.buffer)
  #slabAt = 0
  #lastKey = -1
  #last: Buffer | undefined

  constructor(parts: {
    source: ContentSource
    cacheBytes: number
    corrupt: (segment: number, offset: number) => Error
  }) {
    this.#source = parts.source
    this.#pagesMax = Math.max(4, Math.floor(parts.cacheBytes / PAGE_BYTES))
    this.#corrupt = parts.corrupt
  }

  get bytes(): number {
    return this.#pages.size * PAGE_BYTES
  }

  /** A copy of the content at that place, checked if it comes from the disk. `length`: its header included. */
  content(segment: number, offset: number, length: number): Content {
    const sheet = this.#source.recent(segment, offset, length)
    if (sheet !== undefined) return this.#copy(sheet.bytes, sheet.view, offset - sheet.fileOffset, length)
    const inPage = offset & (PAGE_BYTES - 1)
    const key = segment * SEGMENT_PAGES + (offset >>> PAGE_BITS)
    const page = this.#page(key)
    const held = page !== undefined && inPage + length <= page.length
    const whole = held ? page : this.#readAhead(key, segment, offset - inPage, inPage + length)
    if (whole !== undefined) {
      this.#check(whole, inPage, length, segment, offset)
      return this.#copy(whole, undefined, inPage, length)
    }
    const alone = this.#source.readContent(segment, offset, length)
    this.#check(alone, 0, length, segment, offset)
    return this.#copy(alone, undefined, 0, length)
  }

  #copy(source: Buffer, view: DataView | undefined, from: number, length: number): Content {
    const bytes = length - CONTENT_HEADER_BYTES
    const headBytes = getUint32(source, from + 4)
    if (bytes > SLICE_BYTES_MAX) {
      const copy = new Uint8Array(bytes)
      source.copy(copy, 0, from + CONTENT_HEADER_BYTES, from + length)
      return { body: copy.subarray(headBytes), head: copy.subarray(0, headBytes) }
    }
    if (this.#slabAt + bytes > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabView = new DataView(this.#slab.buffer)
      this.#slabAt = 0
    }
    const at = this.#slabAt
    this.#slabAt += bytes
    if (view !== undefined && bytes <= VIEWED_BYTES_MAX) {
      copyViewed(view, from + CONTENT_HEADER_BYTES, this.#slabView, at, bytes)
    } else copyBytes(source, from + CONTENT_HEADER_BYTES, this.#slab, at, bytes)
    const { buffer } = this.#slab
    const body = new Uint8Array(buffer, at + headBytes, bytes - headBytes)
    if (headBytes > 1) return { body, head: new Uint8Array(buffer, at, headBytes) }
    return { body, head: headBytes === 0 ? EMPTY : (shortHeads[this.#slab[at] as number] as Uint8Array) }
  }

  /** The whole of it, header and all, without a trace in the cache: for what is read once. */
  readOnce(segment: number, offset: number, length: number): Uint8Array {
    const bytes = this.#source.readContent(segment, offset, length)
    this.#check(bytes, 0, length, segment, offset)
    return bytes
  }

  /** Drops the pages of a segment that is deleted. */
  forget(segment: number): void {
    for (const key of this.#pages.keys()) if (Math.floor(key / SEGMENT_PAGES) === segment) this.#pages.delete(key)
    this.#lastKey = -1
    this.#last = undefined
  }

  #readAhead(key: number, segment: number, pageOffset: number, needed: number): Buffer | undefined {
    const length = Math.min(PAGE_BYTES, this.#source.writtenBytes(segment) - pageOffset)
    if (length < needed) return undefined
    const page = this.#source.readContent(segment, pageOffset, length)
    this.#add(key, page)
    return page
  }

  #check(bytes: Buffer, at: number, length: number, segment: number, offset: number): void {
    if (length < CONTENT_HEADER_BYTES || crc32(bytes, at + 4, at + length) !== getUint32(bytes, at)) {
      throw this.#corrupt(segment, offset)
    }
  }

  #page(key: number): Buffer | undefined {
    if (key === this.#lastKey) return this.#last
    const page = this.#pages.get(key)
    if (page === undefined) return undefined
    this.#lastKey = key
    this.#last = page
    return page
  }

  #add(key: number, page: Buffer): void {
    this.#pages.delete(key)
    this.#pages.set(key, page)
    this.#lastKey = key
    this.#last = page
    if (this.#pages.size <= this.#pagesMax) return
    for (const oldest of this.#pages.keys()) {
      this.#pages.delete(oldest)
      break
    }
  }
}

const EMPTY = new Uint8Array(0)
/** Nearly every head is one byte: a view of its own for each would cost more than its message's copy. */
const shortHeads = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
