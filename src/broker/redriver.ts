/**
 * One redrive at work: leases a few messages of the source, moves each in one unit (ack there, append where it goes), and again, until
 * as many were looked at as there were when it started.
 *
 * A moved message keeps id, content, group, priority and history; attempts, delay and TTL start anew. One that cannot be moved (its
 * queue of origin is unknown or gone, the target refuses it) stays leased until the redrive ends, so that it is not met again, and
 * then goes back to its place unspent. All leases are held by one holder: a process that dies gives them back, too.
 */
import type { Engine, Op, Outcome } from '../engine/engine.ts'
import type { Delivery, MessageId, NewMessage } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import type { RedriveView } from './redrive.ts'
import { redriveOp } from './redrive-records.ts'

const BATCH_MAX = 100
/** With a rate, so many small steps a second rather than one large one. */
const STEPS_PER_SECOND = 10
/** Longer than any pause between steps but those of a rate below one in 30 s, before which it is renewed. */
const HOLDER_TTL_MS = 60_000
const PAUSE_MS_MAX = 20_000
/** When the target is full. */
const FULL_PAUSE_MS = 1_000
/** Progress is stored so often at most, ms. */
const STORE_EVERY_MS = 1_000
/** That cannot be moved, before the redrive gives up: they are all leased. */
const STUCK_MAX = 10_000

export class Redriver {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #exists: (queue: string) => boolean
  readonly #changed: (view: RedriveView) => void
  readonly #moved: (id: MessageId, queue: string, message: NewMessage) => void
  readonly #holder: string
  #view: RedriveView
  #stopping: 'cancelled' | 'closed' | undefined
  #wake: () => void = () => {}
  #storedAtMs: number

  constructor(parts: {
    engine: Engine
    clock: Clock
    view: RedriveView
    exists: (queue: string) => boolean
    /** Hears of each step. */
    changed: (view: RedriveView) => void
    moved: (id: MessageId, queue: string, message: NewMessage) => void
  }) {
    this.#engine = parts.engine
    this.#clock = parts.clock
    this.#view = parts.view
    this.#exists = parts.exists
    this.#changed = parts.changed
    this.#moved = parts.moved
    this.#holder = `spindle/redrive/${parts.view.id}`
    this.#storedAtMs = parts.clock.monotonicMs()
  }

  get view(): RedriveView {
    return this.#view
  }

  /** Ends after the step under way. `closed`: the record says that it still runs, so the next start takes it up. */
  stop(why: 'cancelled' | 'closed'): void {
    this.#stopping ??= why
    this.#wake()
  }

  /** Resolves when it has ended, or was stopped; rejects when the store fails. */
  async run(): Promise<void> {
    // What a process that died had leased for this one.
    await this.#engine.releaseHolder(this.#holder, { spend: false })
    const ending = await this.#move()
    await this.#engine.releaseHolder(this.#holder, { spend: false })
    if (ending.state !== 'running') await this.#end(ending)
  }

