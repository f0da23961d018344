/**
 * Model-based test: random actions on the reference engine and another one, compared after each. A failure is shrunk to
 * few actions and printed with its seed; SPINDLE_SEED draws the same runs again. SPINDLE_TEST_LONG=1 runs many more.
 */
import fc from 'fast-check'
import type { Engine } from '../../src/engine/engine.ts'
import { MemoryEngine } from '../../src/engine/memory/memory-engine.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { type Action, everyAction, jumpWallAction, reopenAction } from './actions.ts'
import { Pair } from './pair.ts'

const ACTIONS_MAX = 80
const RUNS = 40
const RUNS_LONG = 4_000

export interface Other {
  /** Open. */
  readonly engine: Engine
  readonly reopen?: () => Promise<Engine>
}

class Step implements fc.AsyncCommand<Pair, Pair> {
  readonly #action: Action

  constructor(action: Action) {
    this.#action = action
  }

  check(): boolean {
    return true
  }

  run(pair: Pair): Promise<void> {
    return pair.perform(this.#action)
  }

  toString(): string {
    return JSON.stringify(this.#action)
  }
}

export interface DifferentialOptions {
  readonly makeOther: (clock: VirtualClock) => Promise<Other>
  /** Also reopen the other one at times. Wall jumps are left out then: stored instants are wall time. */
  readonly reopens?: boolean
  readonly runs?: number
  /** Default: that of the run. */
  readonly seed?: number
  /** Look for the smallest list that fails. Default true. */
  readonly shrinks?: boolean
}

/** Rejects with a list of actions that shows a difference, the smallest one if it `shrinks`. */
export async function compareWithReference({
  makeOther,
  reopens = false,
  runs,
  seed,
  shrinks = true,
}: DifferentialOptions): Promise<void> {
  const actions = [...everyAction, reopens ? reopenAction : jumpWallAction]
  const steps = actions.map((arbitrary) => arbitrary.map((action) => new Step(action)))
  const commands = fc.commands(steps, { maxCommands: ACTIONS_MAX, size: 'max' })
  const property = fc.asyncProperty(commands, async (run) => {
    const clock = new VirtualClock({ monotonicMs: 1_000_000 })
    const reference = new MemoryEngine({ clock, random: seededRandom(1) })
    await reference.open()
    const { engine, reopen } = await makeOther(clock)
    const pair = new Pair({ reference, other: engine, clock, ...(reopen === undefined ? {} : { reopenOther: reopen }) })
    try {
      await pair.start()
      await fc.asyncModelRun(() => ({ model: pair, real: pair }), run)
    } finally {
      await pair.other.close()
    }
  })
  const long = process.env['SPINDLE_TEST_LONG'] === '1'
  const numRuns = runs ?? (long ? RUNS_LONG : RUNS)
  await fc.assert(property, { numRuns, endOnFailure: !shrinks, ...(seed === undefined ? {} : { seed }) })
}
