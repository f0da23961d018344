/** The broker: the port over one engine. It composes; each part decides. */
import type {
  BrowsePage,
  BrowseRequest,
  DirectEngine,
  Engine,
  Outcome,
  Settlement,
  StoredRecord,
} from '../engine/engine.ts'
import { SpindleError } from '../model/errors.ts'
import { defaultLimits, type Limits } from '../model/limits.ts'
import type {
  AppendOutcome,
  Delivery,
  ExtendOutcome,
  MessageId,
  MessageView,
  NewMessage,
  Receipt,
  SettleOutcome,
} from '../model/message.ts'
import type { QueuePolicy } from '../model/policy.ts'
import type { Binding, ExchangeSettings } from '../routing/exchange.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { Announcer } from './announcer.ts'
import { Catalog } from './catalog.ts'
import { DeadLetterer } from './dead-letterer.ts'
import { Direct } from './direct.ts'
import { Dispatcher } from './dispatcher.ts'
import type {
  DeclareExchangeOptions,
  DeclareQueueOptions,
  DeleteExchangeOptions,
  DeleteQueueOptions,
  ExchangeView,
  MeasuredQueue,
  Port,
  PublishedMessage,
  QueuedMessage,
  ReceiveRequest,
  RedriveRequest,
  RedriveView,
  SendOptions,
  SettleRequest,
  Step,
  TransactionPort,
  WithRecords,
} from './port.ts'
import { redriveChannel } from './port.ts'
import { type Committing, Publisher } from './publisher.ts'
import { Redeliveries } from './redeliveries.ts'
import { Redrives } from './redrives.ts'
import { RunTimes } from './run-times.ts'
import { Sweeper } from './sweeper.ts'

const NOTHING = new Uint8Array(0)

export class Broker implements Port {
  readonly direct: Direct | undefined
  readonly #engine: Engine
  readonly #limits: Limits
  readonly #announcer: Announcer
  readonly #catalog: Catalog
  readonly #publisher: Publisher
  readonly #dispatcher: Dispatcher
  readonly #runTimes: RunTimes
  readonly #redeliveries = new Redeliveries()
  readonly #sweeper: Sweeper
  readonly #deadLetterer: DeadLetterer
  readonly #redrives: Redrives
  #closing: Promise<void> | undefined

