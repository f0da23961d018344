/** Is the store writable? Tried by a write that must reach the disk; a probe is shared by all who ask within FRESH_MS. */
import type { Port } from '../broker/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { Clock } from '../runtime/clock.ts'

const FRESH_MS = 1_000
/** A disk that takes longer to sync is not ready for anybody's messages. */
const PATIENCE_MS = 5_000
const KEY = 'spindle/readiness'

export type ReadinessVerdict = { readonly kind: 'ready' } | { readonly kind: 'unready'; readonly reason: string }

export class Readiness {
  readonly #port: Port
  readonly #clock: Clock
  #latest: { readonly askedAtMs: number; readonly verdict: Promise<ReadinessVerdict> } | undefined
  #draining = false

  constructor({ port, clock }: { readonly port: Port; readonly clock: Clock }) {
    this.#port = port
    this.#clock = clock
  }

  /** From now on the answer is no, so that balancers send nobody here any more. */
  drain(): void {
    this.#draining = true
  }

  ask(): Promise<ReadinessVerdict> {
    if (this.#draining) return Promise.resolve({ kind: 'unready', reason: 'draining' })
    const nowMs = this.#clock.monotonicMs()
    if (this.#latest === undefined || nowMs - this.#latest.askedAtMs >= FRESH_MS) {
      this.#latest = { askedAtMs: nowMs, verdict: this.#probe() }
    }
    return this.#latest.verdict
  }

  #probe(): Promise<ReadinessVerdict> {
    const value = Buffer.from(String(this.#clock.wallMs()))
    const write = this.#port.transact([{ kind: 'record', key: KEY, value }])
    return new Promise((resolve) => {
      const late = this.#clock.setTimer(PATIENCE_MS, () => {
        resolve({ kind: 'unready', reason: `a write did not reach the disk within ${PATIENCE_MS} ms` })
      })
      write
        .then(
          () => resolve({ kind: 'ready' }),
          (fault: unknown) => resolve({ kind: 'unready', reason: reasonOf(fault) }),
        )
        .finally(() => late.cancel())
    })
  }
}

/** The code of the catalogue; a message could show paths of the server. */
function reasonOf(fault: unknown): string {
  return fault instanceof SpindleError ? fault.code : 'fault'
}
