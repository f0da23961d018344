import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import type { Candidate } from './store.ts'

const ZEROS = new Uint8Array(1 << 20)
const AHEAD_BYTES = 16 << 20

/** A bare append to one file. `zeroFilled` writes zeros ahead, 16 MiB at a time, within the time measured. */
export function journal(zeroFilled: boolean): Candidate {
  return {
    name: zeroFilled ? 'bare journal, zero-filled ahead' : 'bare journal, growing file',
    does: 'append + fdatasync; nothing is taken out',
    async open(folder) {
      const file = openSync(`${folder}/journal`, 'wx')
      let end = 0
      let filled = 0
      return {
        async put(bodies) {
          const bytes = Buffer.concat(bodies)
          for (; zeroFilled && filled < end + bytes.length; filled += AHEAD_BYTES) {
            for (let at = 0; at < AHEAD_BYTES; at += ZEROS.length) {
              writeSync(file, ZEROS, 0, ZEROS.length, filled + at)
            }
          }
          end += writeSync(file, bytes, 0, bytes.length, end)
          fdatasyncSync(file)
        },
        close: async () => closeSync(file),
      }
    },
  }
}
