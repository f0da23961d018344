/**
 * How long each step takes. The work is real but quick, so each step is padded to the time that the story gives it:
 * 30 ms to update the booking, 1,000 ms to render the voucher, 500 ms to mail it, 1,000 ms to notify other services.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'

export const paceSchema = z.object({
  bookingMs: z.number(),
  voucherMs: z.number(),
  mailMs: z.number(),
  servicesMs: z.number(),
})
export type Pace = z.output<typeof paceSchema>

/** `scale` shortens everything alike; 1 is the story's own pace. */
export function paceOf(scale: number): Pace {
  return { bookingMs: 30 * scale, voucherMs: 1_000 * scale, mailMs: 500 * scale, servicesMs: 1_000 * scale }
}

export const totalMs = (pace: Pace): number => pace.bookingMs + pace.voucherMs + pace.mailMs + pace.servicesMs

/** What a step is given by whoever runs it: a task, a request, or a promise that nobody waits for. */
export interface Hands {
  readonly signal: AbortSignal
  /** 0 to 1. */
  progress(fraction: number): Promise<void>
}

/** For callers that show no progress and cannot be stopped. */
export const bareHands: Hands = { signal: new AbortController().signal, progress: async () => {} }

const SLICE_MS = 100

export interface Padding {
  readonly startedMs: number
  /** Counted from `startedMs`. */
  readonly totalMs: number
  /** What progress to report on the way there. Default: from 0 to 1. */
  readonly from?: number
  readonly to?: number
}

/** Waits until `totalMs` have passed since `startedMs`. Rejects at once when the signal aborts. */
export async function padTo({ startedMs, totalMs, from = 0, to = 1 }: Padding, hands: Hands): Promise<void> {
  const beganMs = performance.now()
  const endMs = startedMs + totalMs
  for (let nowMs = beganMs; nowMs < endMs; nowMs = performance.now()) {
    // Timers may fire up to a millisecond early; the loop looks at the clock again.
    await pause(Math.min(SLICE_MS, Math.ceil(endMs - nowMs)), undefined, { signal: hands.signal })
    const done = Math.min(1, (performance.now() - beganMs) / (endMs - beganMs))
    await hands.progress(from + (to - from) * done)
  }
  hands.signal.throwIfAborted()
}
