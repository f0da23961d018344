import { EmbeddedEngine } from '../../src/engine/embedded/engine.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { conformance } from './conformance.ts'

conformance(
  'embedded',
  async ({ limits }) => {
    // Not 0, which an engine may take for no instant: no real clock stands there.
    const clock = new VirtualClock({ monotonicMs: 1_000_000 })
    const disk = new FaultDisk()
    const random = seededRandom(1)
    const make = () =>
      new EmbeddedEngine({
        disk,
        clock,
        random,
        limits: { ...defaultLimits, ...limits },
        // Small ones, so that a few thousand messages roll segments and write checkpoints.
        options: { segmentBytes: 65_536, checkpointBytes: 65_536, cacheBytes: 16_384 },
      })
    let engine = make()
    await engine.open()
    return {
      engine,
      clock,
      reopen: async () => {
        await engine.close()
        engine = make()
        await engine.open()
        return engine
      },
    }
  },
  { durable: true },
)
