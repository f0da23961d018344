/**
 * How many workers a queue should have. Pure: the same load and memory give the same answer, and time arrives as data.
 *
 * A worker has `slots`, and with all of them in use ends `servicePerS` messages a second. It can hold `slots` messages in its hands and
 * have `servicePerS x target latency` more wait for it without one of them waiting too long: that is its acceptable backlog.
 *
 *   pace    = arrivals / (service x UTILISATION)                              else the backlog grows
 *   backlog = (waiting when new workers are up + in flight) / acceptable      else the last one waits too long
 *   needed  = the greater of both
 *
 * Out as soon as they would be busy for more than 0.92 of their time; in only down to the most that was needed over `scaleInAfterMs`, with
 * SLACK to spare, and the more the fewer messages the figures stand on; out again after an in only for a plain reason. So noise moves nothing.
 */

export interface PoolSettings {
  readonly min: number
  readonly max: number
  /** How long a message may wait before a worker takes it, ms. */
  readonly targetLatencyMs: number
  /** Messages that one worker handles at a time. */
  readonly slots: number
  /** For so long fewer workers must have been enough. */
  readonly scaleInAfterMs: number
  /** Least time between two scale-outs. Workers that are starting are counted, so 0 is safe. */
  readonly scaleOutCooldownMs: number
}

export const poolDefaults: PoolSettings = {
  min: 1,
  max: 10,
  targetLatencyMs: 5_000,
  slots: 10,
  scaleInAfterMs: 30_000,
  scaleOutCooldownMs: 0,
}

export interface PoolLoad {
  /** Monotonic, ms. */
  readonly nowMs: number
  readonly waiting: number
  readonly inFlight: number
  /** Of the first message that waits; undefined: none does. */
  readonly oldestAgeMs: number | undefined
  readonly arrivalsPerS: number
  /** Relative standard deviation of the work that arrives, as far as chance goes. */
  readonly uncertainty: number
  /** Messages that one worker ends a second with all its slots in use. */
  readonly servicePerS: number
  /** Workers that take messages now. */
  readonly ready: number
  /** From the order to the first message. */
  readonly startUpMs: number
  /** What the queue lets through, whatever number of workers there are: null, as much as they take. */
  readonly inFlightMax: number | null
  readonly deliveriesPerSMax: number | null
  readonly paused: boolean
}

/** - `pace`, `backlog`, `age`: more, for this - `idle`: fewer are enough - `steady`: as before */
export type Reason = 'pace' | 'backlog' | 'age' | 'idle' | 'steady'

export interface PoolDecision {
  readonly wanted: number
  readonly reason: Reason
  /** Workers that the load asks for now, unrounded and not yet held between min and max. */
  readonly needed: number
  /** For the next decision. */
  readonly memory: PoolMemory
}

export interface PoolMemory {
  readonly wanted: number
  /** What would have been enough, and when; each one less than those before it, so never more of them than workers. */
  readonly peaks: readonly { readonly atMs: number; readonly workers: number }[]
  readonly grownAtMs: number
  /** The last change was to fewer. */
  readonly hasShrunk: boolean
  /** Since when messages have waited too long beside busy workers; undefined: they do not. */
  readonly lateSinceMs: number | undefined
  readonly waiting: number
  /** Decisions in a row at which messages waited beside workers with free hands. */
  readonly heldBack: number
}

/** Workers are meant to be busy for this part of their time: at 1 every chance crowd would wait. */
const UTILISATION = 0.8
/** How much of what is needed must be lacking before more are started: busy for 0.92 of the time instead of 0.8. */
const TOLERANCE = 0.87
/** Out again after an in is a change of direction, and takes more: what runs is less than this part of what is needed, or it has been too late for a while. */
const TOLERANCE_TO_TURN = 0.7
/** Fewer workers must be enough for this much more. */
const SLACK = 1.1
/** And for this part of a worker: among a few workers chance alone is more than a tenth. */
const SLACK_WORKERS = 0.6
/** And for so many standard deviations of what is known of the load: few messages say little. */
const SLACK_DEVIATIONS = 1.2
/** Growth by age alone: a part of what is there. */
const AGE_GROWTH = 0.25
/** Workers asked for below which an empty queue asks for none. */
const FADED = 0.01
/** Slots in use from which on more workers would take more. */
const SATURATED = 0.8
/** Slots in use below which something else than workers is missing (ordered groups, paused keys), and how often that must be seen. */
const FREE_HANDS = 0.25
const HELD_BACK_AFTER = 3
/** One worker, slack included, for what is held back. */
const SOMEBODY = 0.35

