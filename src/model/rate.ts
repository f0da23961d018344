/**
 * Token buckets, kept as one number each: the instant at which the bucket is full again. A grant moves that instant on by
 * the time that one token takes. Engines keep the number; this file says what it means. Instants are monotonic milliseconds.
 */

/** `tokens` deliveries each `perMs`, evenly; up to `burst` at once after a pause. */
export interface RatePolicy {
  /** Above 0; may be a fraction. */
  readonly tokens: number
  readonly perMs: number
  /** Whole, at least 1. */
  readonly burst: number
}

/** Absorbs the rounding of sums of fractions: milliseconds, and tokens. */
const GRAIN_MS = 1e-3
const GRAIN_TOKENS = 1e-6

/** Whole tokens that the bucket has: none before `nextTokenMs`, at least one from then on; `fullMs` is 0 for one that was never used. */
export function tokensAt(rate: RatePolicy, fullMs: number, nowMs: number): number {
  if (nextTokenMs(rate, fullMs) > nowMs) return 0
  const missing = (Math.max(0, fullMs - nowMs) * rate.tokens) / rate.perMs
  return Math.max(1, Math.floor(rate.burst - missing + GRAIN_TOKENS))
}

/** The bucket after `spent` tokens were taken from it. */
export function spendTokens({ tokens, perMs }: RatePolicy, fullMs: number, nowMs: number, spent: number): number {
  return Math.max(fullMs, nowMs) + (spent * perMs) / tokens
}

/** The instant from which it has a token. */
export function nextTokenMs({ tokens, perMs, burst }: RatePolicy, fullMs: number): number {
  return fullMs - ((burst - 1) * perMs) / tokens - GRAIN_MS
}

/** The bucket under another rate: never emptier than an empty one. */
export function rerated({ tokens, perMs, burst }: RatePolicy, fullMs: number, nowMs: number): number {
  return Math.min(fullMs, nowMs + (burst * perMs) / tokens)
}
