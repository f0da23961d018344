/**
 * Delivers to everything but SQS: one loop a subscription, each over a queue of its own, so that an endpoint that is slow or down holds up
 * nobody else, and a restart loses nothing. It follows the subscriptions as they come and go.
 */
import type { Port } from '../../../broker/port.ts'
import { utf8Text } from '../../../model/bytes.ts'
import { decodeHead } from '../../../model/content.ts'
import type { Delivery } from '../../../model/message.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Log } from '../../../runtime/log.ts'
import type { Outbound } from '../../../runtime/outbound-http.ts'
import type { Random } from '../../../runtime/random.ts'
import { type HomeRealm, storeName, subscriptionArn, topicArn } from '../arns.ts'
import { type DeliveryPolicy, defaultRetryPolicy, readDeliveryPolicy } from '../delivery-policy.ts'
import { type EnvelopeAttribute, signHandshake, signNotification } from '../envelope.ts'
import { uuid } from '../ids.ts'
import { CONFIRMATION_MS_MAX } from '../limits.ts'
import type { Signer } from '../signer.ts'
import { redriveQueueOf } from '../subscription-attributes.ts'
import { deliveryQueue, isPlain, type Subscription, type Subscriptions } from '../subscriptions.ts'
import type { Topics } from '../topics.ts'
import { type CourierMessage, decodeCourierMessage, encodeCourierMessage } from './courier-message.ts'
import { DeliveryLoop, type Destination, type LoopParts } from './delivery-loop.ts'
import { Gate } from './gate.ts'
import type { Outbox } from './outbox.ts'

export interface CourierParts {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly home: HomeRealm
  readonly topics: Topics
  readonly subscriptions: Subscriptions
  readonly signer: Signer
  readonly outbox: Outbox
  /** undefined: HTTP and HTTPS are switched off; what waits for them waits on. */
  readonly outbound: Outbound | undefined
}

/** HTTP requests under way at one time. */
const REQUESTS_MAX = 64
/** Subscriptions served; those beyond wait until others go. */
const LOOPS_MAX = 10_000
const PAGE = 500
/** Last words to endpoints whose subscription is gone, and its queue with it. */
const FAREWELLS = 'spindle.sns/farewells'
const FAREWELL_TTL_MS = 3_600_000

export class Courier {
  readonly #parts: CourierParts
  readonly #gate = new Gate(REQUESTS_MAX)
  readonly #loops = new Map<string, { readonly exchange: string; readonly loop: DeliveryLoop }>()
  /** Changes are followed one after the other. */
  #following: Promise<unknown> = Promise.resolve()
  #stopped = false

  constructor(parts: CourierParts) {
    this.#parts = parts
  }

