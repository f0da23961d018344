import { describe, expect, it } from 'vitest'
import { DiskFullError } from '../../src/runtime/disk.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { openRig, put, putMany, putRelaxed, SMALL_SEGMENT, segmentPath, TEXT } from './rig.ts'

describe('journal', () => {
  it('replays what was synced, in order, after a power cut', async () => {
    const { disk, journal } = await openRig()
    const texts = await putMany(journal, 50, 80)
    const { replayed } = await openRig(disk.powerCut({ mode: 'lost' }))
    expect(replayed).toEqual(texts)
  })

  it('shares one write and one sync among the records of a turn', async () => {
    const { disk, journal } = await openRig()
    await journal.sync()
    const before = { ...disk.calls }
    let resolved = 0
    journal.onSynced = (upTo) => {
      resolved = upTo
    }
    for (let index = 0; index < 1_000; index++) {
      put(journal, 'x'.repeat(20))
      // Callers that are some promises apart still belong to the turn.
      if (index % 100 === 0) await undefined
    }
    await journal.sync()
    expect(resolved).toBe(journal.sealed)
    expect(disk.calls.sync - before.sync).toBeLessThanOrEqual(2)
    expect(disk.calls.write - before.write).toBeLessThanOrEqual(2)
  })

  it('waits for callers whose requests are here already, when they come in groups', async () => {
    const disk = new FaultDisk()
    let late = 0
    Object.assign(disk, {
      async turn() {
        if (late > 0) put(journal, `late ${late--}`)
      },
    })
    const { journal } = await openRig(disk)
    await putMany(journal, 2, 8)
    const before = { ...disk.calls }
    late = 2
    put(journal, 'first')
    await journal.sync()
    await journal.sync()
    expect(journal.synced).toBe(5)
    expect(disk.calls.write - before.write).toBe(1)
    expect(disk.calls.sync - before.sync).toBe(1)
  })

  it('writes nothing after a fault while it waited for others', async () => {
    const disk = new FaultDisk()
    let fault: Error | undefined
    Object.assign(disk, {
      async turn() {
        if (fault !== undefined) journal.poison('trying the journal', fault)
      },
    })
    const { journal } = await openRig(disk)
    const texts = await putMany(journal, 2, 8)
    fault = new Error('beside')
    put(journal, 'never')
    await expect(journal.sync()).rejects.toMatchObject({ code: 'poisoned' })
    await journal.close()
    const { replayed } = await openRig(disk.crash())
    expect(replayed).toEqual(texts)
  })

  it('writes relaxed records without a sync, and tells so', async () => {
    const { disk, journal } = await openRig()
    const syncs = disk.calls.sync
    const told: number[] = []
    journal.onWritten = (upTo) => told.push(upTo)
    putRelaxed(journal, 'lease')
    await journal.flush()
    expect(told).toEqual([1])
    expect(disk.calls.sync).toBe(syncs)
    expect(journal.synced).toBe(0)
    const afterKill = await openRig(disk.crash())
    expect(afterKill.replayed).toEqual(['lease'])
    await journal.sync()
    expect(journal.synced).toBe(1)
  })

  it('tells nothing as synced before the sync that covers it', async () => {
    const { disk, journal } = await openRig()
    const durable: number[] = []
    disk.onSync(({ phase }) => {
      if (phase === 'before') durable.push(journal.synced)
    })
    put(journal, 'one')
    await journal.flush()
    put(journal, 'two')
    await journal.sync()
    expect(durable[0]).toBe(0)
    expect(journal.synced).toBe(2)
  })

  it('counts a sync only for what was written before it began', async () => {
    const { disk, journal, clock } = await openRig()
    const told: number[] = []
    journal.onSynced = (upTo) => told.push(upTo)
    let inside = false
    await clock.advance(0)
    disk.onSync(({ phase }) => {
      if (phase !== 'before' || inside) return
      inside = true
      // Written while the sync runs: a relaxed record does not wait for its end.
      putRelaxed(journal, 'late')
    })
    put(journal, 'early')
    await journal.sync()
    await journal.flush()
    expect(journal.written).toBe(2)
    expect(told).toEqual([1])
    expect(journal.synced).toBe(1)
  })

  it('rolls to the next segment and never splits a record', async () => {
    const { disk, journal } = await openRig()
    const texts = await putMany(journal, 300, 1_000)
    expect(journal.segmentIds().length).toBeGreaterThan(4)
    expect((await openRig(disk.powerCut({ mode: 'lost' }))).replayed).toEqual(texts)
  })

  it('gives a record larger than a segment one of its own', async () => {
    const { disk, journal } = await openRig()
    const large = 'L'.repeat(SMALL_SEGMENT * 3)
    put(journal, 'before')
    expect(journal.hasRoom(large.length)).toBe(false)
    expect(await journal.makeRoom(large.length)).toBe(true)
    put(journal, large)
    put(journal, 'after')
    await journal.sync()
    expect((await openRig(disk.powerCut({ mode: 'lost' }))).replayed).toEqual(['before', large, 'after'])
  })

  it('takes any number of settles at once, also before their segments are ready', async () => {
    const { disk, journal } = await openRig()
    const texts = Array.from({ length: 400 }, (_, index) =>
      `settle ${index} `.padEnd(index === 200 ? 150_000 : 1_000, 's'),
    )
    // Six segments and a large one in one turn, with two spares at most.
    for (const text of texts) put(journal, text, 'settle')
    await journal.sync()
    expect(journal.segmentIds().length).toBeGreaterThan(6)
    expect((await openRig(disk.powerCut({ mode: 'lost' }))).replayed).toEqual(texts)
    expect(journal.segments().every(({ id, bytes }) => disk.contentOf(segmentPath(id)).length === bytes)).toBe(true)
  })

  it('reads content back from memory, from the disk and after a reopen', async () => {
    const { disk, journal } = await openRig()
    const early = put(journal, 'early content')
    const read = (from: typeof journal, place: typeof early): string =>
      from.stored.readContent(place.segment, place.offset, 5).toString()
    expect(read(journal, early)).toBe('early')
    const texts = await putMany(journal, 200, 1_000)
    expect(texts).toHaveLength(200)
    expect(read(journal, early)).toBe('early')
    const again = await openRig(disk.powerCut({ mode: 'lost' }))
    expect(read(again.journal, early)).toBe('early')
  })

  it('reads a range of which a part is on the disk, a part being written and a part still open', async () => {
    const { journal } = await openRig()
    const first = put(journal, 'A'.repeat(600))
    await journal.sync()
    put(journal, 'B'.repeat(600))
    const written = journal.flush()
    put(journal, 'C'.repeat(600))
    const last = put(journal, 'D'.repeat(10))
    const read = (): string =>
      journal.stored
        .readContent(first.segment, first.offset, last.offset + 10 - first.offset)
        .toString('latin1')
        .replace(/[^A-D]/g, '')
    const whole = 'A'.repeat(600) + 'B'.repeat(600) + 'C'.repeat(600) + 'D'.repeat(10)
    expect(read()).toBe(whole)
    await undefined
    expect(read()).toBe(whole)
    await written
    expect(read()).toBe(whole)
  })

  it('composes records of unknown size in place, and has those that outgrow it moved', async () => {
    const { disk, journal } = await openRig()
    const texts: string[] = []
    for (let index = 0; index < 600; index++) {
      const text = `${index}|`.padEnd((index * 37) % 900, 'x')
      if (!journal.hasRoom(text.length)) await journal.makeRoom(text.length)
      const at = journal.compose(TEXT)
      if (at + text.length <= journal.limit) {
        journal.buffer.write(text, at, 'latin1')
        journal.seal(index % 3 === 0 ? 'relaxed' : 'durable', text.length)
      } else put(journal, text)
      texts.push(text)
      expect(journal.stored.readContent(journal.segment, journal.offset, text.length).toString('latin1')).toBe(text)
      if (index % 50 === 49) await journal.sync()
    }
    await journal.sync()
    expect(journal.segmentIds().length).toBeGreaterThan(3)
    expect((await openRig(disk.powerCut({ mode: 'lost' }))).replayed).toEqual(texts)
  })

  it('reads the whole of a segment that was left but is not written yet', async () => {
    const { journal } = await openRig()
    const texts: string[] = []
    for (let index = 0; journal.segmentIds().length === 1; index++) {
      if (!journal.hasRoom(3_000)) await journal.makeRoom(3_000)
      texts.push(`${index};`.padEnd(3_000, '-'))
      put(journal, texts[index] as string)
    }
    const [first] = journal.segments()
    const all = journal.stored.readContent(1, 0, first?.bytes ?? 0).toString('latin1')
    for (const text of texts.slice(0, -1)) expect(all).toContain(text)
  })

  it('knows where a payload is, in replay as at reserve', async () => {
    const { disk, journal } = await openRig()
    const places = [put(journal, 'a'), put(journal, 'bb'), put(journal, 'ccc')]
    await journal.sync()
    await journal.close()
    const seen: { segment: number; offset: number }[] = []
    const { Journal } = await import('../../src/engine/embedded/journal/journal.ts')
    const { clock } = await openRig()
    const { silentLog } = await import('../../src/runtime/log.ts')
    const { seededRandom } = await import('../../src/runtime/random.ts')
    const random = seededRandom(2)
    const options = { disk, clock, log: silentLog, random, segmentBytes: SMALL_SEGMENT, formatVersion: 1 }
    const reopened = await Journal.open(options)
    await reopened.recover(undefined, (_kind, _bytes, _start, _end, segment, offset) => seen.push({ segment, offset }))
    expect(seen).toEqual(places)
  })

  it('continues from a position, with the segments that existed then', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 200, 1_000)
    const from = journal.replayStart()
    const later = await putMany(journal, 200, 1_000, 200)
    expect((await openRig(disk.powerCut({ mode: 'lost' }), { from })).replayed).toEqual(later)
  })

  it('goes on where it stopped, through many reopenings', async () => {
    let disk = new FaultDisk()
    const all: string[] = []
    for (let round = 0; round < 12; round++) {
      const { journal, replayed } = await openRig(disk)
      expect(replayed).toEqual(all)
      all.push(...(await putMany(journal, 30, 700, all.length)))
      if (round % 3 === 0) await journal.close()
      else disk = round % 3 === 1 ? disk.powerCut({ mode: 'lost' }) : disk.crash()
    }
  })

  it('deletes a segment for good', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 300, 1_000)
    const from = journal.replayStart()
    const bytes = journal.diskBytes()
    await journal.deleteSegment(2)
    expect(journal.segmentIds()).not.toContain(2)
    expect(journal.diskBytes()).toBeLessThanOrEqual(bytes)
    const later = await putMany(journal, 80, 1_000)
    const { replayed, journal: again } = await openRig(disk.powerCut({ mode: 'lost' }), { from })
    expect(replayed).toEqual(later)
    expect(again.segmentIds()).not.toContain(2)
  })

  it('refuses to replay without the checkpoint that a deletion relied on', async () => {
    for (const deleted of [1, 2]) {
      const { disk, journal } = await openRig()
      await putMany(journal, 300, 1_000)
      await journal.deleteSegment(deleted)
      await journal.close()
      await expect(openRig(disk)).rejects.toMatchObject({ code: 'corrupt' })
    }
  })

  it('removes a deleted segment again when a power cut brought it back', async () => {
    const { disk, journal } = await openRig()
    await putMany(journal, 300, 1_000)
    const from = journal.replayStart()
    let cut: FaultDisk | undefined
    disk.onSync(({ phase, path }) => {
      if (phase === 'before' && path === 'journal') cut = disk.powerCut({ mode: 'lost' })
    })
    await journal.deleteSegment(2)
    if (cut === undefined) throw new Error('the directory was not synced')
    expect(cut.files().map(({ path }) => path)).toContain(segmentPath(2))
    const again = await openRig(cut, { from })
    expect(again.journal.segmentIds()).not.toContain(2)
    expect(cut.files().map(({ path }) => path)).not.toContain(segmentPath(2))
  })

  it('refuses the use of a closed journal', async () => {
    const { journal } = await openRig()
    put(journal, 'last')
    await journal.close()
    await journal.close()
    expect(() => put(journal, 'later')).toThrow(expect.objectContaining({ code: 'closed' }))
  })

  it('leaves no timer behind', async () => {
    const { journal, clock } = await openRig()
    await putMany(journal, 20, 100)
    await journal.close()
    expect(clock.armedTimers).toBe(0)
  })
})

