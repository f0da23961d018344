/**
 * What two looks at a queue say about its traffic: how fast work arrives and how long a task takes. Pure. Only four numbers of a look
 * are needed, so retries, delays that come due and redriven messages count as the work they are.
 */

export interface QueueSample {
  /** Monotonic, ms. */
  readonly atMs: number
  readonly waiting: number
  readonly inFlight: number
  /** Deliveries since the store was opened. */
  readonly delivered: number
}

export interface Rates {
  readonly sample: QueueSample
  /** Smoothed; undefined until there are two looks. */
  readonly arrivalsPerS: number | undefined
  /** Looks that the arrival rate is the mean of, since it began anew. */
  readonly looks: number
  /** Looks in a row that chance does not explain: over 0 more came than expected, under 0 fewer. */
  readonly surprises: number
  /** Messages that the rate promised since one last came. */
  readonly missed: number
  /** Messages that the rate is the mean of. */
  readonly counted: number
  /** Time that messages spent in flight, seconds, and how many ended: the older, the less they count. */
  readonly busyS: number
  readonly ended: number
}

/** The arrival rate is a mean over about this many messages: of a busy queue some seconds, of a quiet one some minutes. */
const REMEMBERED = 100
/** Bounds of the weight of the newest look. */
const FRESH_MIN = 0.02
const FRESH_MAX = 0.2
/** What older looks keep of their weight in the task time at each look. */
const KEPT = 0.97
const REMEMBERED_ENDS = 300
/** Standard deviations of a Poisson count beyond which a look is a surprise: by chance about one in 30,000. */
const SURPRISE = 4
/** A change is believed when it is seen this often in a row: one batch is no change of pace. */
const BELIEVED = 2
/** When so many were promised and none came, none come: by chance one time in 20,000. */
const MISSED_MAX = 10
/**
 * As if GUESSES tasks of this length had ended before the first look. Short on purpose: tasks that do not end correct it within some
 * looks, while a guess too long would start workers that nobody needs.
 */
const GUESS_S = 0.1
const GUESSES = 5

export function observe(before: Rates | undefined, sample: QueueSample): Rates {
  if (before === undefined)
    return { sample, arrivalsPerS: undefined, looks: 0, surprises: 0, missed: 0, counted: 0, busyS: 0, ended: 0 }
  const seconds = (sample.atMs - before.sample.atMs) / 1_000
  // Totals begin anew when a store is opened anew: what lies between is unknown.
  if (!(seconds > 0) || sample.delivered < before.sample.delivered) return { ...before, sample }
  const delivered = sample.delivered - before.sample.delivered
  const arrived = Math.max(0, delivered + sample.waiting - before.sample.waiting)
  const ended = Math.max(0, delivered + before.sample.inFlight - sample.inFlight)
  const busyS = ((before.sample.inFlight + sample.inFlight) / 2) * seconds
  const isActive = ended > 0 || busyS > 0
  const kept = Math.max(KEPT, 1 - Math.max(ended, 0.5) / REMEMBERED_ENDS)
  return {
    sample,
    ...arrivals(before, arrived, seconds),
    busyS: isActive ? before.busyS * kept + busyS : before.busyS,
    ended: isActive ? before.ended * kept + ended : before.ended,
  }
}

function arrivals(
  before: Rates,
  arrived: number,
  seconds: number,
): Pick<Rates, 'arrivalsPerS' | 'looks' | 'surprises' | 'missed' | 'counted'> {
  const now = arrived / seconds
  if (before.arrivalsPerS === undefined)
    return { arrivalsPerS: now, looks: 1, surprises: 0, missed: 0, counted: arrived }
  const expected = before.arrivalsPerS * seconds
  const missed = arrived > 0 ? 0 : before.missed + expected
  if (missed > MISSED_MAX) return { arrivalsPerS: 0, looks: 1, surprises: 0, missed: 0, counted: 0 }
  const deviation = (arrived - expected) / Math.sqrt(expected + 1)
  const sign = Math.abs(deviation) > SURPRISE ? Math.sign(deviation) : 0
  const surprises = sign !== 0 && Math.sign(before.surprises) === sign ? before.surprises + sign : sign
  if (Math.abs(surprises) >= BELIEVED) return { arrivalsPerS: now, looks: 1, surprises, missed, counted: arrived }
  const looks = before.looks + 1
  // Anew, each look counts as much as any other; then the older, the less.
  const fresh = Math.max(1 / looks, Math.min(FRESH_MAX, Math.max(FRESH_MIN, expected / REMEMBERED)))
  const arrivalsPerS = before.arrivalsPerS + fresh * (now - before.arrivalsPerS)
  // Of a mean in which older looks fade, (2 - fresh) / fresh looks have a say.
  const counted = arrivalsPerS * seconds * Math.min(looks, (2 - fresh) / fresh)
  return { arrivalsPerS, looks, surprises, missed, counted }
}

/** Mean time in flight, seconds, by Little's law; over 0. */
export function taskSeconds({ busyS, ended }: Rates): number {
  return (busyS + GUESS_S * GUESSES) / (ended + GUESSES)
}

/** Relative standard deviation of the work that arrives (messages a second times their length), for chance alone: 0 to 1. */
export function uncertainty({ counted, ended }: Rates): number {
  return Math.min(1, Math.sqrt(1 / (counted + 1) + 1 / (ended + GUESSES)))
}
