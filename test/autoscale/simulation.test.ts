import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type SimulationRun,
  type SimulationSettings,
  simulate,
  simulated,
  turnsAfterSteps,
} from '../../bench/autoscale/simulation.ts'
import { type Trace, traces } from '../../bench/autoscale/traces.ts'

const trace = (name: string): Trace => {
  const found = traces.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no trace ${name}`)
  return found
}

const STEP_AT_S = 180

/** Three minutes of one load, then three of another. */
function step(before: number, after: number, settings: Partial<SimulationSettings>): SimulationRun {
  const rate = (atS: number): number => (atS < STEP_AT_S ? before : after)
  return simulate({ seconds: 2 * STEP_AT_S, rate }, { ...simulated, ...settings, max: 400 })
}

/** Once it had settled after the step, did messages wait longer than they should? Then going out again is what it is for. */
function wasLate({ seconds }: SimulationRun, stepAtS: number): boolean {
  const settled = seconds.filter(({ atS }) => atS > stepAtS + STEP_AT_S / 3 && atS <= stepAtS + STEP_AT_S)
  return settled.some(({ latencyS }) => latencyS * 1_000 > simulated.targetLatencyMs)
}

describe('the policy in simulated time', () => {
  it('follows a tenfold load within two looks, keeps the target and comes back', () => {
    const run = simulate(trace('spike'))
    const wantedAt = (atS: number): number => run.seconds.find((second) => second.atS === atS)?.wanted ?? 0
    expect(wantedAt(120)).toBeLessThanOrEqual(4)
    expect(wantedAt(123)).toBeGreaterThanOrEqual(20) // the poll at 122 s is the second after the step
    expect(run.latencyMaxS).toBeLessThanOrEqual(simulated.targetLatencyMs / 1_000)
    expect(run.seconds.at(-1)?.wanted).toBeLessThanOrEqual(4)
    expect(run.ended).toBeGreaterThan(run.arrived - 100)
  })

  it.each(['steady', 'spike', 'sawtooth'])('turns round at most once after each step of the %s load', (name) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const run = simulate(trace(name), { ...simulated, seed })
      expect(Math.max(...turnsAfterSteps(run, trace(name).steps))).toBeLessThanOrEqual(1)
    }
  })

  it('has one crest for each crowd of the day', () => {
    const day = trace('day')
    const run = simulate(day)
    // Up, down, up, down.
    expect(turnsAfterSteps(run, day.steps)).toEqual([3])
    expect(run.latencyP99S).toBeLessThan(1)
    expect(run.workerS).toBeLessThan(run.busyWorkerS / 0.6)
  })

  /** Loads at which earlier policies turned round twice: few messages a second, few slots, long tasks. */
  it.each([
    { before: 7, after: 2, seed: 2076798044, slots: 1, taskMs: 888, startUpMs: 4680 },
    { before: 17, after: 3, seed: 1682041388, slots: 9, taskMs: 1954, startUpMs: 5720 },
    { before: 3, after: 12, seed: 1131297358, slots: 3, taskMs: 1956, startUpMs: 3460 },
    { before: 6, after: 11, seed: 1774889679, slots: 5, taskMs: 1888, startUpMs: 1000 },
    { before: 2, after: 14, seed: 1133592889, slots: 1, taskMs: 1439, startUpMs: 2780 },
    { before: 16, after: 2, seed: 2044987058, slots: 4, taskMs: 1932, startUpMs: 4780 },
    { before: 3, after: 3, seed: 1412952291, slots: 1, taskMs: 1357, startUpMs: 2760 },
    { before: 20, after: 5, seed: 258384713, slots: 8, taskMs: 1532, startUpMs: 5260 },
    { before: 18, after: 3, seed: 701937524, slots: 3, taskMs: 1030, startUpMs: 1660 },
    { before: 20, after: 15, seed: 1067461330, slots: 2, taskMs: 502, startUpMs: 5200 },
    { before: 14, after: 1, seed: 1099907990, slots: 1, taskMs: 1283, startUpMs: 940 },
    { before: 1, after: 18, seed: 1882220520, slots: 1, taskMs: 1812, startUpMs: 5260 },
    { before: 1, after: 3, seed: 1008748816, slots: 1, taskMs: 1768, startUpMs: 5240 },
    { before: 5, after: 19, seed: 1293336549, slots: 1, taskMs: 1874, startUpMs: 5120 },
    { before: 16, after: 13, seed: 165517538, slots: 3, taskMs: 1402, startUpMs: 2200 },
    { before: 2, after: 18, seed: 1528280016, slots: 1, taskMs: 1639, startUpMs: 5680 },
    { before: 12, after: 20, seed: 39635603, slots: 1, taskMs: 1758, startUpMs: 500 },
  ])('turns round at most once from $before to $after messages a second', ({ before, after, ...settings }) => {
    const run = step(before, after, settings)
    expect(Math.max(...turnsAfterSteps(run, [0, STEP_AT_S]))).toBeLessThanOrEqual(1)
  })

  it('turns round at most once after a step from any load to any other, and again only when messages are late', {
    timeout: 3_600_000,
  }, () => {
    // Half of them so few that chance alone looks like a change of load.
    const load = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 20, max: 150 }))
    const how = fc.record({
      seed: fc.nat(),
      slots: fc.integer({ min: 1, max: 10 }),
      taskMs: fc.integer({ min: 50, max: 2_000 }),
      startUpMs: fc.integer({ min: 10, max: 300 }).map((steps) => steps * 20),
    })
    fc.assert(
      fc.property(load, load, how, (before, after, settings) => {
        const run = step(before, after, settings)
        const turns = turnsAfterSteps(run, [0, STEP_AT_S])
        for (const [at, count] of turns.entries())
          expect(count).toBeLessThanOrEqual(wasLate(run, at * STEP_AT_S) ? 2 : 1)
      }),
      { numRuns: process.env['SPINDLE_TEST_LONG'] === '1' ? 10_000 : 100 },
    )
  })
})
