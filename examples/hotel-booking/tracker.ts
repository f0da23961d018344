/** What became of each booking: watches its tasks, remembers what it saw, tells the page. */
import type { Job, Spindle, TaskStatus } from 'spindle-mq'
import { type Booking, type Step, steps } from './booking.ts'
import type { Bookings } from './bookings.ts'
import { REPORTS, type Report } from './tasks.ts'

const BOOKINGS_MAX = 30
const INCIDENTS_MAX = 20

/** Something that went wrong on the way and did not stop the work. */
export interface Incident {
  readonly attempt: number
  readonly what: 'failed' | 'redelivered'
  readonly error: string | undefined
}

export interface StepView {
  readonly step: Step
  readonly task: string
  /** `waiting`: not enqueued yet. `untracked`: nobody keeps a record of it. Else as Spindle names them. */
  readonly state: 'waiting' | 'untracked' | 'skipped' | TaskStatus<unknown>['state']
  readonly jobId: string | undefined
  /** Where its status, its events and its cancellation are. */
  readonly href: string | undefined
  readonly progress: number
  readonly attempts: number
  readonly nextAttemptAtMs: number | undefined
  readonly error: string | undefined
  readonly incidents: readonly Incident[]
  readonly result: unknown
  readonly waitMs: number | undefined
  readonly runMs: number | undefined
}

export interface BookingView {
  readonly booking: Booking
  readonly state: 'in-progress' | 'succeeded' | 'failed' | 'untracked'
  readonly answeredMs: number | null
  readonly tasks: readonly StepView[]
}

const taskOf: Record<Step, string> = { voucher: 'voucher.render', mail: 'mail.send', services: 'services.notify' }
const ended = new Set<StepView['state']>(['succeeded', 'failed', 'cancelled', 'discarded', 'skipped'])

export class Tracker {
  readonly #views = new Map<string, BookingView>()
  readonly #watched = new Set<string>()
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<void>>()
  readonly #spindle: Spindle
  readonly #bookings: Bookings
  readonly #onChange: (view: BookingView) => void

  constructor(spindle: Spindle, bookings: Bookings, onChange: (view: BookingView) => void) {
    this.#spindle = spindle
    this.#bookings = bookings
    this.#onChange = onChange
  }

  /** Goes on where the last run of the hotel ended. */
  async start(): Promise<void> {
    for (const { booking, answeredMs } of [...(await this.#bookings.latest())].reverse()) {
      const view = this.#add(booking, answeredMs)
      for (const row of await this.#bookings.stepsOf(booking.id)) {
        if (row.seen !== null) this.#setStep(view.booking.id, row.step, row.seen as StepView) // written by #remember
        if (row.jobId !== null) this.#watch(booking.id, row.step, row.jobId)
      }
    }
    this.#keep(this.#readReports())
  }

  /** Newest first. */
  views(): readonly BookingView[] {
    return [...this.#views.values()].reverse()
  }

  view(bookingId: string): BookingView | undefined {
    return this.#views.get(bookingId)
  }

  /** A booking whose steps nobody has begun yet. */
  add(booking: Booking): BookingView {
    const view = this.#add(booking, null)
    this.#onChange(view)
    return view
  }

  setAnswered(bookingId: string, answeredMs: number): void {
    this.#update(bookingId, (view) => ({ ...view, answeredMs }))
    this.#keep(this.#bookings.setAnswered(bookingId, answeredMs))
  }

  /** For steps that run without a queue: what the request itself knows of them. */
  setOutcome(bookingId: string, step: Step, outcome: Partial<StepView>): void {
    const view = this.#step(bookingId, step)
    if (view === undefined) return
    this.#setStep(bookingId, step, { ...view, ...outcome })
    this.#keep(this.#remember(bookingId, step))
  }

  async follow(bookingId: string, step: Step, jobId: string): Promise<void> {
    await this.#bookings.setStep({ bookingId, step, jobId, seen: undefined })
    const before = this.#step(bookingId, step)
    if (before !== undefined && before.jobId === undefined) {
      this.#setStep(bookingId, step, { ...before, jobId, state: 'queued' })
    }
    this.#watch(bookingId, step, jobId)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.allSettled(this.#running)
  }

  #add(booking: Booking, answeredMs: number | null): BookingView {
    const untracked = booking.mode === 'fire-and-forget'
    const tasks = steps.map((step): StepView => ({ ...blank(step), state: untracked ? 'untracked' : 'waiting' }))
    const view: BookingView = { booking, state: untracked ? 'untracked' : 'in-progress', answeredMs, tasks }
    this.#views.set(booking.id, view)
    const [oldest] = this.#views.keys()
    if (this.#views.size > BOOKINGS_MAX && oldest !== undefined) this.#views.delete(oldest)
    return view
  }

  #watch(bookingId: string, step: Step, jobId: string): void {
    const key = `${bookingId} ${step}`
    if (this.#watched.has(key)) return
    this.#watched.add(key)
    this.#keep(this.#readStatuses(bookingId, step, this.#spindle.job(jobId)))
  }

  async #readStatuses(bookingId: string, step: Step, job: Job<unknown>): Promise<void> {
    try {
      for await (const status of job.watch({ signal: this.#stopping.signal })) {
        const before = this.#step(bookingId, step) ?? blank(step)
        this.#setStep(bookingId, step, seen(before, status))
        if (ended.has(status.state)) await this.#remember(bookingId, step)
      }
    } catch (error) {
      // Shutting down, or its retention has passed: then what was seen last stays.
      if (!this.#stopping.signal.aborted && !isNotFound(error)) console.error(error)
    }
  }

  /** Follow-ups get their ids when the voucher succeeds, far from here; each tells us when it starts. */
  async #readReports(): Promise<void> {
    const reports = await this.#spindle.queue<Report>(REPORTS)
    try {
      for await (const message of reports.messages({ max: 10, signal: this.#stopping.signal })) {
        const { bookingId, step, jobId } = message.body
        if (this.#views.has(bookingId)) await this.follow(bookingId, step, jobId)
        await message.ack()
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error
    }
  }

  #step(bookingId: string, step: Step): StepView | undefined {
    return this.#views.get(bookingId)?.tasks.find((task) => task.step === step)
  }

  #setStep(bookingId: string, step: Step, changed: StepView): void {
    this.#update(bookingId, (view) => {
      const tasks = view.tasks.map((task) => (task.step === step ? changed : task))
      const settled = settleFollowUps(tasks)
      return { ...view, tasks: settled, state: stateOf(settled) }
    })
  }

  #update(bookingId: string, change: (view: BookingView) => BookingView): void {
    const view = this.#views.get(bookingId)
    if (view === undefined) return
    const changed = change(view)
    this.#views.set(bookingId, changed)
    this.#onChange(changed)
  }

  async #remember(bookingId: string, step: Step): Promise<void> {
    const view = this.#step(bookingId, step)
    if (view !== undefined) await this.#bookings.setStep({ bookingId, step, jobId: view.jobId ?? null, seen: view })
  }

  #keep(work: Promise<void>): void {
    const kept = work.catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) console.error(error)
    })
    this.#running.add(kept)
    void kept.finally(() => this.#running.delete(kept))
  }
}

