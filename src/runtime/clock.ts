/**
 * Time comes in through this interface, never from globals: tests move it by hand, and leases
 * run on the monotonic reading so that a stepped wall clock neither expires nor prolongs them.
 */
export interface Clock {
  /** Wall time, milliseconds since the Unix epoch. For instants that are stored or shown. */
  wallMs(): number
  /** Milliseconds since an arbitrary origin; never goes back. For durations and deadlines. */
  monotonicMs(): number
  /** Calls `fire` once, `delayMs` (>= 0) from now on the monotonic clock. Only `keepAlive` keeps the process alive for it. */
  setTimer(delayMs: number, fire: () => void, options?: { readonly keepAlive?: boolean }): Timer
}

export interface Timer {
  /** Idempotent; a fired timer may be cancelled. */
  cancel(): void
}

/** Held here: the global is a getter, which costs as much as the reading. */
const { performance } = globalThis

/** setTimeout truncates longer delays to 1 ms; longer waits are cut into steps of this length. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, fire, options) {
    let handle: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(Math.max(0, leftMs), LONGEST_TIMEOUT_MS)
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : fire()), stepMs)
      // In a browser it is a number, and keeps nothing alive.
      if (options?.keepAlive !== true) handle.unref?.()
    }
    arm(delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
}
