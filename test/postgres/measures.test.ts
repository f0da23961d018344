/** Counts of large queues are estimates, and say so. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { fillBacklog } from '../../bench/postgres/backlog.ts'
import { PostgresEngine } from '../../src/engine/postgres/engine.ts'
import { defaultPolicy } from '../../src/model/policy.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { freshDatabase } from './database.ts'
import { whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()

describe.skipIf(missing !== undefined)(`measures${missing === undefined ? '' : ` (${missing})`}`, () => {
  it('counts a small queue, and estimates a large one beside it', async () => {
    const url = await freshDatabase()
    const engine = new PostgresEngine({ url, clock: systemClock, random: systemRandom })
    await engine.open()
    onTestFinished(() => engine.close())
    for (const queue of ['q', 'small'])
      await engine.commit([{ ops: [{ kind: 'putQueue', queue, policy: defaultPolicy }] }])
    const message = { content: { body: new Uint8Array(100), head: new Uint8Array(0) } }
    await engine.commit([{ ops: [{ kind: 'append', queue: 'small', message }] }])
    expect(await engine.measure(['small'])).toMatchObject([{ ready: 1, bytes: 100 }])
    await fillBacklog(url, 'spindle', 60_000)
    const leased = await engine.lease({ queue: 'q', max: 1_000, lease: { kind: 'clock' } })
    const [large, small] = await engine.measure(['q', 'small'])
    expect(small).toMatchObject({ ready: 1, bytes: 100 })
    expect(small).not.toHaveProperty('estimated')
    expect(large).toMatchObject({ estimated: true })
    expect((large?.ready ?? 0) + (large?.leased ?? 0)).toBeGreaterThan(45_000)
    expect((large?.ready ?? 0) + (large?.leased ?? 0)).toBeLessThan(75_000)
    expect(leased).toHaveLength(1_000)
  }, 60_000)
})
