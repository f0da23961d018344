/** The way in: checks limits, finds the queues that an exchange leads to, and hands units to the engine. */
import type { AppendOp, Engine, Op, Outcome, SimpleOp, Unit } from '../engine/engine.ts'
import { SpindleError } from '../model/errors.ts'
import { DURATION_MS_MAX, type Limits, PRIORITY_MAX } from '../model/limits.ts'
import type { AppendOutcome, NewMessage } from '../model/message.ts'
import type { Binding } from '../routing/exchange.ts'
import type { ExchangeTable } from '../routing/exchange-table.ts'
import { route } from '../routing/route.ts'
import { RoutedMessage } from '../routing/routed-message.ts'
import type { Catalog } from './catalog.ts'
import type { PublishedMessage, QueuedMessage, SendOptions, SimpleStep, Step } from './port.ts'

const TOO_LARGE: AppendOutcome = { kind: 'refused', reason: 'too-large' }

/** All that publishing needs of an engine; with a transaction of the caller's behind it, it is theirs (`within`). */
export type Committing = Pick<Engine, 'commit'>

export class Publisher {
  readonly #engine: Committing
  readonly #catalog: Catalog
  readonly #limits: Limits
  /** Hears of each message on its way to a queue, but for those of `append`. */
  readonly #sending: (queue: string, message: NewMessage) => void

  constructor(parts: {
    engine: Committing
    catalog: Catalog
    limits: Limits
    sending: (queue: string, message: NewMessage) => void
  }) {
    this.#engine = parts.engine
    this.#catalog = parts.catalog
    this.#limits = parts.limits
    this.#sending = parts.sending
  }

  append(queue: string, messages: readonly NewMessage[], options?: SendOptions): Promise<AppendOutcome[]> {
    this.#checkBatch(messages.length, 'send to', queue)
    const only = messages.length === 1 ? messages[0] : undefined
    if (only !== undefined) {
      if (!this.#fits(only, queue)) return Promise.resolve([TOO_LARGE])
      return this.#engine.commit([{ ops: [{ kind: 'append', queue, message: only }] }], options).then(firstUnit)
    }
    const fitting = messages.map((message) => this.#fits(message, queue))
    const units = messages
      .filter((_, i) => fitting[i])
      .map((message): Unit => ({ ops: [{ kind: 'append', queue, message }] }))
    return this.#engine.commit(units, options).then((outcomes) => {
      let unit = 0
      return fitting.map((fits) => (fits ? appendOutcome(outcomes[unit++]?.[0]) : TOO_LARGE))
    })
  }

  /** May it be appended as it is? False: it is over the size limit. Throws `invalid-argument`. */
  admit(message: NewMessage, queue: string): boolean {
    return this.#fits(message, queue)
  }

  publish(exchange: string, messages: readonly PublishedMessage[], options?: SendOptions): Promise<AppendOutcome[][]> {
    this.#checkBatch(messages.length, 'publish to', exchange)
    const from = this.#exchange(exchange, 'publish to')
    const only = messages.length === 1 ? messages[0] : undefined
    if (only !== undefined) {
      const ops = this.#published(from, only)
      if (ops.length === 0) return Promise.resolve([[]])
      return this.#engine.commit([{ ops }], options).then(([outcomes = []]) => [takenOf(outcomes)])
    }
    const units: Unit[] = []
    /** For each message the place of its unit; those that no queue takes need none. */
    const places = messages.map((message) => {
      const ops = this.#published(from, message)
      return ops.length === 0 ? -1 : units.push({ ops }) - 1
    })
    if (units.length === 0) return Promise.resolve(messages.map(() => []))
    return this.#engine.commit(units, options).then((outcomes) => places.map((place) => takenOf(outcomes[place] ?? [])))
  }

