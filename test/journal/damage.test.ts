import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/runtime/random.ts'
import type { FaultDisk } from '../../src/testing/fault-disk.ts'
import { openRig, put, putMany, putRelaxed, segmentPath } from './rig.ts'

const long = process.env['SPINDLE_TEST_LONG'] === '1'

/** Opens a damaged copy: what it replays, or the code of the refusal. */
async function outcomeOf(disk: FaultDisk): Promise<string[] | { code: string; message: string }> {
  try {
    const { replayed, journal } = await openRig(disk)
    await journal.close()
    return replayed
  } catch (error) {
    return error as { code: string; message: string }
  }
}

describe('a torn tail', () => {
  it('is cut at every length of the last write', async () => {
    const { disk, journal } = await openRig()
    const kept = await putMany(journal, 10, 60)
    const from = journal.position()
    put(journal, 'first of the last write')
    put(journal, 'second of the last write')
    await journal.flush()
    const end = journal.position()
    const path = segmentPath(end.segment)
    const whole = disk.crash().contentOf(path).subarray(from.offset, end.offset)
    for (let left = 0; left <= whole.length; left++) {
      const torn = disk.crash()
      const file = await torn.open(path, 'existing')
      await file.write(Buffer.alloc(whole.length - left), from.offset + left)
      const { replayed, journal: again } = await openRig(torn)
      expect(replayed.slice(0, 10)).toEqual(kept)
      expect(['first of the last write', 'second of the last write'].slice(0, replayed.length - 10)).toEqual(
        replayed.slice(10),
      )
      expect(replayed.length === 12).toBe(left === whole.length)
      put(again, 'after the cut')
      await again.sync()
      expect((await openRig(torn.powerCut({ mode: 'lost' }))).replayed).toEqual([...replayed, 'after the cut'])
    }
  })

  it('loses nothing that was synced and invents nothing, whatever sectors survived', async () => {
    const random = seededRandom(7)
    let torn = 0
    for (let round = 0; round < (long ? 3_000 : 120); round++) {
      const { disk, journal } = await openRig()
      const synced = await putMany(journal, 5 + Math.floor(random.float() * 60), 900)
      const unsynced = Array.from({ length: 20 }, (_, index) => `unsynced ${round} ${index} `.padEnd(700, 'u'))
      for (const text of unsynced) {
        if (!journal.hasRoom(text.length)) await journal.makeRoom(text.length)
        put(journal, text)
      }
      await journal.flush()
      const cut = disk.powerCut({ random })
      const { replayed, journal: again } = await openRig(cut)
      expect(replayed.slice(0, synced.length)).toEqual(synced)
      const rest = replayed.slice(synced.length)
      expect(rest).toEqual(unsynced.slice(0, rest.length))
      if (rest.length < unsynced.length) torn++
      const more = Math.floor(random.float() * 2_000)
      if (!again.hasRoom(more)) await again.makeRoom(more)
      put(again, 'x'.repeat(more))
      await again.sync()
      const second = (await openRig(cut.powerCut({ random }))).replayed
      expect(second.slice(0, -1)).toEqual(replayed)
    }
    expect(torn).toBeGreaterThan(10)
  })

  it('never brings back a record that lay behind the cut', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 3, 60)
    const { segment, offset } = journal.position()
    put(journal, 'A'.repeat(100))
    put(journal, 'ghost')
    await journal.flush()
    const torn = disk.crash()
    const file = await torn.open(segmentPath(segment), 'existing')
    await file.write(Buffer.alloc(60), offset + 40)
    const first = await openRig(torn)
    expect(first.replayed).toHaveLength(3)
    // The marker of the torn write is whole, so a second one and a record end where the ghost begins: it would follow seamlessly.
    put(first.journal, 'B'.repeat(68))
    await first.journal.sync()
    const { replayed } = await openRig(torn.powerCut({ mode: 'lost' }))
    expect(replayed.slice(3)).toEqual(['B'.repeat(68)])
  })
})

