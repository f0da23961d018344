/**
 * What the broker knows by name: queues with their policies (the engine keeps them), exchanges and bindings (records). Reads are
 * answered from memory; every change is one unit, committed first.
 */
import type { Engine, Op, Outcome, QueueLifetime } from '../engine/engine.ts'
import { SpindleError } from '../model/errors.ts'
import { defaultPolicy, type QueuePolicy } from '../model/policy.ts'
import { validateName, validatePolicy } from '../model/validate.ts'
import type { Binding, ExchangeSettings } from '../routing/exchange.ts'
import { ExchangeTable } from '../routing/exchange-table.ts'
import { ChangeOrder } from './change-order.ts'
import { checkBinding, checkedSettings, defaultSettings } from './exchange-checks.ts'
import {
  BINDING_PREFIX,
  bindingKey,
  decodeBinding,
  decodeSettings,
  decodeTopic,
  EXCHANGE_PREFIX,
  encodeBinding,
  encodeSettings,
  type OrderedBinding,
  TOPIC_PREFIX,
} from './exchange-records.ts'
import { Exchanges, type Removal } from './exchanges.ts'
import {
  bindingId,
  type DeclareExchangeOptions,
  type DeclareQueueOptions,
  type DeleteExchangeOptions,
  type DeleteQueueOptions,
  type ExchangeView,
  FAILED_TOPIC,
  type RecordStep,
  type WithRecords,
} from './port.ts'

const PAGE = 1_000
const DURABLE: QueueLifetime = { kind: 'durable' }

