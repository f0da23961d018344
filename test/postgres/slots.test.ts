/** Bodies are reclaimed, whoever holds a snapshot and whatever is left behind. */
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PostgresEngine } from '../../src/engine/postgres/engine.ts'
import { defaultPolicy } from '../../src/model/policy.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { freshDatabase, run } from './database.ts'
import { whyNoPostgres } from './server.ts'

const missing = whyNoPostgres()
const head = new Uint8Array(0)

describe.skipIf(missing !== undefined)(`slots of bodies${missing === undefined ? '' : ` (${missing})`}`, () => {
  it('are turned and emptied under a held snapshot, and the last of them is not lost', async () => {
    const url = await freshDatabase()
    const engine = new PostgresEngine({
      url,
      clock: systemClock,
      random: systemRandom,
      options: { slotBytes: 100_000 },
    })
    await engine.open()
    await engine.commit([{ ops: [{ kind: 'putQueue', queue: 'q', policy: defaultPolicy }] }])
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    onTestFinished(async () => {
      await holder.end()
      await engine.close()
    })
    await holder.query('begin isolation level repeatable read; select 1')
    const send = (text: string) =>
      engine.commit([
        { ops: [{ kind: 'append', queue: 'q', message: { content: { body: Buffer.from(text), head } } }] },
      ])
    const bytes = async (): Promise<number> =>
      Number(
        (
          await run(
            url,
            `select sum(pg_total_relation_size(inhrelid)) as n from pg_inherits where inhparent = 'spindle.body'::regclass`,
          )
        ).rows[0].n,
      )
    await send('straggler')
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 8; i++) await send('x'.repeat(16_000 + i) + Math.random())
      const leased = await engine.lease({ queue: 'q', max: 100, lease: { kind: 'clock' } })
      const others = leased.filter(({ content }) => content.body.length > 100)
      await engine.commit([{ ops: others.map(({ receipt }) => ({ kind: 'settle', receipt, how: { kind: 'ack' } })) }])
      for (const { receipt } of leased.filter((delivery) => !others.includes(delivery))) {
        await engine.commit([{ ops: [{ kind: 'settle', receipt, how: { kind: 'release', spend: false } }] }])
      }
      await engine.turnSlots()
    }
    expect(await bytes()).toBeLessThan(700_000)
    const [left] = await engine.lease({ queue: 'q', max: 10, lease: { kind: 'clock' } })
    expect(Buffer.from(left?.content.body ?? []).toString()).toBe('straggler')
  })
})
