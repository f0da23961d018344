/** Faults on a disk, a network and a clock in memory, as many rounds as one asks for: the short forms run in `npm test`. */

import { planOf } from '../../simulation/plans.ts'
import { faultKinds, simulate } from '../../simulation/world.ts'
import { damagedRounds, jumpedRounds } from '../damage.ts'
import type { RealFault } from './fault.ts'

const OPERATIONS_A_SEED = 10_000

export const simulation: RealFault = {
  name: 'simulation',
  what: `the whole broker in memory under every fault at random, ${OPERATIONS_A_SEED} operations a seed`,
  cycles: 1_000,
  async run({ cycles, seed }) {
    const problems: string[] = []
    const counts = new Map<string, number>()
    let operations = 0
    let lives = 0
    for (let at = seed; at < seed + cycles && problems.length === 0; at++) {
      const plan = planOf(at, OPERATIONS_A_SEED)
      const outcome = await simulate(plan)
      operations += outcome.operations
      lives += outcome.lives
      for (const kind of faultKinds) counts.set(kind, (counts.get(kind) ?? 0) + (outcome.faults[kind] ?? 0))
      problems.push(...outcome.problems.map((problem) => `seed ${at}: ${problem}`))
    }
    const struck = [...counts].map(([kind, count]) => `${count} x ${kind}`).join(', ')
    return {
      problems,
      figure: `${operations} operations in ${lives} lives, ${struck}; ${problems.length} promises broken`,
    }
  },
}

export const damage: RealFault = {
  name: 'damage',
  what: 'a flipped bit or a cut file: found at opening or at reading, never served',
  cycles: 10_000,
  async run(options) {
    const { refused, harmless, problems } = await damagedRounds(options)
    return {
      problems,
      figure: `${options.cycles} flips and cuts: ${refused} refused, ${harmless} harmless, ${problems.length} served`,
    }
  },
}

export const clock: RealFault = {
  name: 'clock',
  what: 'the wall clock jumps by an hour or a day, forwards or back, in the middle of a lease',
  cycles: 500,
  async run(options) {
    const problems = await jumpedRounds(options)
    return { problems, figure: `${options.cycles} jumps, ${problems.length} early or late deliveries` }
  },
}