  /** The engine must not be open yet: `start` opens it. */
  constructor(parts: { engine: Engine; clock: Clock; log: Log; limits?: Limits }) {
    const { engine, clock, log, limits = defaultLimits } = parts
    this.#engine = engine
    this.#limits = limits
    this.#announcer = new Announcer(engine.shared)
    this.#catalog = new Catalog(engine)
    this.#runTimes = new RunTimes(clock)
    this.#publisher = new Publisher({
      engine,
      catalog: this.#catalog,
      limits,
      sending: (queue, { delayMs, ttlMs }) => this.#expect(queue, delayMs, ttlMs),
    })
    this.#dispatcher = new Dispatcher({
      engine,
      clock,
      limits,
      shareable: (queue) => {
        const kind = this.#catalog.policy(queue)?.groups.kind
        return kind === 'none' || kind === 'fair'
      },
      delivered: (deliveries, request) => this.#delivered(deliveries, request),
    })
    this.#sweeper = new Sweeper({
      engine,
      clock,
      failed: (fault) => log.error('the store stopped: time-driven changes end here', { fault }),
    })
    const shared = { engine, catalog: this.#catalog, clock, log }
    this.#deadLetterer = new DeadLetterer({
      ...shared,
      moved: (id, appends) => {
        for (const { queue, message } of appends) this.#expect(queue, message.delayMs, message.ttlMs)
        this.#announcer.announceMessage(id)
      },
    })
    this.#redrives = new Redrives({
      ...shared,
      changed: ({ id }) => this.#announcer.announce(redriveChannel(id), NOTHING),
      moved: (id, queue, message) => {
        this.#expect(queue, message.delayMs, message.ttlMs)
        this.#announcer.announceMessage(id)
      },
    })
    this.direct = engine.direct && this.#direct(engine.direct)
  }

  #direct(engine: DirectEngine): Direct {
    return new Direct({
      engine,
      admit: (message, queue) => {
        this.#expect(queue, message.delayMs, message.ttlMs)
        return this.#publisher.admit(message, queue)
      },
      check: (request) => this.#check(request),
      delivered: (deliveries, request) => this.#delivered(deliveries, request),
      settled: (delivery, how) => {
        if (this.#runTimes.mayTime(delivery.sequence)) this.#runTimes.settled(delivery.receipt)
        this.#expectSettled(how)
        if (this.#announcer.hearsMessages) this.#announcer.announceMessage(delivery.id)
      },
    })
  }

  async start(): Promise<void> {
    await this.#engine.open()
    await this.#catalog.load()
    this.#engine.watch((queue) => {
      this.#catalog.hinted(queue)
      this.#deadLetterer.hinted(queue)
    })
    this.#announcer.start()
    this.#dispatcher.start()
    this.#sweeper.start()
    this.#deadLetterer.start()
    await this.#redrives.start()
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop()
    return this.#closing
  }

  async #stop(): Promise<void> {
    this.#sweeper.stop()
    this.#dispatcher.close()
    await Promise.all([this.#deadLetterer.stop(), this.#redrives.stop()])
    await this.#engine.close()
  }

  async declareQueue(queue: string, policy: Partial<QueuePolicy>, options?: DeclareQueueOptions): Promise<QueuePolicy> {
    const inForce = await this.#catalog.declareQueue(queue, policy, options)
    // What it held as dead so far may have somewhere to go now.
    this.#deadLetterer.hinted(queue)
    return inForce
  }

  deleteQueue(queue: string, options?: DeleteQueueOptions): Promise<boolean> {
    this.#runTimes.forget(queue)
    this.#redeliveries.forget(queue)
    return this.#catalog.deleteQueue(queue, options)
  }

  declareExchange(
    exchange: string,
    settings: Partial<ExchangeSettings>,
    options?: DeclareExchangeOptions,
  ): Promise<ExchangeSettings> {
    return this.#catalog.declareExchange(exchange, settings, options)
  }

  deleteExchange(exchange: string, options?: DeleteExchangeOptions): Promise<boolean> {
    return this.#catalog.deleteExchange(exchange, options)
  }

  putBinding(binding: Binding, options?: WithRecords): Promise<void> {
    return this.#catalog.putBinding(binding, options)
  }

  removeBinding(exchange: string, id: string, options?: WithRecords): Promise<boolean> {
    return this.#catalog.removeBinding(exchange, id, options)
  }

  async listExchanges(exchanges?: readonly string[]): Promise<ExchangeView[]> {
    return this.#catalog.exchanges(exchanges)
  }

  append(queue: string, messages: readonly NewMessage[], options?: SendOptions): Promise<AppendOutcome[]> {
    return faultsAsRejections(() => {
      for (const { delayMs, ttlMs } of messages) this.#expect(queue, delayMs, ttlMs)
      return this.#publisher.append(queue, messages, options)
    })
  }

  publish(exchange: string, messages: readonly PublishedMessage[], options?: SendOptions): Promise<AppendOutcome[][]> {
    return faultsAsRejections(() => this.#publisher.publish(exchange, messages, options))
  }

  async match(exchange: string, messages: readonly PublishedMessage[]): Promise<Binding[][]> {
    return this.#publisher.match(exchange, messages)
  }

  deliver(units: readonly (readonly QueuedMessage[])[], options?: SendOptions): Promise<AppendOutcome[][]> {
    return faultsAsRejections(() => this.#publisher.deliver(units, options))
  }

  receive(request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]> {
    return faultsAsRejections(() => {
      this.#check(request)
      return this.#dispatcher.receive(request, signal)
    })
  }

  #check({ queue, max, waitMs = 0 }: ReceiveRequest): void {
    const { receiveMax } = this.#limits
    if (!Number.isInteger(max) || max < 1 || max > receiveMax) {
      throw invalid(queue, `max is ${max} but must be 1 to ${receiveMax}`)
    }
    if (!(waitMs >= 0)) throw invalid(queue, `waitMs is ${waitMs} but must be 0 or more`)
  }

  within(transaction: unknown): TransactionPort {
    const engine: Committing = { commit: (units) => this.#engine.commit(units, { within: transaction }) }
    const sending = (queue: string, { delayMs, ttlMs }: NewMessage): void => this.#expect(queue, delayMs, ttlMs)
    const publisher = new Publisher({ engine, catalog: this.#catalog, limits: this.#limits, sending })
    return {
      append: (queue, messages) => publisher.append(queue, messages),
      publish: (exchange, messages) => publisher.publish(exchange, messages),
      transact: (steps) => publisher.transact(steps),
      settle: async (settlements) => {
        const ops = settlements.map(({ receipt, how }) => ({ kind: 'settle', receipt, how }) as const)
        const [outcomes = []] = await engine.commit([{ ops }])
        return outcomes.map(settleOutcome)
      },
    }
  }

  settle(settlements: readonly SettleRequest[]): Promise<SettleOutcome[]> {
    return faultsAsRejections(() => {
      for (const settlement of settlements) this.#settling(settlement)
      // One unit: none of them is required, so each keeps its own outcome, and all of them are one record.
      const ops = settlements.map(({ receipt, how }) => ({ kind: 'settle', receipt, how }) as const)
      return this.#engine.commit([{ ops }]).then(([outcomes = []]) => {
        for (const settlement of settlements) this.#settled(settlement)
        return outcomes.map(settleOutcome)
      })
    })
  }

  extend(receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]> {
    this.#sweeper.expect(leaseMs)
    return this.#engine.extend(receipts, leaseMs)
  }

  renewHolder(holder: string, ttlMs: number): Promise<void> {
    this.#sweeper.expect(ttlMs)
    return this.#engine.renewHolder(holder, ttlMs)
  }

  releaseHolder(holder: string, options?: { readonly spend?: boolean }): Promise<void> {
    return this.#engine.releaseHolder(holder, options)
  }

  transact(steps: readonly Step[], options?: { readonly relaxed?: boolean }): Promise<Outcome[]> {
    const settlements = steps.filter((step) => step.kind === 'settle')
    return faultsAsRejections(() => {
      for (const settlement of settlements) this.#settling(settlement)
      return this.#publisher.transact(steps, options).then((outcomes) => {
        for (const settlement of settlements) this.#settled(settlement)
        return outcomes
      })
    })
  }

  startRedrive(request: RedriveRequest): Promise<RedriveView> {
    return this.#redrives.begin(request)
  }

  async listRedrives(source?: string): Promise<RedriveView[]> {
    return this.#redrives.list(source)
  }

  cancelRedrive(id: string): Promise<RedriveView | undefined> {
    return this.#redrives.cancel(id)
  }

  find(id: MessageId): Promise<MessageView | undefined> {
    return this.#engine.find(id)
  }

  browse(request: BrowseRequest): Promise<BrowsePage> {
    return this.#engine.browse(request)
  }

  async measure(queues?: readonly string[]): Promise<MeasuredQueue[]> {
    const measures = await this.#engine.measure(queues)
    // Added to the engine's own answer: with ten thousand queues a copy of each would be what a look costs.
    return measures.map((measure) => {
      const { queue } = measure
      return Object.assign(measure, {
        runP99Ms: this.#runTimes.p99Ms(queue),
        redelivered: this.#redeliveries.of(queue),
      })
    })
  }

  async purge(queue: string): Promise<number> {
    const [[outcome] = []] = await this.#engine.commit([{ ops: [{ kind: 'purge', queue }] }])
    return outcome?.kind === 'purged' ? outcome.count : 0
  }

  read(key: string): Promise<StoredRecord | undefined> {
    return this.#engine.read(key)
  }

  scan(prefix: string, options: { readonly after?: string; readonly limit: number }): Promise<StoredRecord[]> {
    return this.#engine.scan(prefix, options)
  }

  announce(channel: string, data: Uint8Array): void {
    this.#announcer.announce(channel, data)
  }

  listen(channel: string, heard: (data: Uint8Array) => void): () => void {
    return this.#announcer.listen(channel, heard)
  }

  #delivered(deliveries: Delivery[], request: ReceiveRequest): void {
    if (deliveries.length === 0) return
    const { lease } = request
    const policy = this.#catalog.policy(request.queue)
    if (policy !== undefined) this.#expectToken(policy)
    if (lease?.kind !== 'holder') {
      this.#sweeper.expect(lease?.leaseMs ?? policy?.leaseMs ?? 0)
    }
    this.#runTimes.delivered(deliveries)
    this.#redeliveries.delivered(deliveries)
    if (this.#announcer.hearsMessages) for (const { id } of deliveries) this.#announcer.announceMessage(id)
  }

  /** Waiting receives are to hear of the next token, not of the next wake-up that happens to come. */
  #expectToken({ rate, groups }: QueuePolicy): void {
    if (rate !== null) this.#sweeper.expect(rate.perMs / rate.tokens)
    const ofGroups = groups.kind === 'fair' || groups.kind === 'ordered' ? groups.rate : undefined
    if (ofGroups !== undefined && ofGroups !== null) this.#sweeper.expect(ofGroups.perMs / ofGroups.tokens)
  }

  #settling({ receipt, how }: SettleRequest): void {
    this.#runTimes.settled(receipt)
    this.#expectSettled(how)
  }

  #expectSettled(how: Settlement): void {
    if (how.kind === 'release' && how.delayMs !== undefined) this.#sweeper.expect(how.delayMs)
    else if (how.kind === 'ack' && how.retainMs !== undefined) this.#sweeper.expect(how.retainMs)
  }

  #settled({ id }: SettleRequest): void {
    if (id !== undefined) this.#announcer.announceMessage(id)
  }

  /** Wakes the sweeper in time for what this append will need. */
  #expect(queue: string, delayMs: number | undefined, ttlMs: number | undefined): void {
    const policy = this.#catalog.policy(queue)
    const delay = delayMs ?? policy?.delayMs ?? 0
    const ttl = ttlMs ?? policy?.ttlMs ?? null
    if (delay > 0) this.#sweeper.expect(delay)
    if (ttl !== null) this.#sweeper.expect(ttl)
  }
}

function settleOutcome(outcome: Outcome): SettleOutcome {
  if (outcome.kind === 'settled' || outcome.kind === 'stale') return outcome
  throw new Error(`the engine answered a settle with '${outcome.kind}'`)
}

function invalid(queue: string, why: string): SpindleError {
  return new SpindleError('invalid-argument', `receive from '${queue}': ${why}`)
}

/** A check that throws before anything was asked of the engine reaches the caller as a rejection, like every other fault. */
function faultsAsRejections<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (fault) {
    return Promise.reject(fault)
  }
}
