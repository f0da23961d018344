import { describe, expect, it } from 'vitest'
import { told } from '../../src/engine/embedded/doctor/effects.ts'
import { examine } from '../../src/engine/embedded/doctor/examine.ts'
import { STRAYS_QUEUE } from '../../src/engine/embedded/doctor/salvage.ts'
import { walk } from '../../src/engine/embedded/doctor/segment-walk.ts'
import { encodeSegmentHeader } from '../../src/engine/embedded/journal/record-format.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { longRun, openStore } from '../faults/store.ts'
import { essence, everything, save, unbalanced, type Worked, worked } from './damaged-store.ts'

const essences = (held: Worked['held']): string[] => [...held.values()].map(essence).sort()

/** File places of every record that says something of this kind, with its end. */
function placesOf(disk: FaultDisk, kind: string): { path: string; start: number; end: number }[] {
  const places: { path: string; start: number; end: number }[] = []
  for (const { path } of disk.files()) {
    const id = Number(/^journal\/(\d+)\.seg$/.exec(path)?.[1] ?? 0)
    if (id === 0) continue
    const bytes = disk.contentOf(path)
    for (const step of walk(bytes, { id, salt: bytes.readUInt32LE(20) })) {
      if (step.kind !== 'record') continue
      const { start, end } = step
      for (const one of told({ bytes, start, end, segment: id, offset: start })) {
        if (one.kind !== kind) continue
        places.push({ path, start, end })
        break
      }
    }
  }
  return places
}

const segmentsOf = (disk: FaultDisk): string[] =>
  disk
    .files()
    .map(({ path }) => path)
    .filter((path) => path.endsWith('.seg'))
const checkpointsOf = (disk: FaultDisk): string[] =>
  disk
    .files()
    .map(({ path }) => path)
    .filter((path) => path.endsWith('.ckpt'))

describe('a sound store', () => {
  it('is called sound, and salvaged it is what it was: ids, order, attempts, states, results, records, dedup windows', async () => {
    for (const seed of [1, 2, 3]) {
      const { disk, held, workload, clock } = await worked(seed, 900)
      expect(checkpointsOf(disk).length, 'the store is large enough for checkpoints').toBeGreaterThan(0)
      const saved = await save(disk, clock)
      expect(saved.examination).toMatchObject({
        kind: 'read',
        findings: [],
        lost: [],
        lostRanges: [],
        uncertain: [],
        strays: [],
      })
      expect(essences(saved.held)).toEqual(essences(held))
      const { engine: before } = await openStore(disk.crash(), clock)
      expect(await saved.engine.scan('', { limit: 1_000 })).toEqual(await before.scan('', { limit: 1_000 }))
      const rules = async (engine: typeof before) =>
        (await engine.measure()).map(({ queue, policy, lifetime }) => ({ queue, policy, lifetime }))
      expect(await rules(saved.engine)).toEqual(await rules(before))
      for (const [dedupId, { id }] of workload.dedups) {
        const message = { content: { body: Buffer.from('again|'), head: new Uint8Array(0) }, groupId: 'again', dedupId }
        const [outcomes] = await saved.engine.commit([{ ops: [{ kind: 'append', queue: 'fifo', message }] }])
        expect(outcomes?.[0]).toEqual({ kind: 'duplicate', of: id })
      }
      await saved.engine.close()
      await before.close()
    }
  })

  it('after a crash too: an unfinished write at the end is a note, no damage', async () => {
    // So little work that no file was used before: of one that was, nobody can tell.
    const { disk, held } = await worked(4, 60)
    const { engine } = await openStore(disk)
    const message = { content: { body: Buffer.alloc(3_000, 'x'), head: new Uint8Array(0) } }
    await engine.commit([{ ops: [{ kind: 'append', queue: 'plain', message }] }])
    const torn = disk.crash()
    const [path] = segmentsOf(torn).slice(-1)
    const bytes = torn.contentOf(path as string)
    const end = bytes.lastIndexOf('xxxx') + 4
    torn.flipBit(path as string, end - 1_000, 3)
    const examination = await examine(torn)
    expect(examination.findings).toEqual([])
    expect(examination.notes).toMatchObject([{ what: expect.stringContaining('unfinished write') }])
    expect(unbalanced(held, await save(torn))).toEqual([])
  })

  it('that is empty is called empty', async () => {
    expect((await examine(new FaultDisk())).kind).toBe('empty')
  })
})

