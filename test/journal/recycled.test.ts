/** Segments that are deleted become the next ones: what their files held must never come back. */
import { describe, expect, it } from 'vitest'
import type { Journal, ReplayStart } from '../../src/engine/embedded/journal/journal.ts'
import {
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  sealRecord,
  segmentSeed,
} from '../../src/engine/embedded/journal/record-format.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import type { FaultDisk } from '../../src/testing/fault-disk.ts'
import { openRig, put, putMany, segmentPath, TEXT } from './rig.ts'

const SALT_AT = 20

/** Puts until a segment is full, and has it become a spare. */
async function recycle(journal: Journal, bytes = 700): Promise<number> {
  const { segment } = journal.position()
  while (journal.position().segment === segment) await putMany(journal, 1, bytes)
  await journal.deleteSegment(segment)
  return segment
}

function spares(disk: FaultDisk): string[] {
  return disk.files().flatMap(({ path }) => (path.endsWith('.ready') ? [path] : []))
}

/** Where the file that is a segment now came from: its old records, behind those it got since. */
function tailOf(disk: FaultDisk, path: string): string {
  return disk.contentOf(path).subarray(-8_192).toString('latin1')
}

describe('a deleted segment', () => {
  it('waits to become another one, and no new file is filled in its place', async () => {
    const { disk, journal } = await openRig()
    const first = await recycle(journal)
    expect(journal.segmentIds()).not.toContain(first)
    expect(disk.files().some(({ path }) => path === segmentPath(first))).toBe(false)
    const old = spares(disk).filter((path) => tailOf(disk, path).includes('aaaaaaa'))
    expect(old).toHaveLength(1)
    const before = disk.files().length
    for (let round = 0; round < 6; round++) await recycle(journal)
    expect(disk.files()).toHaveLength(before)
    expect(tailOf(disk, segmentPath(journal.position().segment))).toContain('aaaaaaa')
  })

  it('is a spare for good once that is told', async () => {
    const { disk, journal } = await openRig()
    const first = await recycle(journal)
    const cut = disk.powerCut({ mode: 'lost' })
    expect(cut.files().map(({ path }) => path)).not.toContain(segmentPath(first))
    expect(cut.files().map(({ path }) => path)).toEqual(disk.files().map(({ path }) => path))
  })

  it('is removed when there are spares enough', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 300, 1_000)
    const files = disk.files().length
    await journal.deleteSegment(1)
    await journal.deleteSegment(2)
    expect(disk.files().length).toBeLessThan(files)
    expect(spares(disk).length).toBeLessThanOrEqual(2)
  })

  it('is a spare after a reopen, too, and its old records are none', async () => {
    const { disk, journal } = await openRig()
    await recycle(journal)
    const from = journal.replayStart()
    await journal.close()
    const { journal: again, replayed } = await openRig(disk, { from })
    expect(replayed).toEqual([])
    const texts = await putMany(again, 250, 700)
    expect((await openRig(disk.powerCut({ mode: 'lost' }), { from })).replayed).toEqual(texts)
  })
})

describe('what a recycled file held', () => {
  it('never comes back, wherever the power is cut and whatever sectors survive', async () => {
    const random = seededRandom(17)
    const cuts: { disk: FaultDisk; from: ReplayStart; told: readonly string[] }[] = []
    const { disk, journal } = await openRig()
    let from = journal.replayStart()
    let texts: string[] = []
    let told = 0
    disk.onSync(() => cuts.push({ disk: disk.powerCut({ random }), from, told: texts.slice(0, told) }))
    for (let round = 0; round < 8; round++) {
      // Of one size, so that new records end where old ones begin.
      for (let segment = journal.position().segment; journal.position().segment === segment; ) {
        for (let left = 1 + Math.floor(random.float() * 4); left > 0; left--) {
          const text = `${round}.${texts.length}`.padEnd(700, '.')
          if (!journal.hasRoom(text.length)) await journal.makeRoom(text.length)
          put(journal, text)
          texts.push(text)
        }
        await journal.sync()
        told = texts.length
      }
      const { segment } = journal.position()
      from = journal.replayStart()
      texts = []
      told = 0
      await journal.deleteSegment(segment - 1)
    }
    expect(cuts.length).toBeGreaterThan(200)
    for (const cut of cuts) {
      const { replayed, journal: again } = await openRig(cut.disk, { from: cut.from })
      expect(replayed.slice(0, cut.told.length)).toEqual(cut.told)
      // What was not told yet may be there, and it is what was put next.
      const round = cut.told[0]?.split('.')[0]
      for (const text of replayed.slice(cut.told.length)) expect(text.split('.')[0]).toBe(round ?? text.split('.')[0])
      put(again, 'after the cut')
      await again.sync()
      const second = await openRig(cut.disk.powerCut({ random }), { from: cut.from })
      expect(second.replayed).toEqual([...replayed, 'after the cut'])
    }
  })

  it('is no record when a body of an earlier message forged one for this very place', async () => {
    const { disk, journal } = await openRig()
    await recycle(journal)
    const from = journal.replayStart()
    const { segment } = journal.position()
    const forged = (salt: number): Buffer => {
      const bytes = Buffer.alloc(RECORD_HEADER_BYTES + 6)
      bytes.write('forged', RECORD_HEADER_BYTES, 'latin1')
      const memory = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) }
      sealRecord(segmentSeed(segment, salt), SEGMENT_HEADER_BYTES, memory, 0, TEXT, 6)
      return bytes
    }
    const fresh = { ...from, position: { segment, offset: SEGMENT_HEADER_BYTES } }
    const salt = disk.contentOf(segmentPath(segment)).readUInt32LE(SALT_AT)
    // The right salt shows that it would have passed otherwise: only the segment knows it, and not before its file was taken.
    for (const [guess, passes] of [
      [0, false],
      [salt ^ 1, false],
      [salt, true],
    ] as const) {
      const copy = disk.powerCut({ mode: 'kept' })
      const file = await copy.open(segmentPath(segment), 'existing')
      const { length } = copy.contentOf(segmentPath(segment))
      await file.write(Buffer.alloc(length - SEGMENT_HEADER_BYTES), SEGMENT_HEADER_BYTES)
      await file.write(forged(guess), SEGMENT_HEADER_BYTES)
      await file.datasync()
      const { replayed } = await openRig(copy, { from: { ...fresh, before: 0 } })
      expect(replayed).toEqual(passes ? ['forged'] : [])
    }
  })

  it('draws another salt for each life of a file', async () => {
    const { disk, journal } = await openRig()
    const salts = new Set<number>()
    for (let round = 0; round < 6; round++) {
      salts.add(disk.contentOf(segmentPath(journal.position().segment)).readUInt32LE(SALT_AT))
      await recycle(journal)
    }
    expect(salts.size).toBe(6)
  })
})

it('a folder whose records were not chained yet is refused as older', async () => {
  const { disk, journal } = await openRig()
  await journal.close()
  const { crc32 } = await import('../../src/engine/embedded/journal/crc32.ts')
  const head = Buffer.alloc(SEGMENT_HEADER_BYTES)
  disk.contentOf(segmentPath(1)).copy(head, 0, 0, SALT_AT)
  head.writeUInt32LE(crc32(head, 0, SALT_AT), SALT_AT)
  const file = await disk.open(segmentPath(1), 'existing')
  await file.write(head, 0)
  await expect(openRig(disk)).rejects.toMatchObject({ code: 'format-older' })
})