describe('damage', () => {
  it('a flipped bit anywhere in what was stored is found, never served', async () => {
    const { disk, journal, clock } = await openRig()
    const texts = await putMany(journal, 150, 1_000)
    await clock.advance(200)
    const end = journal.position()
    const random = seededRandom(11)
    const paths = journal.segmentIds().map(segmentPath)
    expect(paths.length).toBeGreaterThan(2)
    for (let round = 0; round < (long ? 10_000 : 400); round++) {
      const copy = disk.powerCut({ mode: 'kept' })
      const path = paths[Math.floor(random.float() * paths.length)] as string
      const bytes = path === segmentPath(end.segment) ? end.offset : copy.contentOf(path).length
      const offset = Math.floor(random.float() * bytes)
      copy.flipBit(path, offset, Math.floor(random.float() * 8))
      const outcome = await outcomeOf(copy)
      // Zeros behind the roll of a full segment hold nothing; a flip there changes nothing.
      if (Array.isArray(outcome)) expect(outcome).toEqual(texts)
      else {
        expect(outcome.code).toBe('corrupt')
        expect(outcome.message).toContain(path)
      }
    }
  }, 600_000)

  it('names the segment and the offset', async () => {
    const { disk, journal } = await openRig()
    const place = put(journal, 'to be damaged')
    await putMany(journal, 10, 100)
    await journal.close()
    disk.flipBit(segmentPath(place.segment), place.offset + 3, 5)
    await expect(openRig(disk)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringMatching(new RegExp(`offset ${place.offset - 12} of segment ${place.segment} `)),
    })
  })

  it('the last record of a closed journal is guarded too', async () => {
    const { disk, journal } = await openRig()
    const place = put(journal, 'the only one')
    await journal.close()
    disk.flipBit(segmentPath(place.segment), place.offset, 0)
    await expect(openRig(disk)).rejects.toMatchObject({ code: 'corrupt' })
  })

  it('the last record of an idle journal is guarded, though nothing came after it', async () => {
    const { disk, journal, clock } = await openRig()
    const place = put(journal, 'the only one')
    await journal.sync()
    await clock.advance(1_000)
    const killed = disk.crash()
    killed.flipBit(segmentPath(place.segment), place.offset, 0)
    await expect(openRig(killed)).rejects.toMatchObject({ code: 'corrupt' })
  })

  it('a bad record in a segment that others follow is never a torn tail', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 100, 1_000)
    await journal.close()
    const first = segmentPath(1)
    const file = await disk.open(first, 'existing')
    // As if the end of a segment in the middle had been torn: zeros, which look like an end.
    await file.write(Buffer.alloc(20_000), disk.contentOf(first).length - 20_000)
    await expect(openRig(disk)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining('segment 1'),
    })
  })

  for (const victim of ['first', 'middle', 'last'] as const)
    it(`a missing ${victim} segment is found`, async () => {
      const { disk, journal } = await openRig()
      await putMany(journal, 250, 1_000)
      await journal.close()
      const ids = journal.segmentIds()
      expect(ids).toEqual([])
      const names = (await disk.list('journal')).filter((name) => name.endsWith('.seg'))
      const name = { first: names[0], middle: names[1], last: names.at(-1) }[victim]
      await disk.remove(`journal/${name}`)
      await expect(openRig(disk)).rejects.toMatchObject({
        code: 'corrupt',
        message: expect.stringContaining('missing'),
      })
    })

  it('a truncated segment is found at every thousandth length', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 100, 1_000)
    await journal.close()
    for (const path of [segmentPath(1), segmentPath(2)])
      for (let bytes = 0; bytes < disk.contentOf(path).length; bytes += 1_000) {
        const cut = disk.powerCut({ mode: 'kept' })
        cut.truncateAt(path, bytes)
        await expect(openRig(cut)).rejects.toMatchObject({ code: 'corrupt' })
      }
  })

  it('a folder of a newer format is refused as such', async () => {
    const { disk, journal } = await openRig(undefined, { formatVersion: 2 })
    await journal.close()
    await expect(openRig(disk, { formatVersion: 1 })).rejects.toMatchObject({ code: 'format-newer' })
  })

  it('a folder of an older format is refused as such', async () => {
    const { disk, journal } = await openRig()
    await journal.close()
    await expect(openRig(disk, { formatVersion: 2 })).rejects.toMatchObject({ code: 'format-older' })
  })

  it('a record in another place than its own is not taken for one', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 3, 60)
    const { segment, offset } = journal.position()
    const path = segmentPath(segment)
    const moved = disk.crash()
    const file = await moved.open(path, 'existing')
    // A whole record of the same segment, bytes as they were, where the next one would begin: a write that went astray.
    const whole = moved.contentOf(path).subarray(offset - 72, offset)
    await file.write(whole, offset)
    expect((await openRig(moved)).replayed).toHaveLength(3)
  })

  it('segments that changed places are found', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 200, 1_000)
    await journal.close()
    await disk.rename(segmentPath(1), 'journal/aside')
    await disk.rename(segmentPath(2), segmentPath(1))
    await disk.rename('journal/aside', segmentPath(2))
    await expect(openRig(disk)).rejects.toMatchObject({ code: 'corrupt' })
  })
})

