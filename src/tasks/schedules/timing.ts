/** When a schedule is due: pure arithmetic on wall milliseconds. */
import { Cron } from 'croner'
import { SpindleError } from '../../model/errors.ts'
import { DURATION_MS_MAX } from '../../model/limits.ts'
import type { Missed, When, WhenView } from './types.ts'

/** An instant older than this was missed rather than met late, ms. */
export const MISSED_AFTER_MS = 60_000
export const CATCH_UP_MAX = 1_000
const PATTERN_LENGTH_MAX = 255
/** Patterns whose parsed form is kept; one is parsed in about 0.1 ms. */
const PARSED_MAX = 1_000
/** Dates end there. */
const INSTANT_MS_MAX = 8.64e15

/** Throws `invalid-argument`, saying what is wrong with the pattern, the zone or the number. */
export function timingOf(when: When, nowMs: number, attempted: string): WhenView {
  const refuse = (why: string, cause?: unknown): never => {
    throw new SpindleError('invalid-argument', `${attempted} (${why})`, { cause })
  }
  const given = [when.cron, when.everyMs, when.at].filter((one) => one !== undefined)
  if (given.length !== 1) return refuse('say exactly one of cron, everyMs and at')
  if (when.at !== undefined) {
    const atMs = when.at instanceof Date ? when.at.getTime() : Number.NaN
    return Number.isNaN(atMs) ? refuse('at is not a valid Date') : { kind: 'at', atMs }
  }
  if (when.everyMs !== undefined) {
    const { everyMs } = when
    return Number.isInteger(everyMs) && everyMs >= 1 && everyMs <= DURATION_MS_MAX
      ? { kind: 'every', everyMs, anchorMs: nowMs }
      : refuse(`everyMs is ${everyMs} but must be a whole number from 1 to ${DURATION_MS_MAX}`)
  }
  const { cron, timezone = 'UTC' } = when
  if (typeof cron !== 'string' || cron.length > PATTERN_LENGTH_MAX) {
    return refuse(`cron must be a text of at most ${PATTERN_LENGTH_MAX} characters`)
  }
  if (!isTimeZone(timezone)) return refuse(`'${String(timezone).slice(0, 80)}' is no IANA time zone`)
  const timing: WhenView = { kind: 'cron', cron, timezone }
  let first: number | null
  try {
    first = nextAfter(timing, nowMs)
  } catch (cause) {
    return refuse(`'${cron}' is no cron pattern: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  return first === null ? refuse(`'${cron}' never comes`) : timing
}

function isTimeZone(zone: unknown): boolean {
  if (typeof zone !== 'string') return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

/** The first instant after `afterMs`; null: there is none. */
export function nextAfter(timing: WhenView, afterMs: number): number | null {
  switch (timing.kind) {
    case 'at':
      return timing.atMs > afterMs ? timing.atMs : null
    case 'every': {
      const { anchorMs, everyMs } = timing
      const nextMs = anchorMs + Math.max(1, Math.floor((afterMs - anchorMs) / everyMs) + 1) * everyMs
      return nextMs <= INSTANT_MS_MAX ? nextMs : null
    }
    case 'cron':
      return parsed(timing.cron, timing.timezone).next(afterMs)
    default:
      return timing satisfies never
  }
}

/** Up to `max` instants after `afterMs`. */
export function instantsAfter(timing: WhenView, afterMs: number, max: number): number[] {
  const instants: number[] = []
  for (let at = nextAfter(timing, afterMs); at !== null && instants.length < max; at = nextAfter(timing, at)) {
    instants.push(at)
  }
  return instants
}

/** Which of the instants from `dueMs` (the first that has not been judged) up to `nowMs` fire, oldest first, and what comes then. */
export function judge(
  timing: WhenView,
  span: { readonly dueMs: number; readonly nowMs: number },
  missed: Missed,
): { readonly fire: readonly number[]; readonly nextMs: number | null } {
  const { dueMs, nowMs } = span
  const nextMs = nextAfter(timing, nowMs)
  const wanted = typeof missed === 'object' ? missed.all : 1
  const latest = latestInstants(timing, dueMs, nowMs, wanted)
  const fire = missed === 'skip' ? latest.filter((at) => nowMs - at <= MISSED_AFTER_MS) : latest
  return { fire, nextMs }
}

/** The last `count` instants of [dueMs, nowMs]. Looks back in windows that double, so that a long outage of a frequent schedule costs no more than a short one. */
function latestInstants(timing: WhenView, dueMs: number, nowMs: number, count: number): number[] {
  if (timing.kind === 'at') return [dueMs]
  if (timing.kind === 'every') {
    const missed = Math.floor((nowMs - dueMs) / timing.everyMs)
    const skipped = Math.max(0, missed + 1 - count)
    return Array.from({ length: missed + 1 - skipped }, (_, i) => dueMs + (skipped + i) * timing.everyMs)
  }
  for (let windowMs = MISSED_AFTER_MS; ; windowMs *= 2) {
    const fromMs = Math.max(dueMs, nowMs - windowMs)
    // The due one counts also where the pattern no longer says it, as after a change of its zone's law.
    if (fromMs === dueMs) return [dueMs, ...between(timing, dueMs, nowMs)].slice(-count)
    const instants = between(timing, fromMs - 1, nowMs)
    if (instants.length >= count) return instants.slice(-count)
  }
}

function between(timing: WhenView, afterMs: number, untilMs: number): number[] {
  const instants: number[] = []
  for (let at = nextAfter(timing, afterMs); at !== null && at <= untilMs; at = nextAfter(timing, at)) instants.push(at)
  return instants
}

interface Parsed {
  next(afterMs: number): number | null
}

const parsedPatterns = new Map<string, Parsed>()

/** Thousands of schedules share few patterns and are asked about the same minute: each keeps its latest answer. */
function parsed(cron: string, timezone: string): Parsed {
  const key = `${timezone} ${cron}`
  const known = parsedPatterns.get(key)
  if (known !== undefined) return known
  const pattern = new Cron(cron, { timezone, paused: true })
  let askedMs = Number.NaN
  let answerMs: number | null = null
  const next = (afterMs: number): number | null => {
    if (afterMs >= askedMs && (answerMs === null || afterMs < answerMs)) return answerMs
    const answer = pattern.nextRun(new Date(afterMs))?.getTime() ?? null
    askedMs = afterMs
    answerMs = answer
    return answer
  }
  if (parsedPatterns.size >= PARSED_MAX) parsedPatterns.clear()
  const entry = { next }
  parsedPatterns.set(key, entry)
  return entry
}
