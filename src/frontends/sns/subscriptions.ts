/**
 * Subscriptions: a record each, which is the truth of it, and while it is confirmed a binding of the topic, which routes.
 *
 *   sqs                      binding to the queue itself. When that queue is deleted, its bindings go with it: the record stays, and at
 *                            the next publish the binding is put anew, to the queue if it is back, else to the dead-letter queue
 *   http, email, sms, …      binding to a queue of the subscription's own, from which the courier delivers
 */
import type { Binding, Port, RecordStep } from '../../broker/port.ts'
import { isFault } from '../../model/errors.ts'
import { type Address, type HomeRealm, readQueueArn, type SubscriptionAddress, storeName } from './arns.ts'
import { type Texts, texts } from './params.ts'
import { decodeRecord, encodeRecord, RECORD_PREFIX } from './record-codec.ts'
import { filterOf, isRaw, redriveQueueOf } from './subscription-attributes.ts'

export interface Subscription {
  readonly id: string
  /** The topic's. */
  readonly topic: Address
  readonly exchange: string
  readonly protocol: string
  readonly endpoint: string
  /** Account. */
  readonly owner: string
  /** Of a pending one: what confirms it. */
  readonly token: string | undefined
  readonly state: 'pending' | 'confirmed'
  readonly createdAtMs: number
  readonly attributes: Texts
  /** `http://HOST:PORT` by which its subscriber knows this server. */
  readonly baseUrl: string
  readonly authenticateOnUnsubscribe: boolean
  /** In the links of its envelopes: who has it may unsubscribe without a key. '' when `authenticateOnUnsubscribe`. */
  readonly unsubscribeToken: string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const PREFIX = `${RECORD_PREFIX}subscription/`
/** What was heard on it: the exchange whose subscriptions changed. */
const CHANNEL = 'spindle/sns/subscriptions'
const PAGE = 500
/** Topics whose subscriptions are kept in memory. */
const TOPICS_MAX = 10_000
/** Of a message that nobody came for: as long as SQS keeps one. */
const DELIVERY_TTL_MS = 14 * 86_400_000
const DELIVERY_LEASE_MS = 60_000
const DELIVERY_PREFIX = 'spindle.sns/'

export class Subscriptions {
  readonly #port: Port
  readonly #home: HomeRealm
  #byExchange = new Map<string, Promise<Map<string, Subscription>>>()
  readonly #unlisten: () => void
  /** Told of each change, here or in another process: subscriptions that the courier should serve, or no longer. */
  onChange: (exchange: string) => void = () => {}

