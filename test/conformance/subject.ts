/** What every conformance test holds: an open engine, its clock, and the verbs in the fewest words. */
import { expect, onTestFinished } from 'vitest'
import type { Delivery, Engine, LeaseRequest, Op, Outcome, QueueMeasure, Settlement } from '../../src/engine/engine.ts'
import type { Limits } from '../../src/model/limits.ts'
import type { Content, MessageId, MessageState, MessageView, NewMessage, Receipt } from '../../src/model/message.ts'
import { defaultPolicy, type QueuePolicy } from '../../src/model/policy.ts'
import type { VirtualClock } from '../../src/testing/virtual-clock.ts'

export interface Made {
  /** Open. */
  readonly engine: Engine
  readonly clock: VirtualClock
  /** Closes the engine and opens what it left behind; undefined: nothing outlives it. */
  readonly reopen?: () => Promise<Engine>
  /** After the test. */
  readonly dispose?: () => Promise<void>
}

export type MakeEngine = (options: { readonly limits?: Partial<Limits> }) => Promise<Made>

const decoder = new TextDecoder()
const NO_HEAD = new Uint8Array(0)

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : decoder.decode(value)
}

export function content(body: string): Content {
  return { body: bytes(body), head: NO_HEAD }
}

export type Extras = Omit<NewMessage, 'content'>
export type LeaseExtras = Partial<Omit<LeaseRequest, 'queue'>>

export class Subject {
  engine: Engine
  readonly clock: VirtualClock
  readonly #reopen: (() => Promise<Engine>) | undefined

  constructor(made: Made) {
    this.engine = made.engine
    this.clock = made.clock
    this.#reopen = made.reopen
  }

  /** Every subject starts with one queue, `q`, of the policy given. */
  static async with(
    make: MakeEngine,
    policy: Partial<QueuePolicy> = {},
    options: { readonly limits?: Partial<Limits> } = {},
  ): Promise<Subject> {
    const made = await make(options)
    const subject = new Subject(made)
    onTestFinished(async () => {
      await subject.engine.close()
      await made.dispose?.()
    })
    await subject.declare('q', policy)
    return subject
  }

  async reopen(): Promise<void> {
    if (this.#reopen === undefined) throw new Error('this engine leaves nothing behind')
    this.engine = await this.#reopen()
  }

  /** The outcomes of one unit. */
  async unit(...ops: readonly Op[]): Promise<Outcome[]> {
    const [outcomes] = await this.engine.commit([{ ops }])
    return outcomes ?? []
  }

  async declare(queue: string, policy: Partial<QueuePolicy> = {}): Promise<void> {
    expect(await this.unit({ kind: 'putQueue', queue, policy: { ...defaultPolicy, ...policy } })).toEqual([
      { kind: 'done' },
    ])
  }

  async append(queue: string, body: string, extras: Extras = {}): Promise<Outcome> {
    const [outcome] = await this.unit({ kind: 'append', queue, message: { content: content(body), ...extras } })
    return outcome as Outcome
  }

  /** Appends what must be stored. */
  async send(body: string, extras: Extras = {}, queue = 'q'): Promise<MessageId> {
    const outcome = await this.append(queue, body, extras)
    if (outcome.kind !== 'stored') throw new Error(`append of ${body} to ${queue}: ${JSON.stringify(outcome)}`)
    return outcome.id
  }

  take(max = 1, extras: LeaseExtras = {}, queue = 'q'): Promise<Delivery[]> {
    return this.engine.lease({ queue, max, lease: { kind: 'clock' }, ...extras })
  }

  /** The one message that must be there. */
  async takeOne(extras: LeaseExtras = {}, queue = 'q'): Promise<Delivery> {
    const [delivery] = await this.take(1, extras, queue)
    if (delivery === undefined) throw new Error(`nothing to lease from ${queue}`)
    return delivery
  }

  async takeBodies(max = 1, extras: LeaseExtras = {}, queue = 'q'): Promise<(string | undefined)[]> {
    return (await this.take(max, extras, queue)).map(({ content: { body } }) => text(body))
  }

  async settle(delivery: { readonly receipt: Receipt }, how: Settlement): Promise<Outcome['kind'] | undefined> {
    const [outcome] = await this.unit({ kind: 'settle', receipt: delivery.receipt, how })
    return outcome?.kind
  }

  ack(delivery: { readonly receipt: Receipt }, extras: { keep?: Uint8Array; retainMs?: number } = {}) {
    return this.settle(delivery, { kind: 'ack', ...extras })
  }

  release(
    delivery: { readonly receipt: Receipt },
    extras: Omit<Extract<Settlement, { kind: 'release' }>, 'kind'> = {},
  ) {
    return this.settle(delivery, { kind: 'release', ...extras })
  }

  bury(delivery: { readonly receipt: Receipt }, reason = 'buried', note?: Uint8Array) {
    return this.settle(delivery, { kind: 'bury', reason, ...(note === undefined ? {} : { note }) })
  }

  async list(states: readonly MessageState[], queue = 'q'): Promise<MessageView[]> {
    return (await this.engine.browse({ queue, states, limit: 1_000 })).messages
  }

  async bodies(states: readonly MessageState[], queue = 'q'): Promise<(string | undefined)[]> {
    return (await this.list(states, queue)).map((view) => text(view.content.body))
  }

  async measure(queue = 'q'): Promise<QueueMeasure> {
    const [measure] = await this.engine.measure([queue])
    if (measure === undefined) throw new Error(`no queue ${queue}`)
    return measure
  }

  /** Messages by state; those of no message are left out. */
  async counts(queue = 'q'): Promise<Partial<Record<MessageState, number>>> {
    const { delayed, ready, leased, done, dead } = await this.measure(queue)
    return Object.fromEntries(Object.entries({ delayed, ready, leased, done, dead }).filter(([, count]) => count > 0))
  }

  /** Resolves with the next queue whose watchers are told. */
  nextHint(): Promise<string> {
    return new Promise((resolve) => {
      const end = this.engine.watch((queue) => {
        end()
        resolve(queue)
      })
    })
  }
}
