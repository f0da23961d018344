import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { simulate, simulated, turnsAfterSteps } from '../../bench/autoscale/simulation.ts'
import { type Trace, traces } from '../../bench/autoscale/traces.ts'

const trace = (name: string): Trace => {
  const found = traces.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no trace ${name}`)
  return found
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

  /** Of fewer messages a second each crowd is a change of load by itself: about 3 runs of 1,000 turn twice then. */
  it('turns round at most once after a step from any load to any other, whatever the tasks', {
    timeout: 60_000,
  }, () => {
    const load = fc.integer({ min: 20, max: 150 })
    const how = fc.record({
      seed: fc.nat(),
      slots: fc.integer({ min: 1, max: 10 }),
      taskMs: fc.integer({ min: 50, max: 2_000 }),
      startUpMs: fc.integer({ min: 10, max: 300 }).map((steps) => steps * 20),
    })
    fc.assert(
      fc.property(load, load, how, (before, after, settings) => {
        const steps = [0, 180]
        const rate = (atS: number): number => (atS < 180 ? before : after)
        const run = simulate({ seconds: 360, rate }, { ...simulated, ...settings, max: 400 })
        expect(Math.max(...turnsAfterSteps(run, steps))).toBeLessThanOrEqual(1)
      }),
      { numRuns: process.env['SPINDLE_TEST_LONG'] === '1' ? 1_000 : 40 },
    )
  })
})
