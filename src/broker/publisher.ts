/** The way in: checks limits, finds the queues of a topic, and hands units to the engine. */
import type { Engine, Op, Outcome, SimpleOp, Unit } from '../engine/engine.ts'
import { SpindleError } from '../model/errors.ts'
import { DURATION_MS_MAX, type Limits, PRIORITY_MAX } from '../model/limits.ts'
import type { AppendOutcome, NewMessage } from '../model/message.ts'
import type { Catalog } from './catalog.ts'
import type { SimpleStep, Step } from './port.ts'

const TOO_LARGE: AppendOutcome = { kind: 'refused', reason: 'too-large' }

export class Publisher {
  readonly #engine: Engine
  readonly #catalog: Catalog
  readonly #limits: Limits

  constructor(parts: { engine: Engine; catalog: Catalog; limits: Limits }) {
    this.#engine = parts.engine
    this.#catalog = parts.catalog
    this.#limits = parts.limits
  }

  append(queue: string, messages: readonly NewMessage[]): Promise<AppendOutcome[]> {
    this.#checkBatch(messages.length, 'send to', queue)
    const only = messages.length === 1 ? messages[0] : undefined
    if (only !== undefined) {
      if (!this.#fits(only, queue)) return Promise.resolve([TOO_LARGE])
      return this.#engine.commit([{ ops: [{ kind: 'append', queue, message: only }] }]).then(firstUnit)
    }
    const fitting = messages.map((message) => this.#fits(message, queue))
    const units = messages
      .filter((_, i) => fitting[i])
      .map((message): Unit => ({ ops: [{ kind: 'append', queue, message }] }))
    return this.#engine.commit(units).then((outcomes) => {
      let unit = 0
      return fitting.map((fits) => (fits ? appendOutcome(outcomes[unit++]?.[0]) : TOO_LARGE))
    })
  }

  publish(topic: string, messages: readonly NewMessage[]): Promise<AppendOutcome[][]> {
    this.#checkBatch(messages.length, 'publish to', topic)
    const queues = this.#catalog.bound(topic) ?? []
    const units = messages.map((message): Unit => {
      if (!this.#fits(message, topic)) throw new SpindleError('too-large', `publish to '${topic}'`)
      return { ops: queues.map((queue) => ({ kind: 'append', queue, message })) }
    })
    if (queues.length === 0) return Promise.resolve(messages.map(() => []))
    return this.#engine.commit(units).then((outcomes) => outcomes.map((unit) => unit.map(appendOutcome)))
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
        return [{ kind: 'append', queue: step.queue, message: step.message, required: true }]
      case 'publish':
        this.#require(step.message, step.topic)
        return (this.#catalog.bound(step.topic) ?? []).map((queue) => ({
          kind: 'append',
          queue,
          message: step.message,
          required: true,
        }))
      case 'settle':
        return [{ kind: 'settle', receipt: step.receipt, how: step.how, required: true }]
      case 'record':
        return [{ ...step, required: true }]
      default:
        return step satisfies never
    }
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
