import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, type PoolLoad, type PoolMemory, type PoolSettings, poolDefaults } from '../../src/autoscale/policy.ts'

/** One worker ends 10 messages a second, so that at 5 s of target latency it may hold 10 + 50. */
const settings: PoolSettings = { ...poolDefaults, min: 1, max: 20 }
const quiet: PoolLoad = {
  nowMs: 0,
  waiting: 0,
  inFlight: 0,
  oldestAgeMs: undefined,
  arrivalsPerS: 0,
  uncertainty: 0,
  servicePerS: 10,
  ready: 1,
  startUpMs: 0,
  inFlightMax: null,
  deliveriesPerSMax: null,
  paused: false,
}

/** Decides once a second; each load says what differs from a quiet queue, and all workers wanted are there at the next look. */
function run(loads: readonly Partial<PoolLoad>[], how: PoolSettings = settings): number[] {
  let memory: PoolMemory | undefined
  return loads.map((load, at) => {
    const ready = memory?.wanted ?? quiet.ready
    const decision = decide(how, { ...quiet, nowMs: at * 1_000, ready, ...load }, memory)
    memory = decision.memory
    return decision.wanted
  })
}
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)

describe('the policy', () => {
  it('keeps the minimum for an empty queue, and none where none is allowed', () => {
    expect(run([{}])).toEqual([1])
    expect(run(times(40, {}), { ...settings, min: 0 }).at(-1)).toBe(0)
  })

  it('wants as many workers as the pace of arrivals keeps busy for 0.8 of their time', () => {
    expect(run([{ arrivalsPerS: 80 }])).toEqual([10])
  })

  it('wants as many workers as clear the backlog within the target latency', () => {
    expect(run([{ waiting: 600 }])).toEqual([10])
    expect(run([{ waiting: 600 }], { ...settings, targetLatencyMs: 20_000 })).toEqual([3])
  })

  it('starts the first worker for one message', () => {
    expect(run([{ waiting: 1, ready: 0 }], { ...settings, min: 0 })).toEqual([1])
  })

  it('never goes over the maximum', () => {
    expect(run([{ waiting: 1_000_000, arrivalsPerS: 1e6 }])).toEqual([20])
  })

  it('reckons with what arrives while new workers start', () => {
    const load = { waiting: 100, arrivalsPerS: 100, ready: 1 }
    const [atOnce] = run([load], { ...settings, max: 100 })
    const [late] = run([{ ...load, startUpMs: 20_000 }], { ...settings, max: 100 })
    expect(atOnce).toBe(13) // by pace
    expect(late).toBe(Math.ceil((100 + 90 * 20) / 60)) // by what will wait after 20 s
  })

  it('holds what was needed for as long as it says, then goes down to what is enough, in one step', () => {
    const wishes = run([{ arrivalsPerS: 80 }, ...times(40, { arrivalsPerS: 16 })])
    expect(wishes.slice(0, 30)).toEqual(times(30, 10))
    expect(wishes.slice(30)).toEqual(times(11, 3))
  })

  it('is moved by no noise of a tenth', () => {
    const noisy = Array.from({ length: 200 }, (_, at) => ({ arrivalsPerS: 76 * (at % 2 === 0 ? 0.95 : 1.05) }))
    expect(new Set(run(noisy).slice(1)).size).toBe(1)
  })

  it('waits between two scale-outs where it is told to', () => {
    const rising = [10, 20, 30, 40, 50].map((rate) => ({ arrivalsPerS: rate * 8 }))
    expect(run(rising, { ...settings, max: 100, scaleOutCooldownMs: 3_000 })).toEqual([10, 10, 10, 40, 40])
  })

  it('adds workers when all are busy and it still gets later, one step for each start-up', () => {
    const late = { inFlight: 160, waiting: 40, oldestAgeMs: 9_000, startUpMs: 10_000 }
    expect(run(times(25, late))).toEqual([...times(10, 4), ...times(10, 5), ...times(5, 7)])
  })

  it('does not add workers for age while the backlog shrinks', () => {
    const draining = Array.from({ length: 20 }, (_, at) => ({ waiting: 50 - at, inFlight: 10, oldestAgeMs: 60_000 }))
    expect(run(draining)).toEqual(times(20, 1))
  })

  it('starts nobody for a queue that is paused, and keeps who has tasks', () => {
    expect(run([{ waiting: 5_000, arrivalsPerS: 100, paused: true }])).toEqual([1])
    expect(run([{ inFlight: 50, waiting: 500, paused: true, ready: 5 }])).toEqual([5])
  })

  it('starts no more than the limits of the queue let work', () => {
    expect(run([{ waiting: 5_000, inFlightMax: 25 }])).toEqual([3])
    expect(run([{ waiting: 5_000, deliveriesPerSMax: 16 }])).toEqual([2])
  })

  it('starts nobody more when messages wait beside free hands', () => {
    const ordered = { waiting: 2_000, inFlight: 1 }
    const wishes = run([...times(6, { ...ordered, waiting: 0 }), ...times(80, ordered)])
    expect(wishes.at(-1)).toBe(1)
  })

  it('stops nobody at its first look after a restart', () => {
    expect(run([{ ready: 8 }])).toEqual([8])
    expect(run([{ ready: 80 }])).toEqual([20])
  })

  it('counts whole workers, whatever a target tells', () => {
    expect(run([{ ready: 1.5 }])).toEqual([2])
  })

  const amount = fc.oneof(fc.nat(10_000), fc.double(), fc.constantFrom(Number.NaN, Infinity, -Infinity, -1, 1e300))
  const anyLoad = fc.record({
    waiting: amount,
    inFlight: amount,
    oldestAgeMs: fc.option(amount, { nil: undefined }),
    arrivalsPerS: amount,
    servicePerS: amount,
    ready: amount,
    startUpMs: amount,
    inFlightMax: fc.option(fc.nat(1_000), { nil: null }),
    deliveriesPerSMax: fc.option(fc.double({ min: 0, noNaN: true }), { nil: null }),
    paused: fc.boolean(),
  })

  it('answers whatever it is told with a whole number between minimum and maximum', () => {
    fc.assert(
      fc.property(fc.array(anyLoad, { maxLength: 30 }), fc.nat(5), fc.nat(50), (loads, min, more) => {
        const how = { ...settings, min, max: min + more + 1 }
        for (const wanted of run(loads, how)) {
          expect(Number.isInteger(wanted)).toBe(true)
          expect(wanted).toBeGreaterThanOrEqual(min)
          expect(wanted).toBeLessThanOrEqual(how.max)
        }
      }),
    )
  })

  const sane = fc.record({
    waiting: fc.nat(5_000),
    inFlight: fc.nat(500),
    arrivalsPerS: fc.double({ min: 0, max: 500, noNaN: true }),
    servicePerS: fc.double({ min: 0.1, max: 100, noNaN: true }),
  })

  it('wants enough: they keep pace and clear the backlog in time, within a tenth', () => {
    fc.assert(
      fc.property(sane, (load) => {
        const [wanted = 0] = run([load], { ...settings, max: 1_000_000 })
        expect(wanted * load.servicePerS).toBeGreaterThanOrEqual(load.arrivalsPerS)
        const inTime = wanted * (settings.slots + (load.servicePerS * settings.targetLatencyMs) / 1_000)
        expect(inTime).toBeGreaterThanOrEqual((load.waiting + load.inFlight) * 0.87)
      }),
    )
  })

  it('never wants fewer for a longer queue', () => {
    fc.assert(
      fc.property(sane, fc.nat(5_000), (load, more) => {
        const [fewer = 0] = run([load], { ...settings, max: 1_000_000 })
        const [longer = 0] = run([{ ...load, waiting: load.waiting + more }], { ...settings, max: 1_000_000 })
        expect(longer).toBeGreaterThanOrEqual(fewer)
      }),
    )
  })

  it('never takes away what was needed within the last 30 s', () => {
    fc.assert(
      fc.property(fc.array(sane, { minLength: 2, maxLength: 100 }), (loads) => {
        const wishes = run(loads)
        for (const [at, wanted] of wishes.entries()) {
          const lately = loads.slice(Math.max(0, at - 29), at + 1)
          const alone = lately.map((load) => run([{ ...load, ready: 0 }])[0] ?? 0)
          expect(wanted).toBeGreaterThanOrEqual(Math.max(...alone.map((one) => Math.floor(one * 0.87))))
        }
      }),
    )
  })

  it('remembers no more than it may ever want', () => {
    fc.assert(
      fc.property(fc.array(sane, { maxLength: 200 }), (loads) => {
        let memory: PoolMemory | undefined
        for (const load of loads)
          memory = decide(settings, { ...quiet, ...load, oldestAgeMs: undefined }, memory).memory
        expect(memory?.peaks.length ?? 0).toBeLessThanOrEqual(settings.max + 1)
      }),
    )
  })
})
