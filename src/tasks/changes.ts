/** Waits for something to have changed: announcements wake it at once, and so does a connection that was made anew; a slow beat makes up for the rest. */
import type { Port } from '../client/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { Clock } from '../runtime/clock.ts'

export class Changes {
  readonly #clock: Clock
  readonly #beatMs: number
  readonly #unlisten: readonly (() => void)[]
  #changed = false
  #fault: SpindleError | undefined
  #wake: (() => void) | undefined

  /** Listens from now on: a change between a look and the next wait is not missed. */
  constructor(parts: { port: Pick<Port, 'listen'>; clock: Clock; channels: readonly string[]; beatMs: number }) {
    this.#clock = parts.clock
    this.#beatMs = parts.beatMs
    this.#unlisten = parts.channels.map((channel) =>
      parts.port.listen(
        channel,
        () => this.#change(),
        () => this.#change(),
      ),
    )
  }

  /** Resolves at a change since the last call, at the beat, or after `atMostMs`, whichever is first. Rejects once closed. */
  async next(atMostMs: number = Number.POSITIVE_INFINITY): Promise<void> {
    if (!this.#changed && this.#fault === undefined) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(Math.min(atMostMs, this.#beatMs), resolve, { keepAlive: true })
        this.#wake = () => {
          timer.cancel()
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#changed = false
    if (this.#fault !== undefined) throw this.#fault
  }

  /** Ends the present wait and those to come. */
  close(): void {
    this.#fault = new SpindleError('closed', 'wait for a task')
    this.#wake?.()
  }

  end(): void {
    for (const unlisten of this.#unlisten) unlisten()
    this.#wake?.()
  }

  #change(): void {
    this.#changed = true
    this.#wake?.()
  }
}