export class Catalog {
  readonly #engine: Engine
  readonly #policies = new Map<string, QueuePolicy>()
  /** Of the queues that may go by themselves. */
  readonly #lifetimes = new Map<string, QueueLifetime>()
  #exchanges = new Exchanges()
  #nextOrder = 1
  #rereads = false
  /** What a change reads must still stand when it is committed: what may take something away runs alone. */
  readonly #order = new ChangeOrder()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async load(): Promise<void> {
    await this.#read()
    await this.#convertTopics()
    await this.#forgetOrphans()
    this.#engine.shared?.watchCatalog(() => this.#changedElsewhere())
  }

  async #read(): Promise<void> {
    const queues = this.#engine.shared?.queues() ?? (await this.#engine.measure())
    const exchanges = new Exchanges()
    for await (const { key, value } of this.#records(EXCHANGE_PREFIX)) {
      const name = key.slice(EXCHANGE_PREFIX.length)
      exchanges.put(new ExchangeTable(name, decodeSettings(value)))
    }
    const bindings: OrderedBinding[] = []
    for await (const { key, value } of this.#records(BINDING_PREFIX)) bindings.push(decodeBinding(key, value))
    bindings.sort((a, b) => a.order - b.order)
    // One whose exchange went between the two scans goes with the next reading.
    for (const { binding } of bindings) if (exchanges.get(binding.exchange) !== undefined) exchanges.bind(binding)
    this.#policies.clear()
    this.#lifetimes.clear()
    for (const { queue, policy, lifetime } of queues) {
      this.#policies.set(queue, policy)
      if (lifetime.kind !== 'durable') this.#lifetimes.set(queue, lifetime)
    }
    this.#exchanges = exchanges
    this.#nextOrder = (bindings.at(-1)?.order ?? 0) + 1
  }

  /** Another process changed what is known here: it is read anew, after the changes of this one; once for all that come meanwhile. */
  #changedElsewhere(): void {
    if (this.#rereads) return
    this.#rereads = true
    this.#order
      .alone(async () => {
        this.#rereads = false
        await this.#read()
      })
      .catch(() => {
        // The store has stopped, or is away; the next change, or the next start, reads again.
        this.#rereads = false
      })
  }

  async *#records(prefix: string): AsyncGenerator<{ readonly key: string; readonly value: Uint8Array }> {
    let after: string | undefined
    for (;;) {
      const page = await this.#engine.scan(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      yield* page
      after = page.at(-1)?.key
      if (page.length < PAGE) return
    }
  }

  /** Topics as version 0.1 kept them, each in one unit, so that a stop in between leaves none of them half. */
  async #convertTopics(): Promise<void> {
    for await (const { key, value } of this.#records(TOPIC_PREFIX)) {
      const name = key.slice(TOPIC_PREFIX.length)
      const table = this.#exchanges.get(name) ?? new ExchangeTable(name, defaultSettings)
      const bindings = decodeTopic(value).map((queue): OrderedBinding => {
        const target = { kind: 'queue', name: queue } as const
        const binding = { exchange: name, id: bindingId({ target }), target, key: '' }
        return { binding, order: this.#nextOrder++ }
      })
      await this.#commit(`convert topic '${name}'`, [
        settingsOp(name, table.settings),
        ...bindings.map(bindingOp),
        { kind: 'record', key, value: null },
      ])
      this.#exchanges.put(table)
      for (const { binding } of bindings) this.#exchanges.bind(binding)
    }
  }

  /** Bindings to queues that went by themselves while nobody looked. */
  async #forgetOrphans(): Promise<void> {
    for (const queue of this.#exchanges.boundQueues()) if (!this.#policies.has(queue)) await this.#unbindGone(queue)
  }

  policy(queue: string): QueuePolicy | undefined {
    return this.#policies.get(queue)
  }

  policies(): IterableIterator<[string, QueuePolicy]> {
    return this.#policies.entries()
  }

  /** undefined: there is no such exchange. */
  readonly exchange = (name: string): ExchangeTable | undefined => this.#exchanges.get(name)

  exchanges(names?: readonly string[]): ExchangeView[] {
    return this.#exchanges
      .tables(names)
      .map((table) => ({ exchange: table.name, settings: table.settings, bindings: table.bindings() }))
  }

  declareQueue(
    queue: string,
    fields: Partial<QueuePolicy>,
    { lifetime, expect, records = [] }: DeclareQueueOptions = {},
  ): Promise<QueuePolicy> {
    const change = async (): Promise<QueuePolicy> => {
      validateName('queue', queue)
      let known = this.#policies.get(queue)
      const mortal = this.#lifetimes.get(queue)
      if (mortal !== undefined && (await this.#engine.measure([queue])).length === 0) {
        await this.#unbindGone(queue)
        known = undefined
      }
      const policy = this.#withFailedEvents(queue, validatePolicy({ ...(known ?? defaultPolicy), ...fields }))
      const lives = lifetime ?? (known === undefined ? DURABLE : (mortal ?? DURABLE))
      const same = isSame(known, policy) && isSame(mortal ?? DURABLE, lives)
      if (same && expect === undefined && records.length === 0) return policy
      const attempted = `declare queue '${queue}'`
      const [outcome] = await this.#commit(
        attempted,
        [{ kind: 'putQueue', queue, policy, lifetime: lives, required: true, ...(expect && { expect }) }],
        records,
      )
      if (outcome?.kind === 'mismatch') throw new SpindleError('queue-exists', attempted)
      this.#policies.set(queue, policy)
      if (lives.kind === 'durable') this.#lifetimes.delete(queue)
      else this.#lifetimes.set(queue, lives)
      return policy
    }
    return this.#lifetimes.has(queue) ? this.#order.alone(change) : this.#order.beside(`queue ${queue}`, change)
  }

  deleteQueue(queue: string, { ifEmpty = false, records = [] }: DeleteQueueOptions = {}): Promise<boolean> {
    return this.#order.alone(async () => {
      if (!this.#policies.has(queue)) return false
      const attempted = `delete queue '${queue}'`
      const removal = this.#exchanges.withoutTarget({ kind: 'queue', name: queue })
      const policies = this.#policiesAfter(removal, queue)
      const [outcome] = await this.#commit(
        attempted,
        [
          { kind: 'dropQueue', queue, ifEmpty, required: true },
          ...removalOps(removal),
          ...policies.map(policyOp(this.#lifetimes)),
        ],
        records,
      )
      if (outcome?.kind === 'mismatch') throw new SpindleError('queue-not-empty', attempted)
      if (outcome?.kind === 'missing') {
        await this.#unbindGone(queue)
        return false
      }
      this.#forget(queue)
      this.#removed(removal, policies)
      return true
    })
  }

  declareExchange(
    exchange: string,
    given: Partial<ExchangeSettings>,
    { expect, records = [] }: DeclareExchangeOptions = {},
  ): Promise<ExchangeSettings> {
    return this.#order.beside(`exchange ${exchange}`, async () => {
      validateName('exchange', exchange)
      const known = this.#exchanges.get(exchange)
      const settings = checkedSettings(given, known?.settings ?? defaultSettings)
      const attempted = `declare exchange '${exchange}'`
      if (known !== undefined && (expect === 'absent' || known.settings.kind !== settings.kind)) {
        throw new SpindleError('exchange-exists', `${attempted} of kind ${settings.kind}`)
      }
      if (exchange === FAILED_TOPIC && settings.kind !== 'fanout') {
        throw new SpindleError('invalid-argument', `${attempted} of kind ${settings.kind}: it is a fanout`)
      }
      if (isSame(known?.settings, settings) && records.length === 0) return settings
      await this.#commit(attempted, [settingsOp(exchange, settings)], records)
      if (known === undefined) this.#exchanges.put(new ExchangeTable(exchange, settings))
      else known.settings = settings
      return settings
    })
  }

  deleteExchange(exchange: string, { ifUnused = false, records = [] }: DeleteExchangeOptions = {}): Promise<boolean> {
    return this.#order.alone(async () => {
      const table = this.#exchanges.get(exchange)
      if (table === undefined) return false
      const attempted = `delete exchange '${exchange}'`
      if (ifUnused && table.size > 0) throw new SpindleError('exchange-in-use', attempted)
      await this.#remove(attempted, this.#exchanges.without(exchange), records)
      return true
    })
  }

  putBinding(binding: Binding, { records = [] }: WithRecords = {}): Promise<void> {
    const change = async (): Promise<void> => {
      checkBinding(binding)
      const { exchange, id, target } = binding
      const attempted = `bind ${target.kind} '${target.name}' to exchange '${exchange}'`
      const table = this.#exchanges.get(exchange)
      if (table === undefined) throw new SpindleError('no-such-exchange', attempted)
      if (target.kind === 'queue' && !this.#policies.has(target.name))
        throw new SpindleError('no-such-queue', attempted)
      if (target.kind === 'exchange' && this.#exchanges.get(target.name) === undefined) {
        throw new SpindleError('no-such-exchange', attempted)
      }
      const failed = exchange === FAILED_TOPIC
      if (failed && (target.kind !== 'queue' || binding.filter !== undefined)) {
        throw new SpindleError('invalid-argument', `${attempted}: its bindings lead to queues and have no filter`)
      }
      if (isSame(table.get(id), binding) && records.length === 0) return
      const failedTo = failed ? [...new Set([...this.#failedTo(), target.name])] : []
      const policies = failed ? this.#policiesWithFailedEvents(failedTo) : []
      await this.#commit(
        attempted,
        [bindingOp({ binding, order: this.#nextOrder++ }), ...policies.map(policyOp(this.#lifetimes))],
        records,
      )
      this.#exchanges.bind(binding)
      for (const [queue, policy] of policies) this.#policies.set(queue, policy)
    }
    if (binding.exchange === FAILED_TOPIC) return this.#order.alone(change)
    return this.#order.beside(`binding ${binding.exchange} ${binding.id}`, change)
  }

  removeBinding(exchange: string, id: string, { records = [] }: WithRecords = {}): Promise<boolean> {
    return this.#order.alone(async () => {
      if (this.#exchanges.get(exchange)?.get(id) === undefined) return false
      await this.#remove(`unbind from exchange '${exchange}'`, this.#exchanges.withoutBinding(exchange, id), records)
      return true
    })
  }

  /** The engine says that something happened to the queue; one that may go by itself may be gone. */
  hinted(queue: string): void {
    if (!this.#lifetimes.has(queue)) return
    void this.#order
      .alone(async () => {
        if (this.#lifetimes.has(queue) && (await this.#engine.measure([queue])).length === 0)
          await this.#unbindGone(queue)
      })
      .catch(() => {
        // The store has stopped; at the next start its orphans are looked for.
      })
  }

  /** The queue went by itself: so do the bindings to it. */
  async #unbindGone(queue: string): Promise<void> {
    this.#forget(queue)
    const removal = this.#exchanges.withoutTarget({ kind: 'queue', name: queue })
    if (removal.bindings.length > 0) await this.#remove(`forget queue '${queue}'`, removal, [])
  }

  #forget(queue: string): void {
    this.#policies.delete(queue)
    this.#lifetimes.delete(queue)
  }

  async #remove(attempted: string, removal: Removal, records: readonly RecordStep[]): Promise<void> {
    const policies = this.#policiesAfter(removal)
    await this.#commit(attempted, [...removalOps(removal), ...policies.map(policyOp(this.#lifetimes))], records)
    this.#removed(removal, policies)
  }

  #removed(removal: Removal, policies: readonly (readonly [string, QueuePolicy])[]): void {
    this.#exchanges.remove(removal)
    for (const [queue, policy] of policies) this.#policies.set(queue, policy)
  }

  /** One unit: the ops, and the records that go with them. Answers the outcomes of the ops; a record that differs is `aborted`. */
  async #commit(attempted: string, ops: readonly Op[], records: readonly RecordStep[] = []): Promise<Outcome[]> {
    const writes = records.map((record): Op => ({ ...record, kind: 'record', required: true }))
    const [outcomes = []] = await this.#engine.commit([{ ops: [...ops, ...writes], catalog: true }])
    const differs = outcomes.findIndex(({ kind }, i) => kind === 'mismatch' && i >= ops.length)
    if (differs >= 0) {
      const record = records[differs - ops.length]
      throw new SpindleError('aborted', `${attempted} (record '${record?.key}' has another version)`)
    }
    return outcomes
  }

  /** Where failed events go, by the bindings of their exchange, those that `removal` takes away left out. */
  #failedTo(removal?: Removal): string[] {
    const gone = new Set(removal?.bindings)
    const bindings = this.#exchanges.get(FAILED_TOPIC)?.bindings() ?? []
    return bindings.filter((binding) => !gone.has(binding)).map(({ target }) => target.name)
  }

  #policiesAfter(removal: Removal, except?: string): (readonly [string, QueuePolicy])[] {
    if (!removal.bindings.some(({ exchange }) => exchange === FAILED_TOPIC)) return []
    return this.#policiesWithFailedEvents(this.#failedTo(removal), except)
  }

  #policiesWithFailedEvents(failedTo: readonly string[], except?: string): (readonly [string, QueuePolicy])[] {
    return [...this.#policies]
      .filter(([queue]) => queue !== except)
      .map(([queue, policy]) => [queue, this.#withFailedEvents(queue, policy, failedTo)] as const)
  }

  /** A queue that receives failed events reports none of its own: its failures would feed themselves. */
  #withFailedEvents(queue: string, policy: QueuePolicy, failedTo: readonly string[] = this.#failedTo()): QueuePolicy {
    return { ...policy, failedEventsTo: failedTo.includes(queue) ? [] : failedTo }
  }
}

function policyOp(lifetimes: ReadonlyMap<string, QueueLifetime>): (entry: readonly [string, QueuePolicy]) => Op {
  return ([queue, policy]) => ({ kind: 'putQueue', queue, policy, lifetime: lifetimes.get(queue) ?? DURABLE })
}

function settingsOp(exchange: string, settings: ExchangeSettings): Op {
  return { kind: 'record', key: EXCHANGE_PREFIX + exchange, value: encodeSettings(settings) }
}

function bindingOp(ordered: OrderedBinding): Op {
  const { exchange, id } = ordered.binding
  return { kind: 'record', key: bindingKey(exchange, id), value: encodeBinding(ordered) }
}

function removalOps({ bindings, exchanges }: Removal): Op[] {
  return [
    ...bindings.map(({ exchange, id }): Op => ({ kind: 'record', key: bindingKey(exchange, id), value: null })),
    ...exchanges.map((exchange): Op => ({ kind: 'record', key: EXCHANGE_PREFIX + exchange, value: null })),
  ]
}

function isSame(known: unknown, wanted: unknown): boolean {
  return known !== undefined && JSON.stringify(known) === JSON.stringify(wanted)
}
