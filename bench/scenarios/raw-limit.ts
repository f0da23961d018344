/** The limit: the same bytes with no queue around them. One file, zero-filled, written group by group with a sync each. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { withFolder } from '../store.ts'

export interface RawCase {
  readonly records: number
  readonly recordBytes: number
  /** Records that share one write and one sync. */
  readonly group: number
  /** Zeros are written and synced first, within the time: later syncs then need not change the file's size. */
  readonly zeroFilled: boolean
}

const ZEROS = new Uint8Array(1 << 20)

/** Records a second, the zero-filling included. */
export function rawLimit({ records, recordBytes, group, zeroFilled }: RawCase): Promise<number> {
  return withFolder(async (folder) => {
    const bytes = new Uint8Array(recordBytes * group).fill(0x61)
    const file = openSync(join(folder, 'raw'), 'wx')
    const startedMs = performance.now()
    if (zeroFilled) {
      const total = records * recordBytes
      for (let at = 0; at < total; at += ZEROS.length) writeSync(file, ZEROS, 0, Math.min(ZEROS.length, total - at), at)
      fdatasyncSync(file)
    }
    for (let done = 0; done < records; done += group) {
      writeSync(file, bytes, 0, Math.min(group, records - done) * recordBytes, done * recordBytes)
      fdatasyncSync(file)
    }
    const elapsedMs = performance.now() - startedMs
    closeSync(file)
    return records / (elapsedMs / 1000)
  })
}
