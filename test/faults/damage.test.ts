import { describe, expect, it } from 'vitest'
import { SpindleError } from '../../src/model/errors.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import type { Seen } from './checkers.ts'
import { declareQueues, longRun, look, openStore } from './store.ts'
import { Workload } from './workload.ts'

const essence = (seen: Seen): string =>
  JSON.stringify(seen.messages.map(({ key, queue, body, sequence }) => [queue, key, body, sequence]).sort())

/** A store after some work, closed in order, and what it holds. */
async function worked(seed: number): Promise<{ disk: FaultDisk; seen: Seen }> {
  const disk = new FaultDisk()
  const { engine } = await openStore(disk)
  await declareQueues(engine)
  const workload = new Workload(seededRandom(seed))
  while (workload.operations < 500) await workload.burst(engine)
  const seen = await look(engine)
  await engine.close()
  return { disk, seen }
}

describe('damage on the medium', () => {
  it('a flipped bit or a cut file is found at opening or at reading, never served', async () => {
    const { disk, seen } = await worked(1)
    const random = seededRandom(2)
    const counts = { refused: 0, harmless: 0 }
    for (let round = 0; round < (longRun ? 10_000 : 150); round++) {
      const copy = disk.powerCut({ mode: 'kept' })
      const files = copy.files().filter(({ path, bytes }) => bytes > 0 && !path.includes('spare'))
      const { path, bytes } = files[Math.floor(random.float() * files.length)] as { path: string; bytes: number }
      const offset = Math.floor(random.float() * bytes)
      if (round % 10 === 9) copy.truncateAt(path, offset)
      else copy.flipBit(path, offset, Math.floor(random.float() * 8))
      try {
        const { engine } = await openStore(copy)
        const found = await look(engine)
        expect(essence(found), `round ${round}: ${path} at ${offset}`).toBe(essence(seen))
        counts.harmless++
        await engine.close()
      } catch (error) {
        if (!(error instanceof SpindleError)) throw error
        expect(error.code).toBe('corrupt')
        counts.refused++
      }
    }
    expect(counts.refused).toBeGreaterThan(counts.harmless / 10)
  }, 3_600_000)

  it('a bit that flips under an open store is found when the body is read', async () => {
    const disk = new FaultDisk()
    const { engine } = await openStore(disk)
    await declareQueues(engine)
    const bodies = Array.from({ length: 600 }, (_, index) => `flip${index}|`.padEnd(1_000, 'b'))
    for (const body of bodies) {
      const message = { content: { body: Buffer.from(body), head: new Uint8Array(0) } }
      await engine.commit([{ ops: [{ kind: 'append', queue: 'plain', message }] }])
    }
    // In the middle of the body of an early message, which left the cache long ago.
    const path = 'journal/00000001.seg'
    const at = disk.contentOf(path).indexOf('flip3|') + 500
    disk.flipBit(path, at, 2)
    const outcome = await look(engine).then(
      () => 'served',
      (error: unknown) => (error instanceof SpindleError ? error.code : error),
    )
    expect(outcome).toBe('corrupt')
    await engine.close()
  })
})

describe('a clock that jumps', () => {
  it('redelivers nothing early and expires nothing at once, by an hour or a day, forwards or back', async () => {
    const random = seededRandom(3)
    for (let round = 0; round < (longRun ? 500 : 40); round++) {
      const { engine, clock } = await openStore(new FaultDisk())
      await declareQueues(engine)
      const message = { content: { body: Buffer.from('tick|'), head: new Uint8Array(0) } }
      await engine.commit([
        { ops: [{ kind: 'append', queue: 'plain', message }] },
        { ops: [{ kind: 'append', queue: 'plain', message: { ...message, delayMs: 60_000 } }] },
        { ops: [{ kind: 'append', queue: 'plain', message: { ...message, ttlMs: 7_200_000, delayMs: 90_000 } }] },
      ])
      const lease = () => engine.lease({ queue: 'plain', max: 5, lease: { kind: 'clock', leaseMs: 30_000 } })
      expect(await lease()).toHaveLength(1)
      const jump = [3_600_000, -3_600_000, 86_400_000, -86_400_000][round % 4] as number
      const before = random.float() * 29_000
      await clock.advance(before)
      clock.jumpWall(jump)
      await engine.tick(1_000)
      expect(await lease(), `jump of ${jump} ms after ${before} ms`).toEqual([])
      const [measured] = await engine.measure(['plain'])
      expect([measured?.leased, measured?.delayed]).toEqual([1, 2])
      await clock.advance(30_000 - before - 1)
      expect(await lease()).toEqual([])
      await clock.advance(2)
      expect(await lease()).toHaveLength(1)
      await clock.advance(29_500)
      expect(await lease(), 'the delayed one').toHaveLength(0)
      await clock.advance(1_000)
      expect(await lease()).toHaveLength(2)
      await clock.advance(30_000)
      expect(await lease()).toHaveLength(3)
      await engine.close()
    }
  }, 600_000)
})