describe('journal on a full disk', () => {
  it('refuses appends, still takes settles, and resumes by itself', async () => {
    const { disk, journal, clock } = await openRig()
    await putMany(journal, 10, 1_000)
    await clock.advance(0)
    disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0)
    let appended = 0
    while (journal.hasRoom(1_000) || (await journal.makeRoom(1_000))) {
      put(journal, 'a'.repeat(1_000))
      await journal.sync()
      appended++
    }
    expect(journal.diskIsFull).toBe(true)
    // Up to the end of the segment in use; not into the one held back.
    expect(appended).toBeGreaterThan(40)
    expect(journal.segmentIds()).toEqual([1])
    expect(() => put(journal, 'b'.repeat(1_000))).toThrow(expect.objectContaining({ code: 'disk-full' }))
    for (let index = 0; index < 50; index++) {
      put(journal, 'ack'.padEnd(100), 'settle')
      await journal.sync()
    }
    expect(journal.segmentIds()).toEqual([1, 2])
    disk.capacityBytes = Number.POSITIVE_INFINITY
    await clock.advance(10_000)
    expect(await journal.makeRoom(1_000)).toBe(true)
    expect(journal.diskIsFull).toBe(false)
    put(journal, 'resumed')
    await journal.sync()
    const { replayed } = await openRig(disk.powerCut({ mode: 'lost' }))
    expect(replayed).toHaveLength(10 + appended + 50 + 1)
    expect(replayed.at(-1)).toBe('resumed')
  })

  it('resumes when a segment is deleted', async () => {
    const { disk, journal, clock } = await openRig()
    await putMany(journal, 200, 1_000)
    await clock.advance(0)
    disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0)
    while (journal.hasRoom(1_000) || (await journal.makeRoom(1_000))) {
      put(journal, 'a'.repeat(1_000))
      await journal.sync()
    }
    await journal.deleteSegment(1)
    await clock.advance(0)
    expect(await journal.makeRoom(1_000)).toBe(true)
  })

  it('says so when there is no room for a new folder', async () => {
    const disk = new FaultDisk()
    disk.capacityBytes = 1_000
    await expect(openRig(disk)).rejects.toMatchObject({ code: 'disk-full' })
    expect(disk.files()).toEqual([])
    const error: Error = new DiskFullError('for the name')
    expect(error.name).toBe('DiskFullError')
  })
})

