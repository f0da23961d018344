/** Records that go to the disk in one write: a stretch of one sheet. */
import type { Sheet } from './sheets.ts'

export interface Chunk {
  readonly sheet: Sheet
  /** First byte, and the one behind the last, in the sheet. */
  readonly start: number
  end: number
  /** Number of the last record in it. */
  lastSealed: number
  /** Does a record in it ask for a sync? */
  durable: boolean
  /** Does somebody wait for the write alone? */
  relaxed: boolean
  /** The last of its segment. */
  rolls: boolean
}

/** The next chunk begins where the sheet's last one ended. */
export function emptyChunk(sheet: Sheet): Chunk {
  return { sheet, start: sheet.used, end: sheet.used, lastSealed: 0, durable: false, relaxed: false, rolls: false }
}
