/** Concurrent callers, the rate at which they get on, and how long each call took. */

/** A caller calls this after each call with what it moved; false tells it to stop. */
export type Lap = (messages: number) => boolean
export type Caller = (lap: Lap) => Promise<void>

export interface Rate {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly messages: number
}

/** Callers whose calls are timed; all do the same, and a list of every latency would itself cost memory and pauses. */
const TIMED_CALLERS_MAX = 64

/** Runs `callers` loops side by side until `durationMs` have passed, or each has returned by itself. */
export async function drive(how: {
  readonly callers: number
  readonly durationMs: number
  readonly caller: Caller
}): Promise<Rate> {
  const latenciesMs: number[] = []
  let messages = 0
  const startedMs = performance.now()
  const endMs = startedMs + how.durationMs
  const one = (timed: boolean): Promise<void> => {
    let beforeMs = performance.now()
    return how.caller((moved) => {
      messages += moved
      const nowMs = performance.now()
      if (timed) latenciesMs.push(nowMs - beforeMs)
      beforeMs = nowMs
      return nowMs < endMs
    })
  }
  await Promise.all(Array.from({ length: how.callers }, (_, i) => one(i < TIMED_CALLERS_MAX)))
  return rateOf(messages, performance.now() - startedMs, latenciesMs)
}

export function rateOf(messages: number, elapsedMs: number, latenciesMs: readonly number[]): Rate {
  const sorted = Float64Array.from(latenciesMs).sort()
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { perSecond: messages / (elapsedMs / 1000), p50Ms: at(0.5), p99Ms: at(0.99), messages }
}

/** The run in the middle by rate, whole: its latencies belong to its rate. */
export function medianRun(runs: readonly Rate[]): Rate {
  const middle = [...runs].sort((a, b) => a.perSecond - b.perSecond)[Math.floor(runs.length / 2)]
  if (middle === undefined) throw new RangeError('no run to take the median of')
  return middle
}

export function median(values: readonly number[]): number {
  const middle = [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
  if (middle === undefined) throw new RangeError('no value to take the median of')
  return middle
}
