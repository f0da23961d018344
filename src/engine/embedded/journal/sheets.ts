/**
 * Journal bytes in memory, as they stand or will stand in their segment. Records are made in the newest sheet; older ones go on
 * serving what they hold until their memory is needed, so a message that is taken soon after it came needs no read and was
 * never copied to a cache.
 *
 * A sheet is let go only when all of it is written: what is not in a file yet is always here.
 */

/** Enough for some thousand small records; a larger record gets a sheet of its own. */
const SHEET_BYTES_MAX = 1_048_576
const SHEET_BYTES_MIN = 65_536
/** Buffers of sheets let go that wait for use: a fresh one would cost page faults on the hot path. */
const IDLE_MAX = 2

export interface Sheet {
  readonly segment: number
  /** File place of its first byte. */
  readonly fileOffset: number
  readonly bytes: Buffer
  readonly view: DataView
  /** Bytes that are records. */
  used: number
  /** Of these, how many are written. */
  written: number
}

export class Sheets {
  /** Of a common sheet. */
  readonly sheetBytes: number
  readonly #bytesMax: number
  readonly #recent: Sheet[] = []
  readonly #idle: Pick<Sheet, 'bytes' | 'view'>[] = []
  #bytes = 0
  #last: Sheet | undefined

  /** `bytesMax`: kept when there is no need to keep more, at least two sheets. */
  constructor(bytesMax: number) {
    this.sheetBytes = Math.min(SHEET_BYTES_MAX, Math.max(SHEET_BYTES_MIN, Math.floor(bytesMax / 4)))
    this.#bytesMax = Math.max(bytesMax, 2 * this.sheetBytes)
  }

  /** A sheet for what comes at that place, with room for a record of `bytes`. */
  open(segment: number, fileOffset: number, bytes: number): Sheet {
    const memory = bytes > this.sheetBytes ? fresh(bytes) : (this.#idle.pop() ?? fresh(this.sheetBytes))
    const sheet: Sheet = { segment, fileOffset, bytes: memory.bytes, view: memory.view, used: 0, written: 0 }
    this.#recent.push(sheet)
    this.#bytes += sheet.bytes.length
    this.#letGo()
    return sheet
  }

  /** The sheet that holds all of it; undefined: a part of it is older, or was never made. */
  find(segment: number, offset: number, length: number): Sheet | undefined {
    const last = this.#last
    if (last !== undefined && holds(last, segment, offset, length)) return last
    const recent = this.#recent
    for (let i = recent.length - 1; i >= 0; i--) {
      const sheet = recent[i] as Sheet
      if (!holds(sheet, segment, offset, length)) continue
      this.#last = sheet
      return sheet
    }
    return undefined
  }

  /** Copies what sheets hold of `[offset, offset + target.length)` into it. */
  overlay(target: Buffer, segment: number, offset: number): void {
    for (const sheet of this.#recent) {
      if (sheet.segment !== segment) continue
      const from = Math.max(offset, sheet.fileOffset)
      const to = Math.min(offset + target.length, sheet.fileOffset + sheet.used)
      if (from < to) sheet.bytes.copy(target, from - offset, from - sheet.fileOffset, to - sheet.fileOffset)
    }
  }

  #letGo(): void {
    while (this.#bytes > this.#bytesMax && this.#recent.length > 1) {
      const oldest = this.#recent[0] as Sheet
      if (oldest.written < oldest.used) return
      this.#recent.shift()
      this.#bytes -= oldest.bytes.length
      if (this.#last === oldest) this.#last = undefined
      const { bytes, view } = oldest
      if (bytes.length === this.sheetBytes && this.#idle.length < IDLE_MAX) this.#idle.push({ bytes, view })
    }
  }
}

function holds(sheet: Sheet, segment: number, offset: number, length: number): boolean {
  const at = offset - sheet.fileOffset
  return sheet.segment === segment && at >= 0 && at + length <= sheet.used
}

function fresh(length: number): Pick<Sheet, 'bytes' | 'view'> {
  const bytes = Buffer.allocUnsafeSlow(length)
  return { bytes, view: new DataView(bytes.buffer) }
}
