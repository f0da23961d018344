/**
 * The whole broker under faults. By default some 75,000 operations over fixed seeds and one that the run draws; SPINDLE_TEST_LONG=1: 10 M.
 * A failure prints its plan, made as small as it gets: put it into test/scenarios/plans.json.
 */
import process from 'node:process'
import { describe, expect, it } from 'vitest'
import { longRun } from '../faults/store.ts'
import scenarios from '../scenarios/plans.json' with { type: 'json' }
import { planOf, shrink } from './plans.ts'
import { actorKinds, faultKinds, type Outcome, type Plan, simulate } from './world.ts'

const OPERATIONS = 10_000
const FIXED_SEEDS = longRun ? 980 : 5
const DRAWN_SEEDS = longRun ? 20 : 1
const SHRINK_RUNS_MAX = 60

const drawn = Number(process.env['SPINDLE_SEED'] ?? 1)
const seeds = [
  ...Array.from({ length: FIXED_SEEDS }, (_, index) => index + 1),
  ...Array.from({ length: DRAWN_SEEDS }, (_, index) => drawn + 1_000_000 + index),
]

async function run(plan: Plan): Promise<Outcome> {
  const outcome = await simulate(plan)
  if (outcome.problems.length === 0) return outcome
  let left = SHRINK_RUNS_MAX
  const smallest = await shrink(plan, async (smaller) => left-- > 0 && (await simulate(smaller)).problems.length > 0)
  const { problems } = await simulate(smallest)
  throw new Error(
    `plan ${JSON.stringify(smallest)} (found as ${JSON.stringify(plan)}) breaks promises:\n${problems.join('\n')}`,
  )
}

describe('the whole broker under faults', () => {
  it('keeps every promise to the clients of every front end', async () => {
    const counts = new Map<string, number>()
    let operations = 0
    let lives = 0
    for (const seed of seeds) {
      const outcome = await run(planOf(seed, OPERATIONS))
      operations += outcome.operations
      lives += outcome.lives
      for (const [kind, count] of Object.entries(outcome.faults)) counts.set(kind, (counts.get(kind) ?? 0) + count)
    }
    console.log(
      `simulated ${operations} operations in ${lives} lives: ${[...counts].map(([kind, count]) => `${count} x ${kind}`).join(', ')}`,
    )
    expect(operations).toBeGreaterThanOrEqual(seeds.length * OPERATIONS)
    if (longRun) for (const kind of faultKinds) expect(counts.get(kind) ?? 0, kind).toBeGreaterThan(0)
  }, 7_200_000)

  it('does the same again for the same plan', async () => {
    const plan = planOf(77, 3_000)
    expect(await simulate(plan)).toEqual(await simulate(plan))
  })

  for (const { why, ...plan } of scenarios as ({ why: string } & Plan)[])
    it(`${why}`, async () => {
      expect((await simulate(plan)).problems).toEqual([])
    }, 120_000)
})

describe('a failing plan', () => {
  it('shrinks to the clients and the fault that it takes', async () => {
    const fails = async ({ actors, faults, operations }: Plan): Promise<boolean> =>
      actors.includes('fifo') && faults.includes('kill') && operations >= 700
    expect(await shrink(planOf(1, 10_000), fails)).toEqual({
      seed: 1,
      operations: 1_250,
      actors: ['fifo'],
      faults: ['kill'],
    })
    expect(actorKinds).toContain('fifo')
  })
})