  async #move(): Promise<Pick<RedriveView, 'state' | 'reason'>> {
    const startedMs = this.#clock.monotonicMs()
    const before = this.#view.moved
    let missing: string | undefined
    for (;;) {
      const { source, target, ratePerSecond, moved, failed, about } = this.#view
      if (this.#stopping !== undefined)
        return { state: this.#stopping === 'closed' ? 'running' : 'cancelled', reason: null }
      if (!this.#exists(source)) return failedBecause(`the queue '${source}' does not exist`)
      if (target !== null && !this.#exists(target)) return failedBecause(`the queue '${target}' does not exist`)
      const left = about - moved - failed
      const deliveries = left > 0 && failed < STUCK_MAX ? await this.#lease(Math.min(left, batchOf(ratePerSecond))) : []
      if (deliveries.length === 0) {
        return missing !== undefined && moved === 0
          ? failedBecause(`the queue '${missing}' does not exist`)
          : { state: 'completed', reason: null }
      }
      const step = await this.#step(deliveries)
      missing ??= step.missing
      this.#view = { ...this.#view, moved: moved + step.moved, failed: failed + step.failed }
      this.#changed(this.#view)
      await this.#store()
      const dueMs = ratePerSecond === null ? 0 : startedMs + ((moved + step.moved - before) * 1_000) / ratePerSecond
      await this.#pauseUntil(Math.max(dueMs, step.full ? this.#clock.monotonicMs() + FULL_PAUSE_MS : 0))
    }
  }

  async #lease(max: number): Promise<Delivery[]> {
    await this.#engine.renewHolder(this.#holder, HOLDER_TTL_MS)
    const { source, from } = this.#view
    return this.#engine.lease({
      queue: source,
      max,
      lease: { kind: 'holder', holder: this.#holder },
      from: { kind: from },
    })
  }

  async #step(
    deliveries: readonly Delivery[],
  ): Promise<{ moved: number; failed: number; full: boolean; missing?: string }> {
    let [moved, failed, full] = [0, 0, false]
    let missing: string | undefined
    let waiting: Move[] = []
    for (const delivery of deliveries) {
      const queue = this.#view.target ?? delivery.history.at(-1)?.queue
      if (queue !== undefined && this.#exists(queue)) waiting.push({ delivery, queue, message: resendable(delivery) })
      else {
        failed++
        missing ??= queue
      }
    }
    const returned: Delivery[] = []
    while (waiting.length > 0) {
      const outcomes = await this.#engine.commit(waiting.map((move) => ({ ops: opsOf(move) })))
      const again: Move[] = []
      for (const [at, move] of waiting.entries()) {
        const { delivery, queue, message } = move
        const fate = judge(outcomes[at] ?? [])
        if (fate === 'moved') {
          moved++
          this.#moved(delivery.id, queue, message)
        } else if (fate === 'full') returned.push(delivery)
        else if (fate === 'duplicate' && message.dedupId !== undefined) {
          // Its like came within the window of its own first append; to be told apart is what it was sent for.
          const { dedupId: _, ...rest } = message
          again.push({ ...move, message: rest })
        } else if (fate !== 'stale') failed++
      }
      waiting = again
    }
    if (returned.length > 0) await this.#giveBack(returned)
    full = returned.length > 0
    return { moved, failed, full, ...(missing === undefined ? {} : { missing }) }
  }

  async #giveBack(deliveries: readonly Delivery[]): Promise<void> {
    const how = { kind: 'release', spend: false } as const
    await this.#engine.commit(deliveries.map(({ receipt }) => ({ ops: [{ kind: 'settle', receipt, how }] })))
  }

  /** Progress is no promise: it may be lost with the power, and costs no sync. */
  async #store(): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#storedAtMs < STORE_EVERY_MS) return
    this.#storedAtMs = nowMs
    await this.#engine.commit([{ ops: [redriveOp(this.#view)], relaxed: true }])
  }

  async #end({ state, reason }: Pick<RedriveView, 'state' | 'reason'>): Promise<void> {
    const view = { ...this.#view, state, reason, endedAtMs: this.#clock.wallMs() }
    await this.#engine.commit([{ ops: [redriveOp(view)] }])
    this.#view = view
    this.#changed(view)
  }

  async #pauseUntil(dueMs: number): Promise<void> {
    while (this.#stopping === undefined) {
      const pauseMs = dueMs - this.#clock.monotonicMs()
      if (pauseMs <= 0) return
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(Math.min(pauseMs, PAUSE_MS_MAX), resolve, { keepAlive: true })
        this.#wake = () => {
          timer.cancel()
          resolve()
        }
      })
      if (this.#stopping === undefined) await this.#engine.renewHolder(this.#holder, HOLDER_TTL_MS)
    }
  }
}

interface Move {
  readonly delivery: Delivery
  readonly queue: string
  readonly message: NewMessage
}

function batchOf(ratePerSecond: number | null): number {
  return ratePerSecond === null
    ? BATCH_MAX
    : Math.min(BATCH_MAX, Math.max(1, Math.floor(ratePerSecond / STEPS_PER_SECOND)))
}

/** The message as it can be sent again, under the same id. */
export function resendable({ content, priority, history, groupId, dedupId, id }: Delivery): NewMessage {
  return {
    content,
    priority,
    history,
    id,
    ...(groupId === undefined ? {} : { groupId }),
    ...(dedupId === undefined ? {} : { dedupId }),
  }
}

function opsOf({ delivery: { receipt }, queue, message }: Move): Op[] {
  return [
    { kind: 'settle', receipt, how: { kind: 'ack' }, required: true },
    { kind: 'append', queue, message, required: true },
  ]
}

function judge(outcomes: readonly Outcome[]): 'moved' | 'stale' | 'full' | 'duplicate' | 'refused' {
  const cause = outcomes.find(({ kind }) => kind === 'stale' || kind === 'duplicate' || kind === 'refused')
  if (cause === undefined) return 'moved'
  if (cause.kind !== 'refused') return cause.kind === 'stale' ? 'stale' : 'duplicate'
  return cause.reason === 'queue-full' || cause.reason === 'disk-full' ? 'full' : 'refused'
}

function failedBecause(reason: string): Pick<RedriveView, 'state' | 'reason'> {
  return { state: 'failed', reason }
}
