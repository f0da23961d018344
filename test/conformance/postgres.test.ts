import { describe, it } from 'vitest'
import { PostgresEngine } from '../../src/engine/postgres/engine.ts'
import { timeOf } from '../../src/engine/postgres/store-time.ts'
import { defaultLimits } from '../../src/model/limits.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { emptied, freshDatabase } from '../postgres/database.ts'
import { whyNoPostgres } from '../postgres/server.ts'
import { conformance } from './conformance.ts'
import type { MakeEngine } from './subject.ts'

const missing = whyNoPostgres()
const schema = 'conformance'
let url: string | undefined

const make: MakeEngine = async ({ limits }) => {
  if (url === undefined) url = await freshDatabase()
  else await emptied(url, schema)
  const clock = new VirtualClock({ monotonicMs: 1_000_000 })
  const open = async (): Promise<PostgresEngine> => {
    const engine = new PostgresEngine({
      url: url as string,
      // What waits for the server waits in real time; durations run on the virtual clock.
      clock,
      random: systemRandom,
      limits: { ...defaultLimits, ...limits },
      options: { schema, time: timeOf(clock), connectionsMax: 2 },
    })
    await engine.open()
    return engine
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

if (missing === undefined) conformance('postgres', make, { durable: true })
else describe('postgres engine', () => it.skip(missing, () => {}))