  /** Serves what is there, and from now on what comes. */
  async start(): Promise<void> {
    const { subscriptions, outbound } = this.#parts
    subscriptions.onChange = (exchange) => this.#follow(exchange)
    let after: string | undefined
    for (;;) {
      const page = await subscriptions.page({ limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const [, subscription] of page) await this.#serve(subscription)
      after = page.at(-1)?.[0]
      if (page.length < PAGE) break
    }
    if (outbound !== undefined) await this.#serveFarewells()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#parts.subscriptions.onChange = () => {}
    await this.#following
    await Promise.all([...this.#loops.values()].map(({ loop }) => loop.stop()))
    this.#loops.clear()
  }

  /** Resolves once everything that changed so far is followed. */
  async settled(): Promise<void> {
    await this.#following
  }

  /** Asks the endpoint whether it wants this. Durable when it resolves. */
  async askToConfirm(subscription: Subscription): Promise<void> {
    const queue = deliveryQueue(subscription)
    if (queue === undefined || subscription.token === undefined) return
    const message = await this.#handshake('SubscriptionConfirmation', subscription, subscription.token)
    await this.#parts.port.append(queue, [{ content: encodeCourierMessage(message) }])
  }

  /** Tells an HTTP endpoint that it is subscribed no longer; `token` is how it may come back. */
  async sayFarewell(subscription: Subscription, token: string): Promise<void> {
    const { protocol, endpoint, topic, id } = subscription
    if (!protocol.startsWith('http') || this.#parts.outbound === undefined) return
    const gone = { protocol, endpoint, topicArn: topicArn(topic), subscriptionArn: subscriptionArn({ topic, id }) }
    const message = await this.#handshake('UnsubscribeConfirmation', subscription, token)
    await this.#serveFarewells()
    await this.#parts.port.append(FAREWELLS, [{ content: encodeCourierMessage({ ...message, gone }) }])
  }

  #follow(exchange: string): void {
    this.#following = this.#following
      .then(() => this.#reconcile(exchange))
      .catch((fault: unknown) => this.#parts.log.warn('subscriptions of SNS could not be read', { exchange, fault }))
  }

  async #reconcile(exchange: string): Promise<void> {
    if (this.#stopped) return
    const wanted = await this.#parts.subscriptions.of(exchange)
    for (const [id, served] of this.#loops) {
      if (served.exchange !== exchange || wanted.has(id)) continue
      this.#loops.delete(id)
      await served.loop.stop()
    }
    for (const subscription of wanted.values()) await this.#serve(subscription)
  }

  async #serve(subscription: Subscription): Promise<void> {
    const { id, exchange, protocol } = subscription
    const queue = deliveryQueue(subscription)
    if (queue === undefined || this.#stopped) return
    if (isTooLate(subscription, this.#parts.clock.wallMs())) {
      await this.#parts.subscriptions.remove(subscription)
      return
    }
    if (protocol.startsWith('http') && this.#parts.outbound === undefined) return
    const destination = await this.#destinationOf(subscription, queue)
    const served = this.#loops.get(id)
    if (served !== undefined) {
      served.loop.destination = destination
    } else if (this.#loops.size < LOOPS_MAX) {
      const loop = new DeliveryLoop(
        destination,
        this.#loopParts((delivery) => this.#read(delivery, exchange, id)),
      )
      this.#loops.set(id, { exchange, loop })
    } else this.#parts.log.warn('too many subscriptions for one server', { max: LOOPS_MAX })
  }

  async #destinationOf(subscription: Subscription, queue: string): Promise<Destination> {
    const { topic, id, protocol, endpoint, attributes } = subscription
    const deadLetters = redriveQueueOf(attributes)
    return {
      queue,
      protocol,
      endpoint,
      topicArn: topicArn(topic),
      subscriptionArn: subscriptionArn({ topic, id }),
      policy: await this.#policyOf(subscription),
      deadLetterQueue: deadLetters === undefined ? undefined : storeName(deadLetters, this.#parts.home),
    }
  }

  /** The subscription's own, else the topic's, else SNS's. */
  async #policyOf({ attributes, topic }: Subscription): Promise<DeliveryPolicy> {
    const own = attributes['DeliveryPolicy']
    if (own !== undefined) return readDeliveryPolicy(own, 'DeliveryPolicy')
    const shared = (await this.#parts.topics.find(topic))?.state.attributes['DeliveryPolicy']
    if (shared !== undefined) return readDeliveryPolicy(shared, 'DeliveryPolicy')
    return { retry: defaultRetryPolicy, maxReceivesPerSecond: undefined, contentType: undefined }
  }

  async #serveFarewells(): Promise<void> {
    if (this.#loops.has(FAREWELLS) || this.#stopped) return
    await this.#parts.port.declareQueue(FAREWELLS, {
      attemptsMax: null,
      ttlMs: FAREWELL_TTL_MS,
      onDeath: { kind: 'discard' },
    })
    const policy = { retry: defaultRetryPolicy, maxReceivesPerSecond: undefined, contentType: undefined }
    const nowhere = { protocol: 'http', endpoint: '', topicArn: '', subscriptionArn: '', deadLetterQueue: undefined }
    const read = (delivery: Delivery): Promise<CourierMessage> => {
      const message = decodeCourierMessage(delivery.content)
      return message === undefined
        ? Promise.reject(new Error('a farewell that SNS did not write'))
        : Promise.resolve(message)
    }
    const loop = new DeliveryLoop({ queue: FAREWELLS, policy, ...nowhere }, this.#loopParts(read))
    this.#loops.set(FAREWELLS, { exchange: '', loop })
  }

  #loopParts(read: LoopParts['read']): LoopParts {
    const { port, clock, log, outbound, outbox } = this.#parts
    return { port, clock, log, outbound, read, enter: this.#gate.enter, outboxDeclared: () => outbox.declared() }
  }

  /** A message that another protocol published to the topic has no envelope yet. */
  async #read(delivery: Delivery, exchange: string, id: string): Promise<CourierMessage> {
    const message = decodeCourierMessage(delivery.content)
    if (message !== undefined) return message
    const subscription = (await this.#parts.subscriptions.of(exchange)).get(id)
    const text = utf8Text(delivery.content.body)
    const messageId = delivery.id
    const plain = { type: 'Notification', messageId, subject: undefined, raw: true, text } as const
    if (subscription === undefined || isPlain(subscription)) return plain
    const { topic, baseUrl, unsubscribeToken } = subscription
    const signed = await signNotification(
      {
        topic,
        messageId,
        message: text,
        subject: undefined,
        timestampMs: delivery.enqueuedAtMs,
        version: '1',
        sequenceNumber: undefined,
        attributes: attributesOf(delivery),
      },
      this.#parts.signer,
    )
    return { ...plain, raw: false, text: signed.for({ id, baseUrl, unsubscribeToken }) }
  }

  async #handshake(
    type: 'SubscriptionConfirmation' | 'UnsubscribeConfirmation',
    { topic, id, baseUrl }: Subscription,
    token: string,
  ): Promise<CourierMessage> {
    const { clock, random, signer, topics } = this.#parts
    const messageId = uuid(random)
    const version = (await topics.find(topic))?.state.attributes['SignatureVersion'] === '2' ? '2' : '1'
    const fields = { type, topic, subscriptionId: id, messageId, token, version, baseUrl } as const
    const text = await signHandshake({ ...fields, timestampMs: clock.wallMs() }, signer)
    return { type, messageId, subject: undefined, raw: false, text }
  }
}

/** Nobody confirmed it in time, and nobody can any more. */
function isTooLate({ state, createdAtMs }: Subscription, nowMs: number): boolean {
  return state === 'pending' && nowMs - createdAtMs > CONFIRMATION_MS_MAX
}

function attributesOf({ content }: Delivery): Record<string, EnvelopeAttribute> {
  const { headers, attributeTypes } = decodeHead(content.head)
  const shown = Object.create(null) as Record<string, EnvelopeAttribute>
  for (const [name, value] of Object.entries(headers)) {
    shown[name] =
      value instanceof Uint8Array
        ? { Type: attributeTypes[name] ?? 'Binary', Value: Buffer.from(value).toString('base64') }
        : { Type: attributeTypes[name] ?? (typeof value === 'number' ? 'Number' : 'String'), Value: String(value) }
  }
  return shown
}
