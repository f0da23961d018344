/**
 * Calls whose session the network lost without a word: no answer comes, and no error. After a while without an answer it is asked whether
 * any server can be reached; if not, the session is ended, which fails the call, and whoever called decides whether it may be repeated.
 */
import type { Clock } from '../../runtime/clock.ts'
import type { PooledConnection } from './driver.ts'

/** A statement may take longer; then a server is found, and it is asked again later. */
const SILENCE_MS = 5_000

export interface VigilParts {
  readonly clock: Clock
  /** Rejects when no server answers in a few seconds. */
  readonly reach: () => Promise<unknown>
}

export class Vigil {
  readonly #parts: VigilParts
  /** One question for all calls that wait. */
  #asking: Promise<boolean> | undefined

  constructor(parts: VigilParts) {
    this.#parts = parts
  }

  /** Watches over what runs on the connection, until the answer is called. */
  over(connection: PooledConnection): () => void {
    const { clock } = this.#parts
    let over = false
    const look = async (): Promise<void> => {
      if (over) return
      const reached = await this.#isReachable()
      if (over) return
      if (reached) timer = clock.setTimer(SILENCE_MS, () => void look())
      else connection.end().catch(() => {})
    }
    let timer = clock.setTimer(SILENCE_MS, () => void look())
    return () => {
      over = true
      timer.cancel()
    }
  }

  #isReachable(): Promise<boolean> {
    this.#asking ??= this.#parts
      .reach()
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        this.#asking = undefined
      })
    return this.#asking
  }
}
