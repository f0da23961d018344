/**
 * What ends unless this process goes on saying that it lives: the holder of its consumers' leases, one holder for each connection with
 * exclusive queues, its word to other processes. Each is renewed by itself, so that a refusal of one costs no other, and is told before it
 * lapses: what it holds may be somebody else's from then on.
 */
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'

/** How long a renewal lasts, and how often it is repeated, ms. */
export const RENEWED_MS = 30_000
export const RENEWAL_MS = 8_000

export interface Renewed {
  /** For RENEWED_MS from now. */
  renew(): Promise<void>
  /** It could not be renewed for so long that it has run out before the next try. */
  lapsing(): void
}

interface Kept {
  readonly what: Renewed
  /** When it was asked for that was granted last, on the monotonic clock. */
  renewedMs: number
  /** It was asked for and is not answered. */
  isPending: boolean
}

export class Renewals {
  readonly #clock: Clock
  readonly #log: Log
  readonly #kept = new Map<string, Kept>()

  constructor(parts: { clock: Clock; log: Log }) {
    this.#clock = parts.clock
    this.#log = parts.log
  }

  /** From now on it is renewed with the others. One that is kept already stays as it is. */
  keep(name: string, what: Renewed): void {
    if (!this.#kept.has(name)) this.#kept.set(name, { what, renewedMs: this.#clock.monotonicMs(), isPending: false })
  }

  /** false: it was not kept. */
  leave(name: string): boolean {
    return this.#kept.delete(name)
  }

  /** To be called every RENEWAL_MS, also while an earlier call is not answered. */
  async renewAll(): Promise<void> {
    await Promise.all([...this.#kept].map(([name, kept]) => this.#renew(name, kept)))
  }

  async #renew(name: string, kept: Kept): Promise<void> {
    const askedMs = this.#clock.monotonicMs()
    if (kept.isPending) return this.#judge(name, kept)
    kept.isPending = true
    try {
      await kept.what.renew()
      kept.renewedMs = askedMs
    } catch (fault) {
      this.#log.warn('what an AMQP listener holds could not be renewed', { name, fault })
      this.#judge(name, kept)
    }
    kept.isPending = false
  }

  #judge(name: string, kept: Kept): void {
    const isLastChance = this.#clock.monotonicMs() + RENEWAL_MS >= kept.renewedMs + RENEWED_MS
    if (isLastChance && this.#kept.get(name) === kept) kept.what.lapsing()
  }
}
