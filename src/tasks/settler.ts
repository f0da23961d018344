/**
 * Carries the ends of runs to the store. Ends of one turn of the event loop go in one call; nobody waits for the disk to
 * start the next task, but only so many ends may be on their way.
 */
import type { Port, SettleRequest, Step } from '../client/port.ts'
import { type ErrorCode, isFault, SpindleError } from '../model/errors.ts'
import type { SettleOutcome } from '../model/message.ts'

/** Told once: `stale` when somebody else has the message, `failed` when the store cannot say. */
export type Told = (outcome: SettleOutcome['kind'] | 'failed', fault?: unknown) => void

/** A settle whose answer was lost (`outcome-unknown`) may be said again: if it had been heard, the answer is `stale`. */
const REPEATS_MAX = 3

/** Faults of a unit of which nothing happened, nor would if it were said again. */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['aborted', 'too-large', 'invalid-argument'])

export class Settler {
  readonly #port: Port
  readonly #changed: () => void
  #batch: SettleRequest[] = []
  #told: (Told | undefined)[] = []
  #flushing = false
  #underWay = 0

  /** `changed` is called whenever ends were answered. */
  constructor(port: Port, changed: () => void) {
    this.#port = port
    this.#changed = changed
  }

  /** Ends not yet answered. */
  get unsettled(): number {
    return this.#underWay + this.#batch.length
  }

  settle(request: SettleRequest, told?: Told): void {
    this.#batch.push(request)
    this.#told.push(told)
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => this.#flush())
  }

  /** A settle with company, as one atomic unit. `aborted`: nothing of it happened; the fault tells which step was why. */
  unit(
    steps: Promise<readonly Step[]>,
    told: (outcome: 'settled' | 'aborted' | 'failed', fault?: unknown) => void,
  ): void {
    this.#underWay++
    const commit = (ready: readonly Step[]): Promise<unknown> => repeated(() => this.#port.transact(ready))
    const refused = (fault: unknown): void => this.#answered(1, () => told('aborted', fault))
    steps.then(
      (ready) =>
        commit(ready).then(
          () => this.#answered(1, () => told('settled')),
          (fault: unknown) => {
            if (fault instanceof SpindleError && refusals.has(fault.code)) refused(fault)
            else this.#answered(1, () => told('failed', fault))
          },
        ),
      refused,
    )
  }

  #flush(): void {
    const batch = this.#batch
    const told = this.#told
    this.#batch = []
    this.#told = []
    this.#flushing = false
    this.#underWay += batch.length
    repeated(() => this.#port.settle(batch)).then(
      (outcomes) => {
        this.#answered(batch.length, () => {
          for (const [i, { kind }] of outcomes.entries()) told[i]?.(kind)
        })
      },
      (fault: unknown) => {
        this.#answered(batch.length, () => {
          for (const tell of told) tell?.('failed', fault)
        })
      },
    )
  }

  #answered(count: number, tell: () => void): void {
    this.#underWay -= count
    tell()
    this.#changed()
  }
}

async function repeatedSlowly<T>(call: () => Promise<T>, fault: unknown): Promise<T> {
  let latest = fault
  for (let repeat = 0; repeat < REPEATS_MAX; repeat++) {
    if (!isFault(latest, 'outcome-unknown')) break
    try {
      return await call()
    } catch (again) {
      latest = again
    }
  }
  throw latest
}

function repeated<T>(call: () => Promise<T>): Promise<T> {
  return call().catch((fault: unknown) => repeatedSlowly(call, fault))
}
