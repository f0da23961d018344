/**
 * A store's port as one user may use it: what no grant allows rejects with `access-denied`, and what lists is cut down to
 * what may be seen. The verbs are those of the admin API; docs/concepts/remote.md has them in a table.
 *
 * Receipts leave sealed to their queue and are unsealed when they come back, so that none can be made up: what a store
 * gives are numbers that count.
 */
import type {
  BrowsePage,
  DeclareQueueOptions,
  ExchangeView,
  MeasuredQueue,
  Outcome,
  Port,
  PublishedMessage,
  QueuedMessage,
  ReceiveRequest,
  RecordStep,
  RedriveView,
  SettleRequest,
  SimpleStep,
  Step,
  StoredRecord,
} from '../../broker/port.ts'
import type { AccessVerb, Identity } from '../../model/access.ts'
import { SpindleError } from '../../model/errors.ts'
import type { AppendOutcome, Delivery, ExtendOutcome, MessageView, NewMessage, Receipt } from '../../model/message.ts'
import type { QueuePolicy } from '../../model/policy.ts'
import { announcementResource, channelResource, type Resource, recordResource } from './resources.ts'
import type { SealedReceipts } from './sealed-receipts.ts'

const STALE = { kind: 'stale' } as const
const NO_BODY = new Uint8Array(0)

export interface GuardedParts {
  readonly port: Port
  /** Who asks, as they stand now: grants change while a connection lasts. */
  readonly identity: () => Identity
  /** The holders that this one may name: this, and what begins with it and a slash. */
  readonly holder: string
  readonly receipts: SealedReceipts
  /** What was done that the audit log keeps: what changes queues and exchanges, not what moves messages. */
  readonly done: (act: string) => void
}

export class GuardedPort implements Port {
  readonly #parts: GuardedParts
  readonly #port: Port

  constructor(parts: GuardedParts) {
    this.#parts = parts
    this.#port = parts.port
  }

  async declareQueue(
    queue: string,
    policy: Partial<QueuePolicy>,
    options: DeclareQueueOptions = {},
  ): Promise<QueuePolicy> {
    const asItIs = await this.#queueAsItIs(queue, policy, options)
    if (asItIs !== undefined) return asItIs
    this.#need('configure', queue)
    // What dies here is written there.
    if (policy.onDeath?.kind === 'deadLetter') this.#need('write', policy.onDeath.queue)
    if (policy.onDeath?.kind === 'exchange') this.#need('write', policy.onDeath.exchange)
    for (const to of policy.failedEventsTo ?? []) this.#need('write', to)
    if (options.lifetime?.kind === 'holder') this.#needHolder(options.lifetime.holder)
    await this.#needRecords(options.records)
    return this.#done(`declareQueue ${queue}`, this.#port.declareQueue(queue, policy, options))
  }

  async deleteQueue(queue: string, options?: Parameters<Port['deleteQueue']>[1]): Promise<boolean> {
    this.#need('configure', queue)
    await this.#needRecords(options?.records)
    return this.#done(`deleteQueue ${queue}`, this.#port.deleteQueue(queue, options))
  }

  async declareExchange(...args: Parameters<Port['declareExchange']>): ReturnType<Port['declareExchange']> {
    const [exchange, settings, options] = args
    const asItIs = await this.#exchangeAsItIs(...args)
    if (asItIs !== undefined) return asItIs
    this.#need('configure', exchange)
    if (typeof settings.alternate === 'string') this.#need('write', settings.alternate)
    await this.#needRecords(options?.records)
    return this.#done(`declareExchange ${exchange}`, this.#port.declareExchange(exchange, settings, options))
  }

  async deleteExchange(exchange: string, options?: Parameters<Port['deleteExchange']>[1]): Promise<boolean> {
    this.#need('configure', exchange)
    await this.#needRecords(options?.records)
    return this.#done(`deleteExchange ${exchange}`, this.#port.deleteExchange(exchange, options))
  }

