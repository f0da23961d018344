/** Reads contents and blobs back and checks them, in the order of the files where callers ask in it. */
import type { Content } from '../../../model/message.ts'
import type { DiskFile } from '../../../runtime/disk.ts'
import { CONTENT_HEADER_BYTES } from '../codec.ts'
import { crc32 } from '../journal/crc32.ts'
import type { Place } from './effects.ts'

const WINDOW_BYTES = 1_048_576

export class Contents {
  readonly #files: ReadonlyMap<number, DiskFile>
  #window = Buffer.alloc(0)
  #segment = 0
  #from = 0

  /** `files`: the segments that can be read, by id. */
  constructor(files: ReadonlyMap<number, DiskFile>) {
    this.#files = files
  }

  /** undefined: its segment is gone or cut, or it fails its check. */
  read({ segment, offset, length }: Place): Content | undefined {
    if (length < CONTENT_HEADER_BYTES) return undefined
    const bytes = this.#bytes(segment, offset, length)
    if (bytes === undefined || bytes.length < length) return undefined
    const headBytes = bytes.readUInt32LE(4)
    const bodyBytes = bytes.readUInt32LE(8)
    if (CONTENT_HEADER_BYTES + headBytes + bodyBytes !== length) return undefined
    if (crc32(bytes, 4, length) !== bytes.readUInt32LE(0)) return undefined
    const whole = new Uint8Array(bytes.subarray(CONTENT_HEADER_BYTES, length))
    return { head: whole.subarray(0, headBytes), body: whole.subarray(headBytes) }
  }

  #bytes(segment: number, offset: number, length: number): Buffer | undefined {
    const file = this.#files.get(segment)
    if (file === undefined) return undefined
    const inside =
      segment === this.#segment && offset >= this.#from && offset + length <= this.#from + this.#window.length
    if (!inside) {
      const window = Buffer.allocUnsafe(Math.max(length, WINDOW_BYTES))
      this.#window = window.subarray(0, file.readSync(window, offset))
      this.#segment = segment
      this.#from = offset
    }
    return this.#window.subarray(offset - this.#from, offset - this.#from + length)
  }
}
