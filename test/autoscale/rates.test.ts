import { describe, expect, it } from 'vitest'
import { observe, type QueueSample, type Rates, taskSeconds } from '../../src/autoscale/rates.ts'

/** One look a second at a queue that so many arrive at, and whose tasks last so long; nobody waits. */
function look(seconds: readonly { readonly arrived: number; readonly inFlight?: number }[]): Rates[] {
  let rates = observe(undefined, { atMs: 0, waiting: 0, inFlight: 0, delivered: 0 })
  let sample: QueueSample = rates.sample
  return seconds.map(({ arrived, inFlight = 0 }) => {
    sample = { atMs: sample.atMs + 1_000, waiting: 0, inFlight, delivered: sample.delivered + arrived }
    rates = observe(rates, sample)
    return rates
  })
}
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)
const arrivals = (rates: readonly Rates[]): (number | undefined)[] => rates.map(({ arrivalsPerS }) => arrivalsPerS)

describe('the rates', () => {
  it('know nothing after one look', () => {
    expect(observe(undefined, { atMs: 0, waiting: 5, inFlight: 0, delivered: 0 }).arrivalsPerS).toBeUndefined()
  })

  it('count what waits and what was taken as arrived', () => {
    const first = observe(undefined, { atMs: 0, waiting: 10, inFlight: 2, delivered: 100 })
    expect(observe(first, { atMs: 2_000, waiting: 16, inFlight: 2, delivered: 114 }).arrivalsPerS).toBe(10)
  })

  it('follow a tenfold load at the second look, and back', () => {
    const rates = arrivals(
      look([...times(10, { arrived: 20 }), ...times(3, { arrived: 200 }), ...times(3, { arrived: 20 })]),
    )
    expect(rates[9]).toBe(20)
    expect(rates.slice(11, 13)).toEqual([200, 200])
    expect(rates.slice(14)).toEqual([20, 20])
  })

  it('take one batch for a batch', () => {
    const rates = arrivals(look([...times(10, { arrived: 20 }), { arrived: 200 }, ...times(10, { arrived: 20 })]))
    expect(Math.max(...rates.map((rate) => rate ?? 0))).toBeLessThanOrEqual(56)
  })

  it('believe that nothing comes any more, also of a quiet queue', () => {
    expect(arrivals(look([...times(5, { arrived: 100 }), ...times(2, { arrived: 0 })])).at(-1)).toBe(0)
    expect(arrivals(look([...times(50, { arrived: 1 }), ...times(13, { arrived: 0 })])).at(-1)).toBe(0)
  })

  it('find the time of a task from what is in flight', () => {
    const rates = look(times(60, { arrived: 50, inFlight: 20 })).at(-1) as Rates
    expect(taskSeconds(rates)).toBeCloseTo(0.4, 1)
  })

  it('notice tasks that do not end', () => {
    const rates = look([{ arrived: 10, inFlight: 10 }, ...times(60, { arrived: 0, inFlight: 10 })]).at(-1) as Rates
    expect(taskSeconds(rates)).toBeGreaterThan(30)
  })

  it('have a guess before the first task has ended', () => {
    expect(taskSeconds(observe(undefined, { atMs: 0, waiting: 1, inFlight: 0, delivered: 0 }))).toBeCloseTo(0.1)
  })

  it('skip what lies between two openings of the store, and a clock that did not move', () => {
    const before = look(times(5, { arrived: 10 })).at(-1) as Rates
    const reopened = observe(before, { atMs: 6_000, waiting: 0, inFlight: 0, delivered: 3 })
    expect(reopened).toEqual({ ...before, sample: reopened.sample })
    expect(observe(reopened, { ...reopened.sample, delivered: 50 }).arrivalsPerS).toBe(10)
    expect(observe(reopened, { atMs: 7_000, waiting: 0, inFlight: 0, delivered: 13 }).arrivalsPerS).toBe(10)
  })
})
