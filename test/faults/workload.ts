/** A seeded mix of everything that changes a store, in bursts of concurrent calls, with a log kept beside it. */
import type { Engine, Op, Outcome, Unit } from '../../src/engine/engine.ts'
import { SpindleError } from '../../src/model/errors.ts'
import type { MessageId, Receipt } from '../../src/model/message.ts'
import type { Random } from '../../src/runtime/random.ts'
import { type EndFact, FaultLog, type SendFact } from './checkers.ts'
import { keyOf, textOf } from './store.ts'

export interface InHand {
  readonly key: string
  readonly queue: string
  readonly receipt: Receipt
}

const names = ['plain', 'fifo', 'weak', 'loose'] as const

export class Workload {
  readonly log = new FaultLog()
  /** Deliveries not settled yet. */
  readonly hand: InHand[] = []
  /** The last receipt of every message, settled or not. */
  readonly receipts = new Map<string, InHand>()
  /** Stored dedup ids and the message that each stands for. */
  readonly dedups = new Map<string, { id: MessageId; at: number }>()
  /** Codes of the faults that calls ended with. */
  readonly faults: string[] = []
  operations = 0
  readonly #random: Random
  readonly #prefix: string
  #serial = 0

  /** `prefix` tells the keys of several runs on one store apart. */
  constructor(random: Random, prefix = 'm') {
    this.#random = random
    this.#prefix = prefix
  }

  /** Issues 1 to 6 calls at once and waits for their answers. */
  async burst(engine: Engine, options: { readonly advance?: (ms: number) => Promise<void> } = {}): Promise<void> {
    const calls: Promise<void>[] = []
    for (let left = 1 + this.#below(6); left > 0; left--) calls.push(this.#call(engine))
    this.operations += calls.length
    await Promise.all(calls)
    if (options.advance !== undefined && this.#below(40) === 0) await options.advance(this.#below(40_000))
  }

  async #call(engine: Engine): Promise<void> {
    const dice = this.#below(100)
    try {
      if (dice < 42) await this.#send(engine, dice < 4 ? 3 : 1)
      else if (dice < 66) await this.#take(engine)
      else if (dice < 86) await this.#settle(engine, 'ack')
      else if (dice < 91) await this.#settle(engine, 'release')
      else if (dice < 93) await this.#settle(engine, 'bury')
      else if (dice < 95) await this.#takeForGood(engine)
      else if (dice < 97) await this.#forward(engine)
      else await this.#write(engine)
    } catch (error) {
      if (!(error instanceof SpindleError)) throw error
      this.faults.push(error.code)
    }
  }

  async #send(engine: Engine, count: number): Promise<void> {
    const adds = Array.from({ length: count }, () => this.#newSend(names[this.#below(names.length)] ?? 'plain'))
    if (count > 1) this.log.units.push({ adds: adds.map(({ fact }) => fact), ends: [] })
    const [outcomes = []] = await engine.commit([{ ops: adds.map(({ op }) => op) }])
    for (const [index, add] of adds.entries()) this.#answerSend(add, outcomes[index])
  }

  async #take(engine: Engine): Promise<void> {
    const queue = names[this.#below(names.length)] ?? 'plain'
    const taken = await engine.lease({ queue, max: 1 + this.#below(4), lease: { kind: 'clock', leaseMs: 30_000 } })
    for (const { receipt, content } of taken) {
      const key = keyOf(textOf(content.body))
      this.log.deliveries.push({ key, at: this.log.next() })
      this.hand.push({ key, queue, receipt })
      this.receipts.set(key, { key, queue, receipt })
    }
  }

  async #settle(engine: Engine, how: EndFact['how']): Promise<void> {
    const held = this.#pick()
    if (held === undefined) return
    const { key, queue, receipt } = held
    const end = this.log.end({ key, how, relaxed: queue === 'loose' })
    const settlement = how === 'bury' ? ({ kind: 'bury', reason: 'tested' } as const) : ({ kind: how } as const)
    const [outcomes] = await engine.commit([{ ops: [{ kind: 'settle', receipt, how: settlement }] }])
    this.#answerEnd(end, outcomes?.[0])
  }

  async #takeForGood(engine: Engine): Promise<void> {
    const take: { queue: string; invokedAt: number; answeredAt?: number } = {
      queue: 'plain',
      invokedAt: this.log.next(),
    }
    this.log.takes.push(take)
    const taken = await engine.lease({ queue: 'plain', max: 2, lease: { kind: 'clock' }, settleOnDelivery: true })
    for (const { content } of taken) {
      const end = this.log.end({ key: keyOf(textOf(content.body)), how: 'ack', relaxed: false })
      end.answer = { at: this.log.next(), kind: 'settled' }
    }
    take.answeredAt = this.log.next()
  }

  /** Acks one and sends another, both or neither. */
  async #forward(engine: Engine): Promise<void> {
    const held = this.#pick()
    if (held === undefined) return
    const add = this.#newSend('plain')
    const end = this.log.end({ key: held.key, how: 'ack', relaxed: false })
    this.log.units.push({ adds: [add.fact], ends: [end] })
    const settle: Op = { kind: 'settle', receipt: held.receipt, how: { kind: 'ack' }, required: true }
    const [outcomes] = await engine.commit([{ ops: [settle, { ...add.op, required: true }] }])
    this.#answerEnd(end, outcomes?.[0])
    this.#answerSend(add, outcomes?.[1])
  }

