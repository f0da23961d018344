/**
 * Notices a peer that went without a word: a cable, a stopped machine, a firewall that forgot the connection. Silence is
 * counted in ticks of this side rather than measured, so that a process which was itself stopped does not blame its peer.
 *
 *     tick: heard since the last one -> 0 silent ticks;  1 silent -> ask;  SILENT_TICKS_MAX silent -> lost
 */
import type { Clock, Timer } from '../../runtime/clock.ts'

/** Of a tick. A peer is given up after 60 s of silence at most. */
export const HEARTBEAT_MS = 15_000
const SILENT_TICKS_MAX = 3

export class Heartbeat {
  readonly #clock: Clock
  readonly #ask: () => void
  readonly #lost: () => void
  #timer: Timer | undefined
  #silentTicks = 0

  constructor(parts: { readonly clock: Clock; readonly ask: () => void; readonly lost: () => void }) {
    this.#clock = parts.clock
    this.#ask = parts.ask
    this.#lost = parts.lost
    this.#arm()
  }

  heard(): void {
    this.#silentTicks = 0
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(HEARTBEAT_MS, () => {
      this.#silentTicks++
      if (this.#silentTicks > SILENT_TICKS_MAX) {
        this.#lost()
        return
      }
      // The first tick after something was heard counts none: it may have been heard a moment ago.
      if (this.#silentTicks > 1) this.#ask()
      this.#arm()
    })
  }
}