const blank = (step: Step): StepView => ({
  step,
  task: taskOf[step],
  state: 'waiting',
  jobId: undefined,
  href: undefined,
  progress: 0,
  attempts: 0,
  nextAttemptAtMs: undefined,
  error: undefined,
  incidents: [],
  result: undefined,
  waitMs: undefined,
  runMs: undefined,
})

function seen(before: StepView, status: TaskStatus<unknown>): StepView {
  return {
    ...before,
    state: status.state,
    jobId: status.id,
    href: `/tasks/${before.task}/${status.id}`,
    attempts: status.attempts,
    progress: status.state === 'succeeded' ? 1 : status.state === 'running' ? (status.progress ?? 0) : 0,
    nextAttemptAtMs: status.state === 'retrying' ? status.nextAttemptAtMs : undefined,
    error: 'error' in status ? status.error?.message : undefined,
    result: status.state === 'succeeded' ? status.result : undefined,
    incidents: incidentsOf(before, status),
    waitMs: status.timings.waitMs,
    runMs: status.timings.runMs,
  }
}

/** An attempt that ended with an error was said so; one that ended without a word shows in the next one's number. */
function incidentsOf(before: StepView, status: TaskStatus<unknown>): readonly Incident[] {
  const known = before.incidents
  const last = known.at(-1)?.attempt ?? 0
  if (status.state === 'retrying' && status.attempts > last) {
    return [...known, { attempt: status.attempts, what: 'failed' as const, error: status.error.message }].slice(
      -INCIDENTS_MAX,
    )
  }
  const silent = status.attempts - 1
  if (before.attempts > 0 && status.attempts > before.attempts && silent > last) {
    return [...known, { attempt: silent, what: 'redelivered' as const, error: undefined }].slice(-INCIDENTS_MAX)
  }
  return known
}

/** The voucher's success put its follow-ups into their queues, in the same unit; its failure means that they never come. */
function settleFollowUps(tasks: readonly StepView[]): readonly StepView[] {
  const voucher = tasks.find((task) => task.step === 'voucher')
  return tasks.map((task) => {
    if (task.step === 'voucher' || task.jobId !== undefined) return task
    if (voucher?.state === 'succeeded' && voucher.jobId !== undefined && task.state === 'waiting') {
      return { ...task, state: 'queued' }
    }
    const never = voucher?.state === 'failed' || voucher?.state === 'cancelled' || voucher?.state === 'discarded'
    return never && task.state === 'waiting' ? { ...task, state: 'skipped' } : task
  })
}

function stateOf(tasks: readonly StepView[]): BookingView['state'] {
  if (tasks.every((task) => task.state === 'untracked')) return 'untracked'
  if (tasks.every((task) => task.state === 'succeeded')) return 'succeeded'
  return tasks.every((task) => ended.has(task.state)) ? 'failed' : 'in-progress'
}

const isNotFound = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 'not-found'
