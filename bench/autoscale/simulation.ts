/**
 * A queue, workers that take time to start, and the policy in between, in simulated time. Arrivals are Poisson, task times exponential,
 * both drawn from a seed: the same run each time. The policy sees only what it sees of a real store: samples at each poll.
 */
import { decide, type PoolMemory, type PoolSettings } from '../../src/autoscale/policy.ts'
import { observe, type Rates, taskSeconds, uncertainty } from '../../src/autoscale/rates.ts'

export interface SimulationSettings extends PoolSettings {
  readonly taskMs: number
  readonly startUpMs: number
  readonly pollMs: number
  readonly seed: number
}

export const simulated: SimulationSettings = {
  min: 1,
  max: 60,
  targetLatencyMs: 5_000,
  slots: 4,
  scaleInAfterMs: 30_000,
  scaleOutCooldownMs: 0,
  taskMs: 400,
  startUpMs: 3_000,
  pollMs: 1_000,
  seed: 42,
}

/** What one second looked like. */
export interface Second {
  readonly atS: number
  readonly arrived: number
  readonly wanted: number
  /** Workers that have started and not ended, those that finish their last tasks included. */
  readonly actual: number
  readonly waiting: number
  /** The longest wait of the messages that began in it, seconds. */
  readonly latencyS: number
}

export interface SimulationRun {
  readonly seconds: readonly Second[]
  readonly arrived: number
  readonly ended: number
  readonly latencyP50S: number
  readonly latencyP99S: number
  readonly latencyMaxS: number
  /** What was paid for: worker seconds, and those that the tasks filled. */
  readonly workerS: number
  readonly busyWorkerS: number
}

interface SimulatedWorker {
  readonly readyAt: number
  running: number
  leaving: boolean
}

const STEP_MS = 20
const STEPS_A_SECOND = 1_000 / STEP_MS

export function simulate(
  { seconds: lengthS, rate }: { readonly seconds: number; readonly rate: (atS: number) => number },
  settings: SimulationSettings = simulated,
): SimulationRun {
  const random = seeded(settings.seed)
  const endsAt = new Map<number, SimulatedWorker[]>()
  const arrivals: number[] = []
  const waits: number[] = []
  const seconds: Second[] = []
  let workers: SimulatedWorker[] = []
  let rates: Rates | undefined
  let memory: PoolMemory | undefined
  let begun = 0
  let ended = 0
  let wanted = 0
  let second = { arrived: 0, latencyS: 0 }
  let workerSteps = 0
  let busySteps = 0

  for (let step = 0; step < lengthS * STEPS_A_SECOND; step++) {
    const nowMs = step * STEP_MS
    const came = poisson((rate(nowMs / 1_000) * STEP_MS) / 1_000, random)
    for (let n = 0; n < came; n++) arrivals.push(nowMs)
    second.arrived += came
    for (const worker of endsAt.get(step) ?? []) {
      worker.running--
      ended++
    }
    endsAt.delete(step)
    workers = workers.filter(({ leaving, running }) => !leaving || running > 0)

    const isUp = (worker: SimulatedWorker): boolean => !worker.leaving && worker.readyAt <= step
    for (const worker of workers) {
      while (isUp(worker) && worker.running < settings.slots && begun < arrivals.length) {
        const waitS = (nowMs - (arrivals[begun++] ?? nowMs)) / 1_000
        waits.push(waitS)
        second.latencyS = Math.max(second.latencyS, waitS)
        const taskSteps = Math.max(1, Math.round((-Math.log(1 - random()) * settings.taskMs) / STEP_MS))
        endsAt.set(step + taskSteps, [...(endsAt.get(step + taskSteps) ?? []), worker])
        worker.running++
      }
    }
    workerSteps += workers.length
    busySteps += workers.reduce((sum, { running }) => sum + running, 0) / settings.slots

    if (nowMs % settings.pollMs === 0) {
      const inFlight = begun - ended
      const waiting = arrivals.length - begun
      rates = observe(rates, { atMs: nowMs, waiting, inFlight, delivered: begun })
      const oldest = arrivals[begun]
      const decision = decide(
        settings,
        {
          nowMs,
          waiting,
          inFlight,
          oldestAgeMs: oldest === undefined ? undefined : nowMs - oldest,
          arrivalsPerS: rates.arrivalsPerS ?? 0,
          servicePerS: settings.slots / taskSeconds(rates),
          uncertainty: uncertainty(rates),
          ready: workers.filter(isUp).length,
          startUpMs: settings.startUpMs,
          inFlightMax: null,
          deliveriesPerSMax: null,
          paused: false,
        },
        memory,
      )
      memory = decision.memory
      wanted = decision.wanted
      bring(workers, wanted, step + settings.startUpMs / STEP_MS)
    }
    if ((step + 1) % STEPS_A_SECOND === 0) {
      const atS = (step + 1) / STEPS_A_SECOND
      const actual = workers.filter(({ readyAt }) => readyAt <= step).length
      seconds.push({ atS, wanted, actual, waiting: arrivals.length - begun, ...second })
      second = { arrived: 0, latencyS: 0 }
    }
  }
  waits.sort((a, b) => a - b)
  const quantile = (q: number): number => waits[Math.min(waits.length - 1, Math.floor(waits.length * q))] ?? 0
  return {
    seconds,
    arrived: arrivals.length,
    ended,
    latencyP50S: quantile(0.5),
    latencyP99S: quantile(0.99),
    latencyMaxS: quantile(1),
    workerS: workerSteps / STEPS_A_SECOND,
    busyWorkerS: busySteps / STEPS_A_SECOND,
  }
}

/** Starts what is missing; of what is too much, the idle leave first, and the busy when their tasks have ended. */
function bring(workers: SimulatedWorker[], wanted: number, readyAt: number): void {
  const staying = workers.filter(({ leaving }) => !leaving)
  const surplus = staying.sort((a, b) => a.running - b.running || b.readyAt - a.readyAt)
  for (const worker of surplus.slice(0, Math.max(0, staying.length - wanted))) worker.leaving = true
  const revived = workers.filter(({ leaving }) => leaving).slice(0, Math.max(0, wanted - staying.length))
  for (const worker of revived) worker.leaving = false
  for (let n = staying.length + revived.length; n < wanted; n++) workers.push({ readyAt, running: 0, leaving: false })
}

/** How often the wish turned round after each step of the load, before the next one: up, then down is one. */
export function turnsAfterSteps(run: SimulationRun, steps: readonly number[]): number[] {
  return steps.map((from, at) => {
    const wishes = run.seconds.filter(({ atS }) => atS > from && atS <= (steps[at + 1] ?? Number.POSITIVE_INFINITY))
    let turns = 0
    let direction = 0
    for (let n = 1; n < wishes.length; n++) {
      const change = Math.sign((wishes[n]?.wanted ?? 0) - (wishes[n - 1]?.wanted ?? 0))
      if (change !== 0 && direction !== 0 && change !== direction) turns++
      if (change !== 0) direction = change
    }
    return turns
  })
}

function poisson(mean: number, random: () => number): number {
  const floor = Math.exp(-mean)
  let count = 0
  for (let product = random(); product > floor; product *= random()) count++
  return count
}

/** mulberry32: small, and good enough to draw crowds. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