export function decide(settings: PoolSettings, raw: PoolLoad, before: PoolMemory | undefined): PoolDecision {
  const load = sane(raw)
  const memory = before ?? firstMemory(settings, load)
  const heldBack = hasFreeHands(settings, load) ? memory.heldBack + 1 : 0
  const { needed, reason } = need(settings, load, memory, heldBack >= HELD_BACK_AFTER)
  const enough = within(
    settings,
    needed === 0 ? 0 : Math.ceil(needed * (SLACK + SLACK_DEVIATIONS * load.uncertainty) + SLACK_WORKERS),
  )
  const floor = isLate(settings, load) ? Math.max(enough, memory.wanted) : enough
  const peaks = [
    ...memory.peaks.filter(({ atMs, workers }) => load.nowMs - atMs < settings.scaleInAfterMs && workers > floor),
    { atMs: load.nowMs, workers: floor },
  ]
  const lateSinceMs = isLate(settings, load) ? (memory.lateSinceMs ?? load.nowMs) : undefined
  const next = { ...memory, peaks, lateSinceMs, waiting: load.waiting, heldBack }
  const outTo = within(settings, Math.ceil(needed))
  // With the workers there are, everybody would be busier than meant, but not yet too busy: that is no reason to start one.
  const tolerance = mayTurn(settings, load, memory) ? TOLERANCE : TOLERANCE_TO_TURN
  const isUrgent = Math.ceil(needed * tolerance) > memory.wanted || memory.wanted < settings.min
  if (isUrgent && outTo > memory.wanted && load.nowMs - memory.grownAtMs >= settings.scaleOutCooldownMs) {
    return {
      wanted: outTo,
      reason,
      needed,
      memory: { ...next, wanted: outTo, grownAtMs: load.nowMs, hasShrunk: false },
    }
  }
  const inTo = peaks[0]?.workers ?? floor
  if (inTo < memory.wanted)
    return { wanted: inTo, reason: 'idle', needed, memory: { ...next, wanted: inTo, hasShrunk: true } }
  const wanted = within(settings, memory.wanted)
  return { wanted, reason: 'steady', needed, memory: { ...next, wanted } }
}

/** As if what runs already had been wanted all along: a restart of the autoscaler stops nobody at once. */
function firstMemory(settings: PoolSettings, { nowMs, ready }: PoolLoad): PoolMemory {
  const wanted = within(settings, ready)
  const peaks = [{ atMs: nowMs, workers: wanted }]
  // One look shows no trend: nothing is more than infinitely many.
  return {
    wanted,
    peaks,
    grownAtMs: Number.NEGATIVE_INFINITY,
    hasShrunk: false,
    lateSinceMs: undefined,
    waiting: Number.POSITIVE_INFINITY,
    heldBack: 0,
  }
}

function need(
  settings: PoolSettings,
  load: PoolLoad,
  memory: PoolMemory,
  isHeldBack: boolean,
): { readonly needed: number; readonly reason: Reason } {
  const { slots, targetLatencyMs } = settings
  const { servicePerS, inFlight, paused } = load
  const acceptable = slots + (servicePerS * targetLatencyMs) / 1_000
  const inHand = inFlight / slots
  if (paused) return { needed: inHand, reason: 'backlog' }
  const cap = usefulMax(settings, load)
  const pace = load.arrivalsPerS / (servicePerS * UTILISATION)
  const backlog = isHeldBack ? Math.max(inHand, SOMEBODY) : (waitingWhenUp(load) + inFlight) / acceptable
  const asked = Math.min(cap, Math.max(pace, backlog))
  // A rate that only fades never becomes 0, and must not keep the last worker of an empty queue.
  const needed = load.waiting + inFlight === 0 && asked < FADED ? 0 : asked
  if (!isHeldBack && isFallingBehind(settings, load, memory)) {
    const more = Math.min(cap, memory.wanted + Math.max(1, memory.wanted * AGE_GROWTH))
    if (more > needed) return { needed: more, reason: 'age' }
  }
  return { needed, reason: backlog > pace ? 'backlog' : 'pace' }
}

