/**
 * Acts on many messages at once: each message is leased by its id and then, in one unit, acked here and appended there. Whoever else takes
 * one meanwhile keeps it. An act runs in this process only, and ends with it: what is done is done, the rest is where it was.
 *
 *   running -> completed | cancelled | failed
 */
import type { Port } from '../../broker/port.ts'
import { resendable } from '../../broker/redriver.ts'
import { isFault, SpindleError } from '../../model/errors.ts'
import type { Delivery, MessageId, MessageState, MessageView, NewMessage } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { BulkInfo, BulkOrder, RetryAnswer } from './api.ts'
import { lookFor } from './message-filter.ts'

const LEASE_MS = 30_000
const BATCH = 100
const RUNNING_MAX = 8
/** Those that ended are told for a while. */
const KEPT_MAX = 50
const STATES: readonly MessageState[] = ['ready', 'delayed', 'dead']

interface Bulk {
  info: BulkInfo
  stopping: boolean
}

export class Bulks {
  readonly #port: Port
  readonly #clock: Clock
  readonly #bulks = new Map<string, Bulk>()
  #last = 0
  #closed = false

  constructor({ port, clock }: { readonly port: Port; readonly clock: Clock }) {
    this.#port = port
    this.#clock = clock
  }

  /** The latest first. */
  list(): readonly BulkInfo[] {
    return [...this.#bulks.values()].map(({ info }) => info).reverse()
  }

  find(id: string): BulkInfo | undefined {
    return this.#bulks.get(id)?.info
  }

  cancel(id: string): BulkInfo | undefined {
    const bulk = this.#bulks.get(id)
    if (bulk !== undefined) bulk.stopping = true
    return bulk?.info
  }

  close(): void {
    this.#closed = true
  }

  /** Resolves once it has begun. Rejects `no-such-queue`, `invalid-argument`, `overloaded`. */
  async start(order: BulkOrder, mayWrite: (queue: string) => boolean): Promise<BulkInfo> {
    const { queue, action, target, filter } = order
    const running = [...this.#bulks.values()].filter(({ info }) => info.state === 'running')
    if (running.length >= RUNNING_MAX)
      throw new SpindleError('overloaded', `begin one more of ${RUNNING_MAX} bulk acts`)
    if ((action === 'move') !== (target !== undefined)) {
      throw new SpindleError('invalid-argument', 'a target goes with the action move, and with no other')
    }
    for (const named of target === undefined ? [queue] : [queue, target]) {
      if ((await this.#port.measure([named])).length === 0) throw new SpindleError('no-such-queue', `act on '${named}'`)
    }
    const states = filter.states ?? STATES
    const [measure] = await this.#port.measure([queue])
    const there = states.reduce((sum, state) => sum + (measure?.[state] ?? 0), 0)
    const info: BulkInfo = {
      id: `b${++this.#last}`,
      queue,
      action,
      target: target ?? null,
      state: 'running',
      reason: null,
      about: filter.ids?.length ?? there,
      looked: 0,
      done: 0,
      failed: 0,
      startedAtMs: this.#clock.wallMs(),
      endedAtMs: null,
    }
    const bulk = { info, stopping: false }
    this.#bulks.set(info.id, bulk)
    for (const [id, { info: old }] of this.#bulks) {
      if (this.#bulks.size <= KEPT_MAX) break
      if (old.state !== 'running') this.#bulks.delete(id)
    }
    void this.#run(bulk, { ...order, filter: { ...filter, states } }, mayWrite)
    return info
  }

  /** One message, with what is given of it changed. Rejects `stale` when somebody else has it, or what the queue refuses. */
  async retryOne(view: MessageView, target: string, changed: NewMessage | undefined): Promise<RetryAnswer> {
    const [delivery] = await this.#lease(view.queue, view.state, [view.id])
    if (delivery === undefined) throw new SpindleError('stale', `retry message '${view.id}' (somebody has it)`)
    const message = changed === undefined ? resendable(delivery) : { ...resendable(delivery), ...changed }
    try {
      await this.#move(delivery, target, message)
      return { id: view.id, queue: target }
    } catch (fault) {
      await this.#giveBack(delivery)
      throw fault
    }
  }

  async #run(bulk: Bulk, order: BulkOrder, mayWrite: (queue: string) => boolean): Promise<void> {
    const update = (change: Partial<BulkInfo>): void => {
      bulk.info = { ...bulk.info, ...change }
    }
    const { queue, filter } = order
    const states = filter.states ?? STATES
    try {
      let cursor: string | undefined
      do {
        const { about, looked } = bulk.info
        // What is put back into the same queue comes by again: no more is looked at than was there.
        const limit = Math.min(BATCH, about - looked)
        if (limit <= 0) break
        const look = await lookFor(this.#parts, { queue, filter, states, limit, cursor })
        const done = await this.#act(look.found, order, mayWrite)
        const { info } = bulk
        update({
          looked: info.looked + look.looked,
          done: info.done + done,
          failed: info.failed + look.found.length - done,
        })
        cursor = look.cursor
      } while (cursor !== undefined && !bulk.stopping && !this.#closed)
      const cut = bulk.stopping || this.#closed
      update({ state: cut ? 'cancelled' : 'completed', endedAtMs: this.#clock.wallMs() })
    } catch (fault) {
      const reason = fault instanceof SpindleError ? fault.message : 'the store failed'
      update({ state: 'failed', reason, endedAtMs: this.#clock.wallMs() })
    }
  }

  get #parts() {
    return { port: this.#port, clock: this.#clock }
  }

  /** How many it happened to. */
  async #act(found: readonly MessageView[], order: BulkOrder, mayWrite: (queue: string) => boolean): Promise<number> {
    const { queue, action, target } = order
    let done = 0
    for (const state of STATES) {
      const ids = found.flatMap((view) => (view.state === state ? [view.id] : []))
      if (ids.length === 0) continue
      const deliveries = await this.#lease(queue, state, ids)
      const acted = await Promise.all(
        deliveries.map(async (delivery) => {
          try {
            if (action === 'discard') {
              const [outcome] = await this.#port.settle([
                { receipt: delivery.receipt, how: { kind: 'ack' }, id: delivery.id },
              ])
              return outcome?.kind === 'settled'
            }
            const to = target ?? delivery.history.at(-1)?.queue ?? queue
            if (!mayWrite(to)) throw new SpindleError('access-denied', `write '${to}'`)
            await this.#move(delivery, to, resendable(delivery))
            return true
          } catch (fault) {
            await this.#giveBack(delivery)
            if (fault instanceof SpindleError && PASSED_OVER.has(fault.code)) return false
            throw fault
          }
        }),
      )
      done += acted.filter(Boolean).length
    }
    return done
  }

  #lease(queue: string, state: MessageState, ids: readonly MessageId[]): Promise<Delivery[]> {
    const from = state === 'dead' ? ({ kind: 'dead', ids } as const) : ({ kind: 'ids', ids } as const)
    return this.#port.receive({ queue, max: ids.length, from, lease: { kind: 'clock', leaseMs: LEASE_MS } })
  }

  async #move(delivery: Delivery, queue: string, message: NewMessage): Promise<void> {
    const settle = { kind: 'settle', receipt: delivery.receipt, how: { kind: 'ack' }, id: delivery.id } as const
    try {
      await this.#port.transact([settle, { kind: 'append', queue, message }])
    } catch (fault) {
      // Its like came within the window of its own first append; to be told apart is what it was sent for.
      const refused = isFault(fault, 'aborted')
      if (!refused || message.dedupId === undefined) throw fault
      const { dedupId: _, ...rest } = message
      await this.#port.transact([settle, { kind: 'append', queue, message: rest }])
    }
  }

  async #giveBack({ receipt, id }: Delivery): Promise<void> {
    await this.#port.settle([{ receipt, how: { kind: 'release', spend: false }, id }])
  }
}

/** Faults of one message; the act goes on with the next. */
const PASSED_OVER: ReadonlySet<string> = new Set(['aborted', 'access-denied', 'too-large', 'no-such-queue', 'stale'])
