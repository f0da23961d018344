import type { Clock, Timer } from '../../runtime/clock.ts'

/**
 * Heartbeats both ways (section 4.2.7): something is sent at least every half interval, and a peer that is silent for two intervals is
 * given up.
 */
export interface Heartbeat {
  heard(): void
  sent(): void
  stop(): void
}

/** `seconds`: as negotiated; 0: none. */
export function startHeartbeat(parts: {
  readonly clock: Clock
  readonly seconds: number
  readonly send: () => void
  readonly missed: () => void
}): Heartbeat | undefined {
  const { clock, seconds, send, missed } = parts
  if (seconds === 0) return undefined
  const halfMs = seconds * 500
  let wasSent = false
  let silentHalves = 0
  let timer: Timer
  const tick = (): void => {
    if (!wasSent) send()
    wasSent = false
    timer = clock.setTimer(halfMs, tick)
    // The first tick may come right after something was heard, so that five halves are at least two whole ones.
    if (++silentHalves >= 5) missed()
  }
  timer = clock.setTimer(halfMs, tick)
  return {
    heard() {
      silentHalves = 0
    },
    sent() {
      wasSent = true
    },
    stop() {
      timer.cancel()
    },
  }
}