describe('the power is cut', () => {
  it('at each sync of creation, roll and deletion: everything told as synced is there', async () => {
    const disk = (await openRig()).disk.crash()
    const { journal } = await openRig(disk)
    const random = seededRandom(3)
    const told: string[] = []
    const cuts: { disk: FaultDisk; told: number; deleted: boolean }[] = []
    let deleted = false
    disk.onSync(() => {
      for (const mode of ['lost', 'kept', 'torn'] as const)
        cuts.push({ disk: disk.powerCut({ random, mode }), told: told.length, deleted })
    })
    for (let batch = 0; batch < 30; batch++) {
      const texts = Array.from({ length: 9 }, (_, index) => `${batch}.${index}`.padEnd(1_000, '.'))
      for (const text of texts) {
        if (!journal.hasRoom(text.length)) await journal.makeRoom(text.length)
        put(journal, text)
      }
      await journal.sync()
      told.push(...texts)
    }
    expect(journal.segmentIds().length).toBeGreaterThan(3)
    const from = journal.replayStart()
    deleted = true
    await journal.deleteSegment(1)
    expect(cuts.length).toBeGreaterThan(150)
    for (const cut of cuts) {
      const { replayed, journal: again } = await openRig(cut.disk, cut.deleted ? { from } : {})
      if (!cut.deleted) expect(replayed.slice(0, cut.told)).toEqual(told.slice(0, cut.told))
      else expect(replayed).toEqual([])
      await again.close()
    }
  })

  it('a segment left behind is durable before the next one gets a record', async () => {
    const { disk, journal } = await openRig()
    const syncedAtFirstWrite: number[] = []
    journal.onWritten = (upTo) => {
      // The first write to segment 2 has just ended: all of segment 1 must have been synced before.
      const isThere = disk.files().some(({ path }) => path === segmentPath(2))
      if (!isThere || syncedAtFirstWrite.length > 0) return
      if (
        disk
          .contentOf(segmentPath(2))
          .subarray(4_096)
          .some((byte) => byte !== 0)
      )
        syncedAtFirstWrite.push(journal.synced, upTo)
    }
    // Relaxed: nothing but the roll itself asks for a sync.
    let inFirst = 0
    while (syncedAtFirstWrite.length === 0) {
      if (!journal.hasRoom(1_000)) await journal.makeRoom(1_000)
      putRelaxed(journal, 'r'.repeat(1_000))
      if (journal.segment === 1) inFirst++
      await journal.flush()
      if (inFirst > 100) break
    }
    expect(syncedAtFirstWrite[0]).toBe(inFirst)
  })

  it('while the first segment is being made: the folder opens as new', async () => {
    const cuts: FaultDisk[] = []
    const { FaultDisk: Disk } = await import('../../src/testing/fault-disk.ts')
    const disk = new Disk()
    const random = seededRandom(5)
    disk.onSync(() => {
      for (let index = 0; index < 5; index++) cuts.push(disk.powerCut({ random }))
    })
    await openRig(disk)
    expect(cuts.length).toBeGreaterThan(10)
    for (const cut of cuts) expect((await openRig(cut)).replayed).toEqual([])
  })
})
