/** An idle journal says what was synced, so that damage to its last records is not taken for a torn tail. */
import type { Clock, Timer } from '../../../runtime/clock.ts'

/** So long nothing has to be under way. */
const IDLE_MS = 100

export interface IdleMarkerSource {
  /** Is nothing under way, and something synced that no marker states? */
  wanted(): boolean
  put(): void
}

export class IdleMarker {
  readonly #clock: Clock
  readonly #source: IdleMarkerSource
  #timer: Timer | undefined

  constructor(clock: Clock, source: IdleMarkerSource) {
    this.#clock = clock
    this.#source = source
  }

  /** The journal may have become idle. */
  arm(): void {
    if (this.#timer !== undefined || !this.#source.wanted()) return
    this.#timer = this.#clock.setTimer(IDLE_MS, () => {
      this.#timer = undefined
      if (this.#source.wanted()) this.#source.put()
    })
  }

  /** It no longer is. */
  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
