import { crc32 as zlibCrc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { CRC_START, crc32, crcFeed, crcFeedView } from '../../src/engine/embedded/journal/crc32.ts'
import { seededRandom } from '../../src/runtime/random.ts'

const random = seededRandom(7)
const bytes = Buffer.from(Uint8Array.from({ length: 2_048 }, () => Math.floor(random.float() * 256)).buffer)
const view = new DataView(bytes.buffer)

it('is the CRC of zlib for every length and place, by bytes and by view', () => {
  for (let length = 0; length < 450; length++) {
    const start = length % 19
    const wanted = zlibCrc32(bytes.subarray(start, start + length))
    expect(crc32(bytes, start, start + length)).toBe(wanted)
    expect(~crcFeedView(CRC_START, bytes, view, start, start + length) >>> 0).toBe(wanted)
  }
})

it('goes on from wherever it was left', () => {
  for (let cut = 0; cut <= 500; cut += 7) {
    const before = crcFeedView(CRC_START, bytes, view, 0, cut)
    expect(crcFeedView(before, bytes, view, cut, 500)).toBe(crcFeed(CRC_START, bytes, 0, 500))
  }
})
