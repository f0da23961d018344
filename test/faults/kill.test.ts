import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { nodeDisk } from '../../src/runtime/node-disk.ts'
import { seededRandom, systemRandom } from '../../src/runtime/random.ts'
import { judge } from './checkers.ts'
import { longRun, look } from './store.ts'
import { bundledVictim, VictimLog } from './victim-run.ts'

const CYCLES = longRun ? 100 : 8

it('a process killed at any moment has lost nothing it had acknowledged', async () => {
  const root = await mkdtemp(join(tmpdir(), 'spindle-kill-'))
  const folder = join(root, 'data')
  try {
    const random = seededRandom(41)
    const victims = new VictimLog(await bundledVictim(root))
    let stored = 0
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const lines = 5 + Math.floor(random.float() * 400)
      const end = await victims.run({ folder, cycle, onLine: (count, kill) => count === lines && kill() })
      expect(end.signal).toBe('SIGKILL')
      const engine = new EmbeddedEngine({ disk: nodeDisk(folder), clock: systemClock, random: systemRandom })
      await engine.open()
      expect(judge(victims.log, await look(engine), victims.log.now, 'kill'), `cycle ${cycle}`).toEqual([])
      await engine.close()
      stored += end.stored
    }
    expect(stored).toBeGreaterThan(CYCLES * 100)
  } finally {
    await rm(root, { recursive: true })
  }
}, 1_800_000)
