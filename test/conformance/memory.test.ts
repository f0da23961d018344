import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { conformance } from './conformance.ts'

conformance(
  'memory',
  async ({ limits }) => {
    // Not 0, which an engine may take for no instant: no real clock stands there.
    const clock = new VirtualClock({ monotonicMs: 1_000_000 })
    const engine = new MemoryEngine({ clock, random: seededRandom(1), limits: { ...defaultLimits, ...limits } })
    await engine.open()
    return { engine, clock }
  },
  { durable: false },
)