  match(exchange: string, messages: readonly PublishedMessage[]): Binding[][] {
    const from = this.#exchange(exchange, 'match at')
    return messages.map((message) => [...this.#route(from, message)])
  }

  deliver(deliveries: readonly (readonly QueuedMessage[])[], options?: SendOptions): Promise<AppendOutcome[][]> {
    this.#checkBatch(deliveries.length, 'deliver', 'units')
    const fitting = deliveries.map((unit) => unit.map(({ queue, message }) => this.#fits(message, queue)))
    const units = deliveries.map(
      (unit, at): Unit => ({
        ops: unit
          .filter((_, i) => fitting[at]?.[i])
          .map(({ queue, message }): AppendOp => {
            this.#sending(queue, message)
            return { kind: 'append', queue, message }
          }),
      }),
    )
    const filled = units.filter(({ ops }) => ops.length > 0)
    if (filled.length === 0) return Promise.resolve(fitting.map((unit) => unit.map(() => TOO_LARGE)))
    return this.#engine.commit(filled, options).then((outcomes) => {
      let next = 0
      return fitting.map((unit, at) => {
        const answers = units[at]?.ops.length === 0 ? [] : (outcomes[next++] ?? [])
        let answered = 0
        return unit.map((fits) => (fits ? appendOutcome(answers[answered++]) : TOO_LARGE))
      })
    })
  }

  async transact(steps: readonly Step[], options: { readonly relaxed?: boolean } = {}): Promise<Outcome[]> {
    this.#checkBatch(steps.length, 'commit', 'transaction')
    const ops: Op[] = steps.flatMap((step): Op[] =>
      step.kind === 'count'
        ? [{ ...step, whenReached: step.whenReached.flatMap((inner) => this.#ops(inner)) }]
        : this.#ops(step),
    )
    if (ops.length === 0) return []
    const [outcomes = []] = await this.#engine.commit([{ ops, ...options }])
    const failed = outcomes.findIndex(({ kind }) => !SUCCESSES.has(kind))
    if (failed < 0) return outcomes
    const cause = outcomes.findIndex(({ kind }) => kind !== 'aborted' && !SUCCESSES.has(kind))
    const at = cause < 0 ? failed : cause
    throw new SpindleError(
      'aborted',
      `commit a transaction (step ${at + 1}, ${describe(ops[at])}, was ${reason(outcomes[at])})`,
    )
  }

  #ops(step: SimpleStep): SimpleOp[] {
    switch (step.kind) {
      case 'append':
        this.#require(step.message, step.queue)
        this.#sending(step.queue, step.message)
        return [{ kind: 'append', queue: step.queue, message: step.message, required: true }]
      case 'publish': {
        const { exchange, message } = step
        this.#require(message, exchange)
        const bindings = this.#route(this.#exchange(exchange, 'publish to'), message)
        return this.#appends(bindings, message).map((op) => ({ ...op, required: true }))
      }
      case 'settle':
        return [{ kind: 'settle', receipt: step.receipt, how: step.how, required: true }]
      case 'record':
        return [{ ...step, required: true }]
      default:
        return step satisfies never
    }
  }

  #published(from: ExchangeTable, message: PublishedMessage): AppendOp[] {
    if (!this.#fits(message, from.name)) throw new SpindleError('too-large', `publish to '${from.name}'`)
    return this.#appends(this.#route(from, message), message)
  }

  #exchange(name: string, verb: string): ExchangeTable {
    const exchange = this.#catalog.exchange(name)
    if (exchange === undefined) throw new SpindleError('no-such-exchange', `${verb} '${name}'`)
    return exchange
  }

  #route(from: ExchangeTable, { content, routing }: PublishedMessage): readonly Binding[] {
    return route(this.#catalog.exchange, from, new RoutedMessage(content, routing))
  }

  #appends(bindings: readonly Binding[], message: NewMessage): AppendOp[] {
    return bindings.map(({ target: { name: queue } }) => {
      this.#sending(queue, message)
      return { kind: 'append', queue, message }
    })
  }

  #require(message: NewMessage, target: string): void {
    if (!this.#fits(message, target)) throw new SpindleError('too-large', `send to '${target}'`)
  }

  /** False when it is over the size limit; throws `invalid-argument` on anything that no policy could accept. */
  #fits(message: NewMessage, target: string): boolean {
    const { content, priority = 0, delayMs = 0, ttlMs = 1, groupId, dedupId } = message
    if (!Number.isInteger(priority) || priority < 0 || priority > PRIORITY_MAX) {
      throw invalid(target, `priority is ${priority} but must be a whole number from 0 to ${PRIORITY_MAX}`)
    }
    if (!(delayMs >= 0 && delayMs <= DURATION_MS_MAX)) {
      throw invalid(target, `delayMs is ${delayMs} but must be 0 to ${DURATION_MS_MAX}`)
    }
    if (!(ttlMs > 0 && ttlMs <= DURATION_MS_MAX)) {
      throw invalid(target, `ttlMs is ${ttlMs} but must be over 0 and at most ${DURATION_MS_MAX}`)
    }
    if (groupId !== undefined) this.#checkKey(target, 'group', groupId)
    if (dedupId !== undefined) this.#checkKey(target, 'dedupId', dedupId)
    return content.body.length + content.head.length <= this.#limits.messageBytesMax
  }

  #checkKey(target: string, field: string, key: string): void {
    // A UTF-16 unit is at most three bytes of UTF-8, so short keys need no count.
    const max = this.#limits.nameBytesMax
    if (key.length === 0 || (key.length * 3 > max && Buffer.byteLength(key) > max)) {
      throw invalid(target, `${field} must be 1 to ${max} bytes of UTF-8`)
    }
  }

  #checkBatch(count: number, verb: string, target: string): void {
    if (count > this.#limits.batchMax) {
      throw new SpindleError(
        'invalid-argument',
        `${verb} '${target}': ${count} entries, at most ${this.#limits.batchMax} are allowed`,
      )
    }
  }
}

const SUCCESSES = new Set<Outcome['kind']>(['stored', 'settled', 'written', 'counted', 'done', 'purged'])

function firstUnit(outcomes: Outcome[][]): AppendOutcome[] {
  return [appendOutcome(outcomes[0]?.[0])]
}

/** A queue that went while its bindings are still about to go took nothing. */
function takenOf(outcomes: readonly Outcome[]): AppendOutcome[] {
  const taken: AppendOutcome[] = []
  for (const outcome of outcomes) {
    const append = appendOutcome(outcome)
    if (append.kind !== 'refused' || append.reason !== 'no-such-queue') taken.push(append)
  }
  return taken
}

function appendOutcome(outcome: Outcome | undefined): AppendOutcome {
  if (outcome?.kind === 'stored' || outcome?.kind === 'duplicate' || outcome?.kind === 'refused') return outcome
  throw new Error(`the engine answered an append with '${outcome?.kind}'`)
}

function invalid(target: string, why: string): SpindleError {
  return new SpindleError('invalid-argument', `send to '${target}': ${why}`)
}

function describe(op: Op | undefined): string {
  if (op === undefined) return 'unknown'
  if (op.kind === 'append') return `send to '${op.queue}'`
  if (op.kind === 'record') return `store '${op.key}'`
  return op.kind
}

function reason(outcome: Outcome | undefined): string {
  return outcome?.kind === 'refused' ? `refused: ${outcome.reason}` : (outcome?.kind ?? 'unknown')
}