  async #write(engine: Engine): Promise<void> {
    const key = `record-${this.#below(4)}`
    const value = `${this.#prefix}${++this.#serial}`
    const fact: { key: string; value: string; invokedAt: number; answeredAt?: number } = {
      key,
      value,
      invokedAt: this.log.next(),
    }
    this.log.records.push(fact)
    const unit: Unit = { ops: [{ kind: 'record', key, value: Buffer.from(value) }] }
    await engine.commit([unit])
    fact.answeredAt = this.log.next()
  }

  #newSend(queue: string): { fact: SendFact; op: Extract<Op, { kind: 'append' }>; dedupId: string | undefined } {
    const key = `${this.#prefix}${++this.#serial}`
    const size = this.#below(100)
    const bytes = size < 90 ? this.#below(600) : size < 99 ? this.#below(12_000) : 80_000
    const body = `${key}|`.padEnd(bytes, key)
    const fact = this.log.send({ key, queue, body, relaxed: queue === 'loose' })
    const dedupId = queue === 'fifo' ? `dedup-${key}` : undefined
    const message = {
      content: { body: Buffer.from(body, 'latin1'), head: new Uint8Array(0) },
      ...(queue === 'fifo' ? { groupId: `group-${this.#below(5)}` } : {}),
      ...(dedupId === undefined ? {} : { dedupId }),
    }
    return { fact, op: { kind: 'append', queue, message }, dedupId }
  }

  #answerSend(add: { fact: SendFact; dedupId: string | undefined }, outcome: Outcome | undefined): void {
    const at = this.log.next()
    add.fact.answer = { at, kind: outcome?.kind === 'stored' ? 'stored' : 'not-stored' }
    if (outcome?.kind === 'stored' && add.dedupId !== undefined) this.dedups.set(add.dedupId, { id: outcome.id, at })
    if (outcome?.kind === 'refused') this.faults.push(outcome.reason)
  }

  #answerEnd(end: EndFact, outcome: Outcome | undefined): void {
    end.answer = { at: this.log.next(), kind: outcome?.kind === 'settled' ? 'settled' : 'not-settled' }
  }

  #pick(): InHand | undefined {
    const index = this.#below(this.hand.length)
    return this.hand.splice(index, 1)[0]
  }

  #below(limit: number): number {
    return Math.floor(this.#random.float() * limit)
  }
}
