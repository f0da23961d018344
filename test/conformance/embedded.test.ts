import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { conformance } from './conformance.ts'
import type { MakeEngine } from './subject.ts'
import { throughDirect } from './through-direct.ts'

const make =
  (facing: (engine: EmbeddedEngine) => Engine): MakeEngine =>
  async ({ limits }) => {
    // Not 0, which an engine may take for no instant: no real clock stands there.
    const clock = new VirtualClock({ monotonicMs: 1_000_000 })
    const disk = new FaultDisk()
    const random = seededRandom(1)
    const open = async (): Promise<Engine> => {
      const engine = new EmbeddedEngine({
        disk,
        clock,
        random,
        limits: { ...defaultLimits, ...limits },
        // Small ones, so that a few thousand messages roll segments and write checkpoints.
        options: { segmentBytes: 65_536, checkpointBytes: 65_536, cacheBytes: 16_384 },
      })
      await engine.open()
      return facing(engine)
    }
    let engine = await open()
    return {
      engine,
      clock,
      reopen: async () => {
        await engine.close()
        engine = await open()
        return engine
      },
    }
  }

conformance(
  'embedded',
  make((engine) => engine),
  { durable: true },
)
conformance('embedded, by its direct verbs', make(throughDirect), { durable: true })
