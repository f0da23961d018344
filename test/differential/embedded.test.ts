import { describe, it } from 'vitest'
import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { throughDirect } from '../conformance/through-direct.ts'
import { compareWithReference, type Other } from './differential.ts'

async function embedded(clock: VirtualClock, facing = (engine: Engine): Engine => engine): Promise<Other> {
  const disk = new FaultDisk()
  const random = seededRandom(2)
  const make = async () => {
    const engine = new EmbeddedEngine({
      disk,
      clock,
      random,
      options: { segmentBytes: 65_536, checkpointBytes: 16_384, cacheBytes: 8_192 },
    })
    await engine.open()
    return facing(engine)
  }
  let engine = await make()
  return {
    engine,
    reopen: async () => {
      await engine.close()
      engine = await make()
      return engine
    },
  }
}

describe('the embedded engine', () => {
  it('answers as the reference does', async () => {
    await compareWithReference({ makeOther: embedded })
  })

  it('answers as the reference does when it is closed and opened at times', async () => {
    await compareWithReference({ makeOther: embedded, reopens: true })
  })

  it('answers as the reference does by its direct verbs', async () => {
    await compareWithReference({ makeOther: (clock) => embedded(clock, throughDirect) })
  })
})
