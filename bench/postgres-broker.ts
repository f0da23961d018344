/** One broker of ours in `npm run bench:postgres`, in a process of its own; from dist/, so that what is shipped is what is measured. */
import process from 'node:process'
import { BODY_BYTES, groupOf, type LoadJob, type Round, runLoad } from './postgres/load.ts'

/** Not by a path that the compiler follows: it may run before anything is built. */
const built = (module: string): Promise<unknown> => import(new URL(`../dist/${module}`, import.meta.url).href)
const { PostgresEngine } = (await built(
  'engine/postgres/engine.js',
)) as typeof import('../src/engine/postgres/engine.ts')
const { defaultPolicy } = (await built('model/policy.js')) as typeof import('../src/model/policy.ts')
const { systemClock } = (await built('runtime/clock.js')) as typeof import('../src/runtime/clock.ts')
const { systemRandom } = (await built('runtime/random.js')) as typeof import('../src/runtime/random.ts')

const BODY = new Uint8Array(BODY_BYTES).fill(120)
const HEAD = new Uint8Array(0)
const SWEEP_MS = 500

async function joined({ url, batch, groups }: LoadJob): Promise<Round> {
  const engine = new PostgresEngine({ url, clock: systemClock, random: systemRandom })
  await engine.open()
  const policy = { ...defaultPolicy, ...(groups > 0 ? { groups: { kind: 'ordered' as const } } : {}) }
  await engine.commit([{ ops: [{ kind: 'putQueue', queue: 'q', policy, expect: 'absent' }] }])
  // What the sweeper of a broker does.
  setInterval(() => void engine.tick(1_000).catch(() => {}), SWEEP_MS).unref()
  return async () => {
    const units = Array.from({ length: batch }, () => {
      const group = groups === 0 ? {} : { groupId: groupOf(groups) }
      return {
        ops: [{ kind: 'append' as const, queue: 'q', message: { content: { body: BODY, head: HEAD }, ...group } }],
      }
    })
    await engine.commit(units)
    const got = await engine.lease({ queue: 'q', max: batch, lease: { kind: 'clock' } })
    if (got.length === 0) return 0
    await engine.commit([
      { ops: got.map(({ receipt }) => ({ kind: 'settle' as const, receipt, how: { kind: 'ack' as const } })) },
    ])
    return got.length
  }
}

const job = JSON.parse(process.argv[2] ?? '{}') as LoadJob
const rates = await runLoad(await joined(job), job)
process.send?.(rates, () => process.exit(0))