describe('a flipped bit', () => {
  const kinds = ['append', 'lease', 'remove', 'keep', 'return', 'die', 'move', 'record', 'putQueue', 'open'] as const
  for (const kind of kinds)
    it(`in a record that says "${kind}" is found, and the account balances`, async () => {
      const { disk, held } = await worked(22, kind === 'open' ? 40 : 500)
      const random = seededRandom(6)
      // Those behind the last checkpoint count; the ones before it say nothing any more.
      const places = placesOf(disk, kind).slice(-3)
      expect(places.length).toBeGreaterThan(0)
      for (const { path, start, end } of places)
        for (let round = 0; round < 4; round++) {
          const copy = disk.crash()
          copy.flipBit(path, start + Math.floor(random.float() * (end - start)), Math.floor(random.float() * 8))
          const saved = await save(copy)
          expect(unbalanced(held, saved), `${path} at ${start}`).toEqual([])
          await saved.engine.close()
        }
    })

  it('in the body of a message loses that one alone, and names it', async () => {
    const { disk, held } = await worked(7, 100)
    const [id, victim] =
      [...held].find(([, { queue, view }]) => queue === 'plain' && view.content.body.length > 100) ?? []
    if (id === undefined || victim === undefined) throw new Error('no message to damage')
    const text = Buffer.from(victim.view.content.body.subarray(0, 100))
    const path = segmentsOf(disk).find((one) => disk.contentOf(one).includes(text)) as string
    disk.flipBit(path, disk.contentOf(path).indexOf(text) + 50, 1)
    const saved = await save(disk)
    expect(saved.examination.lost.map((one) => one.id)).toEqual([id])
    expect(saved.examination.lost[0]?.queue).toBe('plain')
    expect(saved.held.has(id)).toBe(false)
    expect(unbalanced(held, saved)).toEqual([])
  })

  it('beside the body leaves the message whole, in a queue of its own', async () => {
    const { disk, held } = await worked(8, 60)
    const { path, start } = placesOf(disk, 'append').at(-1) as { path: string; start: number }
    // The time of the append: nothing else depends on it.
    disk.flipBit(path, start + 15, 0)
    const saved = await save(disk)
    expect(saved.examination.strays.length).toBeGreaterThan(0)
    expect([...saved.held.values()].filter(({ queue }) => queue === STRAYS_QUEUE)).toHaveLength(
      saved.examination.strays.length,
    )
    expect(unbalanced(held, saved)).toEqual([])
  })
})

