/** How long to wait between attempts. With full jitter (the default) a crowd that failed together does not return together. */
import { DURATION_MS_MAX } from '../model/limits.ts'
import type { Random } from '../runtime/random.ts'
import type { Backoff } from './types.ts'

/** `full`: anywhere between 0 and the delay. `none`: the delay itself. */
export type Jitter = 'full' | 'none'

/** `baseMs` * `factor` ^ (failed attempts - 1), at most `maxMs`. Defaults: factor 2, cap 5 min, full jitter. */
export function exponential(options: {
  readonly baseMs: number
  readonly maxMs?: number
  readonly factor?: number
  readonly jitter?: Jitter
}): Backoff {
  const { baseMs, maxMs = 300_000, factor = 2, jitter = 'full' } = options
  return (failedAttempts, _error, random) =>
    jittered(Math.min(maxMs, baseMs * factor ** (failedAttempts - 1)), jitter, random)
}

/** `baseMs` + `stepMs` * (failed attempts - 1), at most `maxMs`. Defaults: step as base, cap 5 min, full jitter. */
export function linear(options: {
  readonly baseMs: number
  readonly stepMs?: number
  readonly maxMs?: number
  readonly jitter?: Jitter
}): Backoff {
  const { baseMs, stepMs = baseMs, maxMs = 300_000, jitter = 'full' } = options
  return (failedAttempts, _error, random) =>
    jittered(Math.min(maxMs, baseMs + stepMs * (failedAttempts - 1)), jitter, random)
}

/** The same delay every time. Default jitter: full. */
export function fixed(options: { readonly delayMs: number; readonly jitter?: Jitter }): Backoff {
  const { delayMs, jitter = 'full' } = options
  return (_failedAttempts, _error, random) => jittered(delayMs, jitter, random)
}

/** Base 1 s, doubling, cap 5 min, full jitter. */
export const defaultBackoff: Backoff = exponential({ baseMs: 1_000 })

/** What `backoff` says, or the default where its answer is no delay; whole milliseconds. */
export function delayBefore(
  failed: { readonly attempts: number; readonly error: unknown },
  backoff: Backoff,
  random: Random,
): number {
  const delayMs = asked(failed, backoff, random) ?? defaultBackoff(failed.attempts, failed.error, random)
  return Math.min(Math.round(delayMs), DURATION_MS_MAX)
}

function asked(
  failed: { readonly attempts: number; readonly error: unknown },
  backoff: Backoff,
  random: Random,
): number | undefined {
  try {
    const delayMs = backoff(failed.attempts, failed.error, random)
    return Number.isFinite(delayMs) && delayMs >= 0 ? delayMs : undefined
  } catch {
    // A broken backoff must not cost the task its retry.
    return undefined
  }
}

function jittered(delayMs: number, jitter: Jitter, random: Random): number {
  return jitter === 'none' ? delayMs : random.float() * delayMs
}
