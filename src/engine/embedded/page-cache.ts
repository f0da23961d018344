/**
 * Recent journal bytes by page, oldest dropped first: a message that is taken soon after it came needs no read, and one
 * that is read back brings its neighbours. Deliveries get copies, so a slow consumer pins no page.
 */
import type { Content } from '../../model/message.ts'
import { CONTENT_HEADER_BYTES } from './codec.ts'
import { copyBytes } from './copy-bytes.ts'
import { crc32 } from './journal/crc32.ts'
import { getUint32 } from './journal/record-format.ts'

const PAGE_BITS = 16
const PAGE_BYTES = 1 << PAGE_BITS
/** Pages of one segment; segments are below 2^30 bytes. */
const SEGMENT_PAGES = 2 ** 15
/** Copies up to this size are cut from a common slab. */
const SLICE_BYTES_MAX = 4_096
const SLAB_BYTES = 65_536

interface Page {
  readonly bytes: Buffer
  /** Contents that stand between here and `to` are the journal's; what lies between contents need not be. */
  from: number
  to: number
  /** Came back from the disk: contents are checked before they are served. */
  readonly fromDisk: boolean
}

export interface ContentSource {
  readContent(segment: number, offset: number, length: number): Buffer
}

export class PageCache {
  readonly #source: ContentSource
  readonly #pages = new Map<number, Page>()
  readonly #pagesMax: number
  readonly #corrupt: (segment: number, offset: number) => Error
  /** Up to where the bytes of segments are complete: reads ahead stay below. */
  readonly #ends: (segment: number) => number
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #slabAt = 0
  /** Of the page dropped last: a fresh one would cost page faults. Nobody else holds it, for deliveries are copies. */
  #spare: Buffer | undefined
  #lastKey = -1
  #last: Page | undefined

  constructor(parts: {
    source: ContentSource
    cacheBytes: number
    ends: (segment: number) => number
    corrupt: (segment: number, offset: number) => Error
  }) {
    this.#source = parts.source
    this.#pagesMax = Math.max(4, Math.floor(parts.cacheBytes / PAGE_BYTES))
    this.#ends = parts.ends
    this.#corrupt = parts.corrupt
  }

  get bytes(): number {
    return this.#pages.size * PAGE_BYTES
  }

  /** Keeps journal bytes just written: `bytes[start..end)` stand at `offset` of `segment`. */
  keep(segment: number, offset: number, bytes: Buffer, start: number, end: number): void {
    let from = start
    let place = offset
    while (from < end) {
      const inPage = place & (PAGE_BYTES - 1)
      const length = Math.min(end - from, PAGE_BYTES - inPage)
      const key = segment * SEGMENT_PAGES + (place >>> PAGE_BITS)
      let page = this.#page(key)
      if (page === undefined || page.fromDisk || inPage < page.from) {
        page = { bytes: this.#takePage(), from: inPage, to: inPage, fromDisk: false }
        this.#add(key, page)
      }
      copyBytes(bytes, from, page.bytes, inPage, length)
      page.to = inPage + length
      from += length
      place += length
    }
  }

  /** A copy of the content at that place, checked if it comes from the disk. `length`: its header included. */
  content(segment: number, offset: number, length: number): Content {
    const inPage = offset & (PAGE_BYTES - 1)
    let source: Buffer | undefined
    let from = inPage
    if (inPage + length <= PAGE_BYTES) {
      const key = segment * SEGMENT_PAGES + (offset >>> PAGE_BITS)
      const page = this.#page(key) ?? this.#readAhead(key, segment, offset - inPage, inPage + length)
      if (page !== undefined && inPage >= page.from && inPage + length <= page.to) {
        source = page.bytes
        if (page.fromDisk) this.#check(source, inPage, length, segment, offset)
      }
    }
    if (source === undefined) {
      source = this.#source.readContent(segment, offset, length)
      from = 0
      this.#check(source, 0, length, segment, offset)
    }
    const bytes = length - CONTENT_HEADER_BYTES
    const headBytes = getUint32(source, from + 4)
    if (bytes > SLICE_BYTES_MAX) {
      const copy = new Uint8Array(bytes)
      source.copy(copy, 0, from + CONTENT_HEADER_BYTES, from + length)
      return { body: copy.subarray(headBytes), head: copy.subarray(0, headBytes) }
    }
    if (this.#slabAt + bytes > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabAt = 0
    }
    const at = this.#slabAt
    this.#slabAt += bytes
    copyBytes(source, from + CONTENT_HEADER_BYTES, this.#slab, at, bytes)
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

  #readAhead(key: number, segment: number, pageOffset: number, needed: number): Page | undefined {
    const length = Math.min(PAGE_BYTES, this.#ends(segment) - pageOffset)
    if (length < needed) return undefined
    const bytes = this.#source.readContent(segment, pageOffset, length)
    const page: Page = { bytes, from: 0, to: length, fromDisk: true }
    this.#add(key, page)
    return page
  }

  #check(bytes: Buffer, at: number, length: number, segment: number, offset: number): void {
    if (length < CONTENT_HEADER_BYTES || crc32(bytes, at + 4, at + length) !== getUint32(bytes, at)) {
      throw this.#corrupt(segment, offset)
    }
  }

  #page(key: number): Page | undefined {
    if (key === this.#lastKey) return this.#last
    const page = this.#pages.get(key)
    if (page === undefined) return undefined
    this.#lastKey = key
    this.#last = page
    return page
  }

  #add(key: number, page: Page): void {
    this.#pages.delete(key)
    this.#pages.set(key, page)
    this.#lastKey = key
    this.#last = page
    if (this.#pages.size <= this.#pagesMax) return
    for (const [oldest, { bytes }] of this.#pages) {
      this.#pages.delete(oldest)
      if (bytes.length === PAGE_BYTES) this.#spare = bytes
      break
    }
  }

  #takePage(): Buffer {
    const bytes = this.#spare ?? Buffer.allocUnsafeSlow(PAGE_BYTES)
    this.#spare = undefined
    return bytes
  }
}

const EMPTY = new Uint8Array(0)
/** Nearly every head is one byte: a view of its own for each would cost more than its message's copy. */
const shortHeads = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
