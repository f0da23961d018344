/** Loads that the policy is shown: messages a second over time, and the instants at which the load steps. */

export interface Trace {
  readonly name: string
  readonly title: string
  readonly seconds: number
  /** Messages a second, at a time in seconds. */
  readonly rate: (atS: number) => number
  /** Where the rate jumps, seconds; 0 is the first one. */
  readonly steps: readonly number[]
}

const SPIKE_FROM_S = 120
const SPIKE_TO_S = 300
const SAW_S = 300
/** A day at ten times its speed. */
const DAY_S = 8_640

export const traces: readonly Trace[] = [
  { name: 'steady', title: 'Steady: 100 messages a second', seconds: 600, rate: () => 100, steps: [0] },
  {
    name: 'spike',
    title: 'Spike: 20 messages a second, ten times as many for three minutes',
    seconds: 600,
    rate: (atS) => (atS >= SPIKE_FROM_S && atS < SPIKE_TO_S ? 200 : 20),
    steps: [0, SPIKE_FROM_S, SPIKE_TO_S],
  },
  {
    name: 'sawtooth',
    title: 'Sawtooth: from 10 to 200 messages a second in five minutes, and again',
    seconds: SAW_S * 3,
    rate: (atS) => 10 + (190 * (atS % SAW_S)) / SAW_S,
    steps: [0, SAW_S, SAW_S * 2],
  },
  {
    name: 'day',
    title: 'Day curve: 24 hours in 144 minutes, at most 90 messages a second',
    seconds: DAY_S,
    rate: dayRate,
    steps: [0],
  },
]

/** Few at night, a crowd before noon and a greater one in the evening. */
function dayRate(atS: number): number {
  const hour = (atS / DAY_S) * 24
  const crowd = (at: number, wide: number): number => Math.exp(-(((hour - at) / wide) ** 2))
  return 3 + 55 * crowd(11, 2.5) + 87 * crowd(19.5, 2)
}