  async putBinding(...[binding, options]: Parameters<Port['putBinding']>): Promise<void> {
    this.#need('configure', binding.exchange)
    this.#need('write', binding.target.name)
    await this.#needRecords(options?.records)
    return this.#done(`putBinding ${binding.exchange}`, this.#port.putBinding(binding, options))
  }

  async removeBinding(...[exchange, id, options]: Parameters<Port['removeBinding']>): Promise<boolean> {
    this.#need('configure', exchange)
    await this.#needRecords(options?.records)
    return this.#done(`removeBinding ${exchange}`, this.#port.removeBinding(exchange, id, options))
  }

  async listExchanges(exchanges?: readonly string[]): Promise<ExchangeView[]> {
    return (await this.#port.listExchanges(exchanges)).filter(({ exchange }) => this.#may('read', exchange))
  }

  async append(queue: string, messages: readonly NewMessage[]): Promise<AppendOutcome[]> {
    this.#need('write', queue)
    return this.#port.append(queue, messages)
  }

  async publish(exchange: string, messages: readonly PublishedMessage[]): Promise<AppendOutcome[][]> {
    this.#need('write', exchange)
    return this.#port.publish(exchange, messages)
  }

  async match(...[exchange, messages]: Parameters<Port['match']>): ReturnType<Port['match']> {
    this.#need('read', exchange)
    return this.#port.match(exchange, messages)
  }

  async deliver(units: readonly (readonly QueuedMessage[])[]): Promise<AppendOutcome[][]> {
    for (const unit of units) for (const { queue } of unit) this.#need('write', queue)
    return this.#port.deliver(units)
  }

  async receive(request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]> {
    this.#need('read', request.queue)
    if (request.lease?.holder !== undefined) this.#needHolder(request.lease.holder)
    const deliveries = await this.#port.receive(request, signal)
    const { receipts } = this.#parts
    return deliveries.map((delivery) => ({ ...delivery, receipt: receipts.seal(request.queue, delivery.receipt) }))
  }

  async settle(settlements: readonly SettleRequest[]): ReturnType<Port['settle']> {
    const opened = settlements.map((settlement) => this.#unsealed(settlement))
    const known = opened.filter((settlement) => settlement !== undefined)
    const outcomes = (known.length === 0 ? [] : await this.#port.settle(known)).values()
    return opened.map((settlement) => (settlement === undefined ? STALE : (outcomes.next().value ?? STALE)))
  }

  async extend(receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]> {
    const opened = receipts.map((receipt) => this.#unseal(receipt))
    const known = opened.filter((receipt) => receipt !== undefined)
    const outcomes = (known.length === 0 ? [] : await this.#port.extend(known, leaseMs)).values()
    return opened.map((receipt) => (receipt === undefined ? STALE : (outcomes.next().value ?? STALE)))
  }

  async transact(steps: readonly Step[], options?: { readonly relaxed?: boolean }): Promise<Outcome[]> {
    const allowed: Step[] = []
    for (const step of steps) {
      if (step.kind !== 'count') {
        allowed.push(await this.#allowedStep(step))
        continue
      }
      await this.#needRecord({ key: step.key, value: NO_BODY })
      const whenReached: SimpleStep[] = []
      for (const then of step.whenReached) whenReached.push(await this.#allowedStep(then))
      allowed.push({ ...step, whenReached })
    }
    return this.#port.transact(allowed, options)
  }

  async renewHolder(holder: string, ttlMs: number): Promise<void> {
    this.#needHolder(holder)
    return this.#port.renewHolder(holder, ttlMs)
  }

  async releaseHolder(holder: string, options?: { readonly spend?: boolean }): Promise<void> {
    this.#needHolder(holder)
    return this.#port.releaseHolder(holder, options)
  }

  /** Whoever may not watch the queue is not told that the message exists; who may only watch does not see its body. */
  async find(...[id]: Parameters<Port['find']>): Promise<MessageView | undefined> {
    const view = await this.#port.find(id)
    if (view === undefined || !this.#may('watch', view.queue)) return undefined
    return this.#may('read', view.queue) ? view : { ...view, content: { ...view.content, body: NO_BODY } }
  }

  async browse(...[request]: Parameters<Port['browse']>): Promise<BrowsePage> {
    this.#need('read', request.queue)
    return this.#port.browse(request)
  }

  async measure(queues?: readonly string[]): Promise<MeasuredQueue[]> {
    return (await this.#port.measure(queues)).filter(({ queue }) => this.#may('watch', queue))
  }

  async purge(queue: string): Promise<number> {
    this.#need('configure', queue)
    return this.#done(`purge ${queue}`, this.#port.purge(queue))
  }

  async startRedrive(...[request]: Parameters<Port['startRedrive']>): Promise<RedriveView> {
    const { source, target, from } = request
    this.#need('read', source)
    // Without a target the messages go wherever they came from.
    if (target !== undefined) this.#need('write', target)
    else if (from !== 'dead' || !this.#may('write', source)) this.#need('admin', source)
    return this.#done(`startRedrive ${source}`, this.#port.startRedrive(request))
  }

  async listRedrives(source?: string): Promise<RedriveView[]> {
    return (await this.#port.listRedrives(source)).filter((redrive) => this.#may('read', redrive.source))
  }

  async cancelRedrive(id: string): Promise<RedriveView | undefined> {
    const known = (await this.#port.listRedrives()).find((redrive) => redrive.id === id)
    if (known === undefined) return undefined
    this.#need('read', known.source)
    return this.#done(`cancelRedrive ${known.source}`, this.#port.cancelRedrive(id))
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    if (!(await this.#mayRead(recordResource(key)))) throw this.#denied('read', `record:${key}`)
    return this.#port.read(key)
  }

  /** Full pages of what may be read, as callers take a short one for the last. */
  async scan(...[prefix, { after, limit }]: Parameters<Port['scan']>): Promise<StoredRecord[]> {
    const found: StoredRecord[] = []
    let from = after
    for (;;) {
      const page = await this.#port.scan(prefix, { limit, ...(from === undefined ? {} : { after: from }) })
      for (const record of page) {
        if (await this.#mayRead(recordResource(record.key))) found.push(record)
        if (found.length === limit) return found
      }
      from = page.at(-1)?.key
      if (page.length < limit) return found
    }
  }

  announce(channel: string, data: Uint8Array): void {
    const resource = announcementResource(channel, data)
    const say = (): void => this.#port.announce(channel, data)
    if (resource === undefined) say()
    else this.#when(this.#mayWrite(resource, false), say)
  }

  /** What may not be heard is never said to it. */
  listen(channel: string, heard: (data: Uint8Array) => void): () => void {
    let end = (): void => {}
    let ended = false
    this.#when(this.#mayRead(channelResource(channel)), () => {
      if (!ended) end = this.#port.listen(channel, heard)
    })
    return () => {
      ended = true
      end()
    }
  }

  /** The store is not theirs to close. */
  close(): Promise<void> {
    return Promise.resolve()
  }

  /** A queue that is there just so may be declared by whoever uses it, and is no news: programs declare what they need when they start. */
  async #queueAsItIs(
    queue: string,
    policy: Partial<QueuePolicy>,
    { records = [], expect, lifetime }: DeclareQueueOptions,
  ): Promise<QueuePolicy | undefined> {
    const plain = records.length === 0 && expect === undefined && lifetime === undefined
    if (!plain || !this.#uses(queue)) return undefined
    const inForce = (await this.#port.measure([queue]))[0]?.policy
    return inForce !== undefined && says(inForce, policy) ? inForce : undefined
  }

  async #exchangeAsItIs(
    ...[exchange, settings, options = {}]: Parameters<Port['declareExchange']>
  ): Promise<ExchangeView['settings'] | undefined> {
    const plain = (options.records ?? []).length === 0 && options.expect === undefined
    if (!plain || !this.#uses(exchange)) return undefined
    const inForce = (await this.#port.listExchanges([exchange]))[0]?.settings
    return inForce !== undefined && says(inForce, settings) ? inForce : undefined
  }

  async #allowedStep(step: SimpleStep): Promise<SimpleStep> {
    switch (step.kind) {
      case 'append':
        this.#need('write', step.queue)
        return step
      case 'publish':
        this.#need('write', step.exchange)
        return step
      case 'settle': {
        const opened = this.#unsealed(step)
        if (opened === undefined) throw new SpindleError('aborted', 'settle a receipt that is none')
        return { ...opened, kind: 'settle' }
      }
      case 'record':
        await this.#needRecord(step)
        return step
      default:
        return step satisfies never
    }
  }

  #unsealed(settlement: SettleRequest): SettleRequest | undefined {
    const receipt = this.#unseal(settlement.receipt)
    return receipt && { ...settlement, receipt }
  }

  /** undefined: not one that was given out. */
  #unseal(sealed: Receipt): Receipt | undefined {
    const opened = this.#parts.receipts.open(sealed)
    if (opened === undefined) return undefined
    this.#need('read', opened.queue)
    return opened.receipt
  }

  #needHolder(holder: string): void {
    const own = this.#parts.holder
    if (holder !== own && !holder.startsWith(`${own}/`)) throw this.#denied('admin', `holder:${holder}`)
  }

  async #needRecords(records: readonly RecordStep[] = []): Promise<void> {
    for (const record of records) await this.#needRecord(record)
  }

  async #needRecord({ key, value }: RecordStep): Promise<void> {
    if (!(await this.#mayWrite(recordResource(key), value === null))) throw this.#denied('write', `record:${key}`)
  }

  async #mayRead(resource: Resource): Promise<boolean> {
    switch (resource.kind) {
      case 'message': {
        const queue = (await this.#port.find(resource.id))?.queue
        return queue !== undefined && this.#may('watch', queue)
      }
      case 'queue':
        return this.#may('read', resource.queue)
      case 'shared':
        return true
      case 'named':
        return this.#may('read', resource.resource)
      case 'operator':
        return this.#may('admin', resource.resource)
      default:
        return resource satisfies never
    }
  }

  /** `removing`: what belonged to a message that is gone is nobody's, and may be tidied away. */
  async #mayWrite(resource: Resource, removing: boolean): Promise<boolean> {
    switch (resource.kind) {
      case 'message': {
        const queue = (await this.#port.find(resource.id))?.queue
        return queue === undefined ? removing : this.#may('read', queue)
      }
      case 'queue':
        return this.#may('read', resource.queue)
      case 'shared':
      case 'named':
        return this.#may('write', resource.resource)
      case 'operator':
        return this.#may('admin', resource.resource)
      default:
        return resource satisfies never
    }
  }

  #when(allowed: Promise<boolean>, then: () => void): void {
    allowed.then(
      (may) => {
        if (may) then()
      },
      // A store that cannot be asked has nothing to announce either.
      () => {},
    )
  }

  #may(verb: AccessVerb, resource: string): boolean {
    return this.#parts.identity().may(verb, resource)
  }

  #uses(resource: string): boolean {
    return this.#may('read', resource) || this.#may('write', resource) || this.#may('configure', resource)
  }

  #need(verb: AccessVerb, resource: string): void {
    if (!this.#may(verb, resource)) throw this.#denied(verb, resource)
  }

  #denied(verb: AccessVerb, resource: string): SpindleError {
    return new SpindleError('access-denied', `${verb} '${resource}' as '${this.#parts.identity().name}'`)
  }

  async #done<T>(act: string, doing: Promise<T>): Promise<T> {
    const answer = await doing
    this.#parts.done(act)
    return answer
  }
}

/** Does it say already what these fields say? */
function says(inForce: object, wanted: object): boolean {
  const now = inForce as Readonly<Record<string, unknown>>
  return Object.entries(wanted).every(([field, value]) => JSON.stringify(now[field]) === JSON.stringify(value))
}
