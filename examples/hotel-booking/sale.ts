/**
 * The flash sale: many bookings arrive at once, and the database is asked for no more than it bears.
 *
 *     10,000 guests --enqueue, answered at once--> hotel.sale --100 a second--> the database
 *
 * Elsewhere in this example the request itself updates the booking. Here even that is queued: the limit stands in the task, so it holds
 * over all workers, and a restart in the middle goes on where it was.
 */
import { randomUUID } from 'node:crypto'
import { type Spindle, type TaskDefinition, task, type Worker } from 'spindle-mq'
import { z } from 'zod'
import type { Bookings } from './bookings.ts'

/** What the database bears, by decision; see README.md. */
const UPDATES_PER_SECOND = 100
const BURST = 10
const SAMPLE_MS = 250
const SAMPLES_MAX = 1_200
export const SALE_BOOKINGS_MAX = 10_000

const saleBooking = z.object({ id: z.string(), guest: z.string(), arrivedAtMs: z.number() })
export type SaleBooking = z.output<typeof saleBooking>

/** Both curves up to an instant. */
export interface SaleSample {
  /** Since the sale began. */
  readonly ms: number
  readonly arrived: number
  readonly booked: number
}

export interface SaleView {
  readonly state: 'idle' | 'running' | 'over'
  readonly wanted: number
  readonly perSecond: number
  /** From a guest's request to the answer, for 99 of 100 guests. */
  readonly answerP99Ms: number | undefined
  readonly latest: SaleSample
}

export class FlashSale {
  readonly #spindle: Spindle
  readonly #bookings: Bookings
  readonly #changed: (view: SaleView) => void
  readonly #perSecond: number
  readonly #task: TaskDefinition<'sale.book', typeof saleBooking, void>
  #worker: Worker | undefined
  #timer: NodeJS.Timeout | undefined
  #startedMs = 0
  #wanted = 0
  #arrived = 0
  #booked = 0
  #answersMs: number[] = []
  #samples: SaleSample[] = []
  #state: SaleView['state'] = 'idle'

  /** `paceScale` as for the other steps: 0.1 is ten times as fast. */
  constructor(parts: { spindle: Spindle; bookings: Bookings; paceScale: number; changed: (view: SaleView) => void }) {
    this.#spindle = parts.spindle
    this.#bookings = parts.bookings
    this.#changed = parts.changed
    this.#perSecond = UPDATES_PER_SECOND / Math.max(parts.paceScale, 0.01)
    this.#task = task('sale.book', {
      queue: 'hotel.sale',
      input: saleBooking,
      limits: { rate: { count: this.#perSecond, perMs: 1_000, burst: BURST } },
      result: { retainMs: 0 },
      run: (booking) => this.#bookings.addSale(booking),
    })
  }

  /** Goes on with what an earlier process left. The database serves one process, so this one works on its queue. */
  async start(): Promise<void> {
    const ended = ({ outcome }: { readonly outcome: string }): void => {
      if (outcome === 'succeeded') this.#booked++
    }
    this.#worker = await this.#spindle.work([this.#task], { concurrency: BURST, ended })
    const left = (await this.#spindle.measure()).find(({ queue }) => queue === 'hotel.sale')
    const waiting = (left?.ready ?? 0) + (left?.delayed ?? 0) + (left?.leased ?? 0)
    if (waiting === 0) return
    this.#begin(waiting)
    this.#arrived = waiting
  }

  /** false: one is running. Resolves once all have their answer. */
  async open(count: number): Promise<boolean> {
    if (this.#state === 'running') return false
    this.#begin(count)
    const guests = Array.from({ length: count }, (_, n) => this.#arrive(`Guest ${n + 1}`))
    await Promise.all(guests)
    return true
  }

  view(): SaleView {
    const sorted = this.#answersMs.toSorted((a, b) => a - b)
    const answerP99Ms = sorted[Math.floor(0.99 * (sorted.length - 1))]
    return { state: this.#state, wanted: this.#wanted, perSecond: this.#perSecond, answerP99Ms, latest: this.#now() }
  }

  samples(): readonly SaleSample[] {
    return this.#samples
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#worker?.stop({ drainMs: 1_000 })
  }

  /** One guest: the answer is out as soon as the booking is on disk. */
  async #arrive(guest: string): Promise<void> {
    const startedMs = performance.now()
    await this.#spindle.enqueue(this.#task, { id: randomUUID(), guest, arrivedAtMs: Date.now() })
    this.#answersMs.push(performance.now() - startedMs)
    this.#arrived++
  }

  #begin(wanted: number): void {
    this.#state = 'running'
    this.#startedMs = performance.now()
    this.#wanted = wanted
    this.#arrived = 0
    this.#booked = 0
    this.#answersMs = []
    this.#samples = [{ ms: 0, arrived: 0, booked: 0 }]
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
  }

  #now(): SaleSample {
    const ms = this.#state === 'idle' ? 0 : Math.round(performance.now() - this.#startedMs)
    return { ms, arrived: this.#arrived, booked: this.#booked }
  }

  #sample(): void {
    this.#samples.push(this.#now())
    // A long one is kept at half the resolution, again and again.
    if (this.#samples.length > SAMPLES_MAX) this.#samples = this.#samples.filter((_, i) => i % 2 === 0)
    if (this.#booked >= this.#wanted) {
      this.#state = 'over'
      clearInterval(this.#timer)
    }
    this.#changed(this.view())
  }
}