/** What will wait by the time that a worker ordered now is up. */
function waitingWhenUp({ waiting, arrivalsPerS, servicePerS, ready, startUpMs }: PoolLoad): number {
  return waiting + (Math.max(0, arrivalsPerS - servicePerS * ready) * startUpMs) / 1_000
}

/** More workers than that would find nothing to take. */
function usefulMax({ slots }: PoolSettings, load: PoolLoad): number {
  const { inFlightMax, deliveriesPerSMax, servicePerS } = load
  const byCount = inFlightMax === null ? Number.POSITIVE_INFINITY : Math.max(1, inFlightMax / slots)
  const byRate = deliveriesPerSMax === null ? Number.POSITIVE_INFINITY : deliveriesPerSMax / (servicePerS * UTILISATION)
  return Math.min(byCount, Math.max(1, byRate))
}

function isLate({ targetLatencyMs, slots }: PoolSettings, load: PoolLoad): boolean {
  const { waiting, oldestAgeMs = 0, inFlight, ready, paused } = load
  return !paused && waiting > 0 && oldestAgeMs > targetLatencyMs && inFlight >= SATURATED * slots * ready
}

/** Everybody asked for is there and busy, and still it gets later: the figures promise more than the workers do. */
function isFallingBehind(settings: PoolSettings, load: PoolLoad, memory: PoolMemory): boolean {
  const { wanted, waiting, grownAtMs } = memory
  return (
    isLate(settings, load) &&
    mayTurn(settings, load, memory) &&
    load.ready >= wanted &&
    load.waiting >= waiting &&
    load.nowMs - grownAtMs >= patienceMs(settings, load)
  )
}

/** A crowd that passes by itself is no reason to change direction. */
function mayTurn(settings: PoolSettings, load: PoolLoad, { hasShrunk, lateSinceMs }: PoolMemory): boolean {
  return !hasShrunk || load.nowMs - (lateSinceMs ?? load.nowMs) >= patienceMs(settings, load)
}

/** Until what was done about it can be seen. */
function patienceMs({ targetLatencyMs }: PoolSettings, { startUpMs }: PoolLoad): number {
  return Math.max(startUpMs, targetLatencyMs)
}

function hasFreeHands({ slots }: PoolSettings, { waiting, inFlight, ready }: PoolLoad): boolean {
  return waiting > 0 && ready > 0 && inFlight < FREE_HANDS * slots * ready
}

function within({ min, max }: PoolSettings, workers: number): number {
  return Math.min(max, Math.max(min, workers))
}

/** Figures come from outside (a store that restarts, a clock that was set): each becomes a number that can be reckoned with. */
function sane(load: PoolLoad): PoolLoad {
  return {
    ...load,
    waiting: amount(load.waiting),
    inFlight: amount(load.inFlight),
    oldestAgeMs: load.oldestAgeMs === undefined ? undefined : amount(load.oldestAgeMs),
    arrivalsPerS: amount(load.arrivalsPerS),
    servicePerS: Math.max(SERVICE_PER_S_MIN, amount(load.servicePerS)),
    uncertainty: Math.min(1, amount(load.uncertainty)),
    ready: Math.round(amount(load.ready)),
    startUpMs: amount(load.startUpMs),
  }
}

const AMOUNT_MAX = 1e12
/** One message in about eleven days: nothing is divided by 0. */
const SERVICE_PER_S_MIN = 1e-6

function amount(value: number): number {
  return value > 0 ? Math.min(value, AMOUNT_MAX) : 0
}
