import { describe, it } from 'vitest'
import { PostgresEngine } from '../../src/engine/postgres/engine.ts'
import { timeOf } from '../../src/engine/postgres/store-time.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { emptied, freshDatabase } from '../postgres/database.ts'
import { whyNoPostgres } from '../postgres/server.ts'
import { compareWithReference, type Other } from './differential.ts'

const missing = whyNoPostgres()
const schema = 'differential'
const long = process.env['SPINDLE_TEST_LONG'] === '1'
let url: string | undefined

async function postgres(clock: VirtualClock): Promise<Other> {
  if (url === undefined) url = await freshDatabase()
  else await emptied(url, schema)
  const engine = new PostgresEngine({
    url,
    clock,
    random: systemRandom,
    options: { schema, time: timeOf(clock), connectionsMax: 2 },
  })
  await engine.open()
  return { engine }
}

describe.skipIf(missing !== undefined)(`the PostgreSQL engine${missing === undefined ? '' : ` (${missing})`}`, () => {
  it('answers as the reference does', async () => {
    await compareWithReference({ makeOther: postgres, runs: long ? 300 : 4 })
  }, 600_000)
})