describe('a file', () => {
  it('that is cut at any length', async () => {
    const { disk, held } = await worked(9, 500)
    for (const path of [...segmentsOf(disk), ...checkpointsOf(disk)])
      for (const share of [0, 0.02, 0.3, 0.7, 0.98]) {
        const copy = disk.crash()
        copy.truncateAt(path, Math.floor(disk.contentOf(path).length * share))
        const saved = await save(copy)
        expect(unbalanced(held, saved), `${path} cut to ${share}`).toEqual([])
        await saved.engine.close()
      }
  })

  for (const which of ['first', 'middle', 'last'] as const)
    it(`that is missing: the ${which} segment`, async () => {
      const { disk, held } = await worked(10, 900)
      const paths = segmentsOf(disk)
      const at = { first: 0, middle: Math.floor(paths.length / 2), last: paths.length - 1 }[which]
      await disk.remove(paths[at] as string)
      const saved = await save(disk)
      expect(unbalanced(held, saved)).toEqual([])
      expect(saved.examination.findings).toContainEqual({ where: paths[at], what: expect.stringContaining('missing') })
      await saved.engine.close()
    })

  it('that is missing: the checkpoint, with the segments it stood for', async () => {
    const { disk, held } = await worked(11, 1_500)
    expect(Math.min(...segmentsOf(disk).map((path) => Number(/\d+/.exec(path))))).toBeGreaterThan(1)
    for (const path of checkpointsOf(disk)) await disk.remove(path)
    const saved = await save(disk)
    expect(saved.examination.findings).toContainEqual({
      where: expect.stringMatching(/^segments 1 to/),
      what: expect.stringContaining('no whole checkpoint'),
    })
    expect(unbalanced(held, saved)).toEqual([])
    expect(saved.held.size).toBeGreaterThan(0)
  })

  it('that is old: a checkpoint from before segments were given back', async () => {
    const disk = new FaultDisk()
    const { engine } = await openStore(disk)
    await engine.close()
    const { disk: later, held } = await worked(12, 700)
    const old = later.crash()
    const path = checkpointsOf(old)[0] as string
    const { engine: again } = await openStore(later)
    const message = { content: { body: Buffer.alloc(20_000, 'y'), head: new Uint8Array(0) } }
    for (let round = 0; round < 30; round++)
      await again.commit([{ ops: [{ kind: 'append', queue: 'plain', message }] }])
    const full = await everything(again)
    await again.close()
    for (const newer of checkpointsOf(later)) await later.remove(newer)
    const file = await later.open(path, 'create')
    await file.write(old.contentOf(path), 0)
    const saved = await save(later)
    expect(unbalanced(full, saved)).toEqual([])
    expect(full.size).toBeGreaterThan(held.size)
  })

  it('that does not belong there is a note', async () => {
    const { disk, held } = await worked(13, 100)
    const file = await disk.open('journal/notes.txt', 'create')
    await file.write(Buffer.from('shopping list'), 0)
    const saved = await save(disk)
    expect(saved.examination.findings).toEqual([])
    expect(saved.examination.notes).toMatchObject([{ where: 'journal/notes.txt' }])
    expect(unbalanced(held, saved)).toEqual([])
  })

  it('that is garbage under the name of a segment', async () => {
    const { disk, held } = await worked(14, 100)
    const file = await disk.open('journal/00000099.seg', 'create')
    await file.write(seededRandom(1).bytes(50_000), 0)
    const saved = await save(disk)
    expect(saved.examination.findings[0]).toMatchObject({ where: 'journal/00000099.seg' })
    expect(unbalanced(held, saved)).toEqual([])
  })

  it('that changed places with another', async () => {
    const { disk, held } = await worked(15, 900)
    const [a = '', b = ''] = segmentsOf(disk)
    await disk.rename(a, 'journal/aside')
    await disk.rename(b, a)
    await disk.rename('journal/aside', b)
    const saved = await save(disk)
    expect(saved.examination.lost).toEqual([])
    expect(unbalanced(held, saved)).toEqual([])
    expect(essences(saved.held)).toEqual(essences(held))
  })

  it.each([
    ['newer', 99],
    ['older', 2],
  ])('of a format that is %s is not read', async (kind, version) => {
    const { disk } = await worked(16, 50)
    for (const path of segmentsOf(disk)) {
      const file = await disk.open(path, 'existing')
      const segment = Number(/(\d+)\.seg$/.exec(path)?.[1])
      await file.write(encodeSegmentHeader({ version, segment, bytes: await file.sizeBytes(), salt: 0 }), 0)
    }
    expect(await examine(disk)).toMatchObject({ kind, version })
  })
})

describe('any damage', () => {
  it('of a checkpoint and of the records before and behind it leaves nothing uncertain that is called certain', async () => {
    const { disk, held } = await worked(18, 200)
    const checkpoint = checkpointsOf(disk).at(-1) as string
    // Its last sections; the queues are told elsewhere in it only, since the first segments are gone.
    disk.flipBit(checkpoint, disk.contentOf(checkpoint).length - 492, 4)
    disk.truncateAt(segmentsOf(disk).at(-1) as string, 2_004)
    const saved = await save(disk)
    expect(saved.examination.uncertain.length).toBeGreaterThan(0)
    expect(unbalanced(held, saved)).toEqual([])
    await saved.engine.close()
  })

  it('leaves an account that balances: saved as it was, or named', async () => {
    const random = seededRandom(17)
    const below = (limit: number): number => Math.floor(random.float() * limit)
    const stores = await Promise.all([worked(18, 200), worked(19, 700), worked(20, 1_400)])
    const rounds = longRun ? 2_000 : 60
    let torn = 0
    for (let round = 0; round < rounds; round++) {
      const { disk, held } = stores[round % stores.length] as Worked
      const copy = disk.crash()
      for (let left = 1 + below(4); left > 0; left--) {
        const files = copy.files().filter(({ path, bytes }) => bytes > 0 && !path.includes('spare'))
        const { path, bytes } = files[below(files.length)] as { path: string; bytes: number }
        const dice = below(20)
        if (dice === 0) await copy.remove(path)
        else if (dice < 3) copy.truncateAt(path, below(bytes))
        else if (dice < 6) {
          const file = await copy.open(path, 'existing')
          const at = below(bytes)
          await file.write(random.bytes(Math.min(bytes - at, 1 + below(2_000))), at)
        } else copy.flipBit(path, below(bytes), below(8))
      }
      const saved = await save(copy)
      // Damage to the last records and to every marker behind them cannot be told from a write that a crash cut short.
      if (saved.examination.notes.some(({ what }) => what.includes('unfinished write'))) torn++
      else expect(unbalanced(held, saved), `round ${round}`).toEqual([])
      await saved.engine.close()
    }
    expect(torn).toBeLessThan(rounds / 10)
  }, 1_200_000)
})