  constructor({ port, home }: { readonly port: Port; readonly home: HomeRealm }) {
    this.#port = port
    this.#home = home
    this.#unlisten = port.listen(CHANNEL, (data) => {
      const exchange = Buffer.from(data).toString('utf8')
      this.#byExchange.delete(exchange)
      this.onChange(exchange)
    })
  }

  close(): void {
    this.#unlisten()
  }

  /** By id, in the order of ids. */
  of(exchange: string): Promise<ReadonlyMap<string, Subscription>> {
    let known = this.#byExchange.get(exchange)
    if (known === undefined) {
      if (this.#byExchange.size >= TOPICS_MAX) this.#byExchange.clear()
      known = this.#load(exchange)
      this.#byExchange.set(exchange, known)
      known.catch(() => this.#byExchange.delete(exchange))
    }
    return known
  }

  /** As `of`; read anew when a binding is a subscription's that is not known here, since another process made it a moment ago. */
  bound(exchange: string, bindings: readonly Binding[]): Promise<ReadonlyMap<string, Subscription>> {
    return this.of(exchange).then((known) => {
      if (!bindings.some(({ id }) => UUID.test(id) && !known.has(id))) return known
      this.#byExchange.delete(exchange)
      return this.of(exchange)
    })
  }

  async find({ topic, id }: SubscriptionAddress): Promise<Subscription | undefined> {
    return (await this.of(storeName(topic, this.#home))).get(id)
  }

  /** A page of all topics, in the order of their records; `after`: the key of the last one. */
  async page(options: {
    readonly after?: string
    readonly limit: number
  }): Promise<(readonly [string, Subscription])[]> {
    const records = await this.#port.scan(PREFIX, options)
    return records.map(({ key, value }) => [key, decoded(value)] as const)
  }

  /** Creates or replaces it: record, queue of its own, binding. */
  async put(subscription: Subscription): Promise<void> {
    const record = { key: keyOf(subscription), value: encodeRecord(subscription) }
    const queue = deliveryQueue(subscription)
    if (queue !== undefined) {
      await this.#port.declareQueue(queue, {
        attemptsMax: null,
        leaseMs: DELIVERY_LEASE_MS,
        ttlMs: DELIVERY_TTL_MS,
        onDeath: { kind: 'discard' },
      })
    }
    if (subscription.state === 'pending' || !(await this.#bind(subscription, [record]))) {
      await this.#port.transact([{ kind: 'record', ...record }])
    }
    this.#changed(subscription.exchange)
  }

  async remove(subscription: Subscription): Promise<void> {
    const { exchange, id } = subscription
    const record = { key: keyOf(subscription), value: null }
    if (!(await this.#port.removeBinding(exchange, id, { records: [record] }))) {
      await this.#port.transact([{ kind: 'record', ...record }])
    }
    await this.#dropQueue(subscription)
    this.#changed(exchange)
  }

  /** The records to remove with their topic; call `forgot` once they are. */
  async recordsOf(exchange: string): Promise<RecordStep[]> {
    return [...(await this.#load(exchange)).values()].map((each) => ({ key: keyOf(each), value: null }))
  }

  async forgot(exchange: string, gone: Iterable<Subscription>): Promise<void> {
    for (const subscription of gone) await this.#dropQueue(subscription)
    this.#changed(exchange)
  }

  /**
   * Puts the bindings that should be there and are not, and leads back those that went to a dead-letter queue while their queue
   * was gone. Cheap when nothing is amiss.
   */
  async mend(bindings: readonly Binding[], subscriptions: ReadonlyMap<string, Subscription>): Promise<void> {
    let right = 0
    for (const { id, target } of bindings) {
      const subscription = subscriptions.get(id)
      if (subscription !== undefined && target.name === this.targetOf(subscription)) right++
    }
    if (right === subscriptions.size) return
    const present = new Map(bindings.map((binding) => [binding.id, binding]))
    for (const subscription of subscriptions.values()) {
      if (subscription.state === 'pending') continue
      const target = present.get(subscription.id)?.target.name
      if (target === this.targetOf(subscription)) continue
      // What is known here may be gone a moment ago: a binding without its record would never go.
      if ((await this.#port.read(keyOf(subscription))) !== undefined) await this.#bind(subscription, [])
      else this.#byExchange.delete(subscription.exchange)
    }
  }

  /** The queue that its messages go to. */
  targetOf(subscription: Subscription): string {
    const address = subscription.protocol === 'sqs' ? readQueueArn(subscription.endpoint) : undefined
    return address === undefined ? (deliveryQueue(subscription) as string) : storeName(address, this.#home)
  }

  /** To its queue; else, when it is gone, to its dead-letter queue. false: neither is there. */
  async #bind(subscription: Subscription, records: readonly RecordStep[]): Promise<boolean> {
    const { exchange, id, attributes } = subscription
    const filter = filterOf(attributes)
    const deadLetters = redriveQueueOf(attributes)
    const targets = [this.targetOf(subscription), ...(deadLetters ? [storeName(deadLetters, this.#home)] : [])]
    for (const name of targets) {
      const target = { kind: 'queue', name } as const
      const binding: Binding = { exchange, id, target, key: '', ...(filter === undefined ? {} : { filter }) }
      try {
        await this.#port.putBinding(binding, { records })
        return true
      } catch (fault) {
        if (!isFault(fault, 'no-such-queue')) throw fault
      }
    }
    await this.#port.removeBinding(exchange, id)
    return false
  }

  async #load(exchange: string): Promise<Map<string, Subscription>> {
    const prefix = `${PREFIX}${exchange}/`
    const found = new Map<string, Subscription>()
    let after: string | undefined
    for (;;) {
      const page = await this.#port.scan(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const { value } of page) {
        const subscription = decoded(value)
        found.set(subscription.id, subscription)
      }
      after = page.at(-1)?.key
      if (page.length < PAGE) return found
    }
  }

  async #dropQueue(subscription: Subscription): Promise<void> {
    const queue = deliveryQueue(subscription)
    if (queue !== undefined) await this.#port.deleteQueue(queue)
  }

  #changed(exchange: string): void {
    this.#byExchange.delete(exchange)
    this.#port.announce(CHANNEL, Buffer.from(exchange, 'utf8'))
    this.onChange(exchange)
  }
}

/** People read these, not programs. */
const PLAIN_PROTOCOLS = new Set(['application', 'email', 'sms'])

/** It gets the message alone, without an envelope. */
export function isPlain({ protocol, attributes }: Pick<Subscription, 'protocol' | 'attributes'>): boolean {
  return isRaw(attributes) || PLAIN_PROTOCOLS.has(protocol)
}

/** Of a subscription that the courier serves; undefined: SQS needs none. */
export function deliveryQueue({ protocol, id }: Subscription): string | undefined {
  return protocol === 'sqs' ? undefined : `${DELIVERY_PREFIX}${id}`
}

function keyOf({ exchange, id }: Subscription): string {
  return `${PREFIX}${exchange}/${id}`
}

function decoded(value: Uint8Array): Subscription {
  const stored = decodeRecord<Subscription>(value)
  return { ...stored, token: stored.token, attributes: texts(Object.entries(stored.attributes)) }
}
