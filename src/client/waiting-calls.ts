/** Calls that wait for a port while the store has nobody that answers for it. */
import type { Port } from '../broker/port.ts'
import type { SpindleError } from '../model/errors.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

/** What a wait rejects with when its signal aborts; never leaves the carried port. */
export const ABORTED = Symbol('aborted')

interface WaitingCall {
  readonly timer: Timer | undefined
  readonly go: (port: Port) => void
  readonly fail: (fault: unknown) => void
}

export class WaitingCalls {
  readonly #clock: Clock
  readonly #patienceMs: number
  readonly #impatient: (attempted: string) => SpindleError
  readonly #calls = new Set<WaitingCall>()
  #patient = false

  constructor(parts: {
    readonly clock: Clock
    readonly patienceMs: number
    readonly impatient: (attempted: string) => SpindleError
  }) {
    this.#clock = parts.clock
    this.#patienceMs = parts.patienceMs
    this.#impatient = parts.impatient
  }

  /** Resolves with the next port, in the order of asking, so that calls keep theirs. Rejects in the end. */
  next(attempted: string, signal?: AbortSignal): Promise<Port> {
    if (signal?.aborted === true) return Promise.reject(ABORTED)
    return new Promise<Port>((resolve, reject) => {
      const leave = (): void => {
        call.timer?.cancel()
        signal?.removeEventListener('abort', abort)
        this.#calls.delete(call)
      }
      const fail = (fault: unknown): void => {
        leave()
        reject(fault)
      }
      const abort = (): void => fail(ABORTED)
      const late = (): void => fail(this.#impatient(attempted))
      const call: WaitingCall = {
        timer: this.#patient ? undefined : this.#clock.setTimer(this.#patienceMs, late, { keepAlive: true }),
        fail,
        go: (port) => {
          leave()
          resolve(port)
        },
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#calls.add(call)
    })
  }

  /** From now on (until `impatient`) waits have no end: recovery in this very process takes the time it takes. */
  patient(): void {
    this.#patient = true
    for (const call of this.#calls) call.timer?.cancel()
  }

  impatient(): void {
    this.#patient = false
  }

  go(port: Port): void {
    for (const call of [...this.#calls]) call.go(port)
  }

  fail(fault: unknown): void {
    for (const call of [...this.#calls]) call.fail(fault)
  }
}
