import { describe, expect, it } from 'vitest'
import { SpindleError } from '../../src/model/errors.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { damagedRounds, jumpedRounds } from './damage.ts'
import { declareQueues, longRun, look, openStore } from './store.ts'

describe('damage on the medium', () => {
  it('a flipped bit or a cut file is found at opening or at reading, never served', async () => {
    const { problems, refused, harmless } = await damagedRounds({ cycles: longRun ? 10_000 : 150, seed: 2 })
    expect(problems).toEqual([])
    expect(refused).toBeGreaterThan(harmless / 10)
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
    expect(await jumpedRounds({ cycles: longRun ? 500 : 40, seed: 3 })).toEqual([])
  }, 600_000)
})