describe('poison', () => {
  for (const kind of ['write', 'sync'] as const)
    it(`one failed ${kind} ends it: nothing is told as synced any more, and every call says so`, async () => {
      const { disk, journal, clock } = await openRig()
      const texts = await putMany(journal, 10, 100)
      const synced = journal.synced
      const told: number[] = []
      const failures: Error[] = []
      journal.onSynced = (upTo) => told.push(upTo)
      journal.onFailed = (error) => failures.push(error)
      disk.failNth(1, kind)
      put(journal, 'lost')
      const poisoned = expect.objectContaining({ code: 'poisoned', cause: expect.objectContaining({ code: 'EIO' }) })
      await expect(journal.sync()).rejects.toEqual(poisoned)
      expect(disk.faults).toBe(1)
      const { calls } = disk
      await clock.advance(0)
      const after = { ...calls }
      await clock.advance(60_000)
      await journal.close()
      expect(() => put(journal, 'later')).toThrow(poisoned)
      await expect(journal.flush()).rejects.toEqual(poisoned)
      await expect(journal.sync()).rejects.toEqual(poisoned)
      await expect(journal.makeRoom(10)).rejects.toEqual(poisoned)
      expect(told).toEqual([])
      expect(failures).toHaveLength(1)
      expect(journal.synced).toBe(synced)
      expect(calls).toEqual(after)
      const { replayed } = await openRig(disk.powerCut({ mode: 'lost' }))
      expect(replayed).toEqual(texts)
    })

  it('a failure while a spare is filled counts too', async () => {
    const { disk, journal, clock } = await openRig()
    await clock.advance(0)
    const texts = await putMany(journal, 30, 1_000)
    disk.failNth(8, 'write')
    let failed: unknown
    journal.onFailed = (error) => {
      failed = error
    }
    await putMany(journal, 300, 1_000).catch((error: unknown) => expect(error).toMatchObject({ code: 'poisoned' }))
    expect(failed).toMatchObject({ code: 'poisoned' })
    expect((await openRig(disk.powerCut({ mode: 'lost' }))).replayed.slice(0, 30)).toEqual(texts)
  })
})
