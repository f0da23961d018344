/**
 * Keeps the leases of everything a worker runs: at each third of a lease, one call for all. The same beat looks for
 * written requests to cancel, for when the announcement was not heard.
 */
import type { Port } from '../client/port.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { CANCEL_PREFIX } from './cancel.ts'
import type { Run } from './run.ts'
import type { Interruption } from './task-error.ts'

const CANCELS_A_SCAN = 1_000

export interface RenewerParts {
  readonly port: Port
  readonly clock: Clock
  readonly log: Log
  readonly running: ReadonlySet<Run>
  /** Of the queue, in force. */
  readonly leaseMsOf: (queue: string) => number
  /** The shortest lease of the queues that are worked. */
  readonly leaseMsMin: number
  readonly interrupt: (run: Run, kind: Interruption) => void
}

export class Renewer {
  readonly #parts: RenewerParts
  readonly #periodMs: number
  #timer: Timer | undefined

  constructor(parts: RenewerParts) {
    this.#parts = parts
    this.#periodMs = parts.leaseMsMin / 3
  }

  /** Call when a run begins. The beat goes on while anything runs and costs nothing otherwise. */
  wake(): void {
    this.#timer ??= this.#parts.clock.setTimer(this.#periodMs, () => this.#beat())
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #beat(): void {
    this.#timer = undefined
    if (this.#parts.running.size === 0) return
    this.wake()
    this.#extendAll()
    this.#lookForCancels()
  }

  /** A run younger than half a period waits for the next beat: at that it is still within half its lease. */
  #extendAll(): void {
    const nowMs = this.#parts.clock.monotonicMs()
    const byLease = new Map<number, Run[]>()
    for (const run of this.#parts.running) {
      if (nowMs - run.leasedMs < this.#periodMs / 2 || run.interruption === 'lost') continue
      const leaseMs = this.#parts.leaseMsOf(run.delivery.queue)
      const runs = byLease.get(leaseMs)
      if (runs === undefined) byLease.set(leaseMs, [run])
      else runs.push(run)
    }
    for (const [leaseMs, runs] of byLease) this.#extend(runs, leaseMs, nowMs)
  }

  #extend(runs: readonly Run[], leaseMs: number, askedMs: number): void {
    const { port, log, interrupt } = this.#parts
    const receipts = runs.map(({ delivery }) => delivery.receipt)
    port.extend(receipts, leaseMs).then(
      (outcomes) =>
        outcomes.forEach(({ kind }, i) => {
          const run = runs[i]
          if (run === undefined || run.ended) return
          if (kind === 'extended') run.leasedMs = askedMs
          else interrupt(run, 'lost')
        }),
      // Two more beats come before the lease is over.
      (fault: unknown) => log.warn('leases could not be extended', { count: runs.length, fault }),
    )
  }

  #lookForCancels(): void {
    const { port, running, interrupt, log } = this.#parts
    port.scan(CANCEL_PREFIX, { limit: CANCELS_A_SCAN }).then(
      (records) => {
        if (records.length === 0) return
        const asked = new Set(records.map(({ key }) => key.slice(CANCEL_PREFIX.length)))
        for (const run of running) {
          if (!asked.has(run.id)) continue
          run.cancelRecord = true
          interrupt(run, 'cancelled')
        }
      },
      (fault: unknown) => log.warn('requests to cancel could not be read', { fault }),
    )
  }
}
