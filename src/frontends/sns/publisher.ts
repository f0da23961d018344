/**
 * From a topic to its subscriptions: one publish is one unit of the store, however many subscribers it has and whatever form each
 * of them gets.
 *
 * FIFO topics judge duplicates by a queue of markers with the topic's window: the marker is appended in the unit of the message, so
 * that either both are there or none is. A marker that is a duplicate aborts the unit.
 */
import { createHash } from 'node:crypto'
import type { Binding, Port, QueuedMessage, SimpleStep } from '../../broker/port.ts'
import { utf8Text } from '../../model/bytes.ts'
import { type ContentMeta, encodeContent } from '../../model/content.ts'
import { isFault } from '../../model/errors.ts'
import type { AppendOutcome, Content } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { DEDUPLICATION_ID, dedupKey } from '../sqs/outgoing-message.ts'
import { addressOfStoreName } from '../sqs/queue-address.ts'
import type { QueueDirectory } from '../sqs/queue-directory.ts'
import { type HomeRealm, isFifo, storeName } from './arns.ts'
import { deadLetter } from './dead-letter.ts'
import { encodeCourierMessage } from './delivery/courier-message.ts'
import { platformOf } from './endpoints.ts'
import { type SignedNotification, signNotification } from './envelope.ts'
import { refusalError } from './errors.ts'
import { SequenceNumbers, uuid } from './ids.ts'
import { FIFO_WINDOW_MS, RAW_ATTRIBUTES_MAX } from './limits.ts'
import { envelopeAttributes, headersOf, type Outgoing, textFor } from './message.ts'
import type { Signer } from './signer.ts'
import { isRaw, redriveQueueOf } from './subscription-attributes.ts'
import { isPlain, type Subscription, type Subscriptions } from './subscriptions.ts'
import type { Topic } from './topics.ts'

export interface Published {
  readonly messageId: string
  readonly sequenceNumber: string | undefined
}

interface PublisherParts {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly home: HomeRealm
  readonly subscriptions: Subscriptions
  readonly signer: Signer
  readonly queues: QueueDirectory
}

/** One message, on its way to those that take it. */
interface Departure extends Published {
  readonly outgoing: Outgoing
  readonly copies: readonly Copy[]
}

interface Copy extends QueuedMessage {
  /** undefined: the queue is bound to the topic by another protocol. */
  readonly subscription: Subscription | undefined
}

const MARKER_TTL_MS = 1
const MARKERS_PREFIX = 'spindle.sns/fifo/'
const NO_BYTES = new Uint8Array(0)
/** Messages of FIFO topics of which the answer is remembered, for publishers that repeat themselves. */
const REMEMBERED_MAX = 10_000

export class Publisher {
  readonly #parts: PublisherParts
  readonly #sequences = new SequenceNumbers()
  readonly #markersDeclared = new Set<string>()
  readonly #remembered = new Map<string, Published>()

  constructor(parts: PublisherParts) {
    this.#parts = parts
  }

  /** Answers in the order of the messages. `baseUrl`: for the links in envelopes. */
  async publish(topic: Topic, messages: readonly Outgoing[], baseUrl: string): Promise<Published[]> {
    const { port, subscriptions } = this.#parts
    const known = await subscriptions.bound(topic.exchange, topic.view.bindings)
    await subscriptions.mend(topic.view.bindings, known)
    const matched = await port.match(
      topic.exchange,
      messages.map((outgoing) => ({ content: plainContent(outgoing.message, outgoing) })),
    )
    const departures = await Promise.all(
      messages.map((outgoing, i) => this.#depart(topic, outgoing, { baseUrl, known, bindings: matched[i] ?? [] })),
    )
    if (!isFifo(topic.address.name)) return this.#deliverAll(departures)
    const published: Published[] = []
    for (const departure of departures) published.push(await this.#deliverOnce(topic, departure))
    return published
  }

  /** The queue of markers goes with its topic. */
  async forget(exchange: string): Promise<void> {
    this.#markersDeclared.delete(exchange)
    await this.#parts.port.deleteQueue(markersOf(exchange))
  }

  async #depart(
    topic: Topic,
    outgoing: Outgoing,
    to: {
      readonly baseUrl: string
      readonly known: ReadonlyMap<string, Subscription>
      readonly bindings: readonly Binding[]
    },
  ): Promise<Departure> {
    const { clock, random } = this.#parts
    const nowMs = clock.wallMs()
    const messageId = uuid(random)
    const sequenceNumber = isFifo(topic.address.name) ? this.#sequences.next(nowMs) : undefined
    const version = topic.state.attributes['SignatureVersion'] === '2' ? '2' : '1'
    const attributes = envelopeAttributes(outgoing.attributes)
    const { subject } = outgoing
    const fields = { topic: topic.address, messageId, subject, timestampMs: nowMs, version, sequenceNumber } as const
    // A signature is over the text, so protocols that get the same text share it.
    const notification = once((message: string) =>
      signNotification({ ...fields, message, attributes }, this.#parts.signer),
    )
    const plain = once((message: string) => plainContent(message, outgoing))
    const about = { outgoing, messageId, baseUrl: to.baseUrl, notification, plain }
    const copies = await Promise.all(
      to.bindings.map(async ({ id, target }): Promise<Copy | undefined> => {
        const subscription = to.known.get(id)
        const content = subscription === undefined ? plain(outgoing.message) : await contentFor(subscription, about)
        const why = subscription === undefined ? undefined : this.#whyNot(subscription, target.name, outgoing)
        if (subscription === undefined || why === undefined)
          return this.#copy(target.name, content, outgoing, subscription)
        return this.#lost(subscription, { content, outgoing, messageId, why })
      }),
    )
    return { messageId, sequenceNumber, outgoing, copies: copies.filter((copy) => copy !== undefined) }
  }

  /** Why SNS would not deliver this to the queue of the subscription; undefined: it would. */
  #whyNot(subscription: Subscription, queue: string, { attributes }: Outgoing): string | undefined {
    if (queue !== this.#parts.subscriptions.targetOf(subscription)) return 'The queue of the subscription is gone.'
    const isRawToSqs = subscription.protocol === 'sqs' && isRaw(subscription.attributes)
    if (!isRawToSqs || attributes.length <= RAW_ATTRIBUTES_MAX) return undefined
    return `A raw message to SQS may have ${RAW_ATTRIBUTES_MAX} attributes, and this one has ${attributes.length}.`
  }

  /** For the dead-letter queue of the subscription; undefined: it has none, and the message is dropped as SNS drops it. */
  async #lost(
    subscription: Subscription,
    of: { readonly content: Content; readonly outgoing: Outgoing; readonly messageId: string; readonly why: string },
  ): Promise<Copy | undefined> {
    const deadLetters = redriveQueueOf(subscription.attributes)
    if (deadLetters === undefined) return undefined
    const content = deadLetter(utf8Text(of.content.body), of)
    return this.#copy(storeName(deadLetters, this.#parts.home), content, of.outgoing, undefined)
  }

  async #copy(
    queue: string,
    content: Content,
    { groupId, dedupId }: Outgoing,
    subscription: Subscription | undefined,
  ): Promise<Copy> {
    const key = dedupId === undefined ? undefined : await this.#dedupKeyAt(queue, { groupId, dedupId })
    return {
      queue,
      message: {
        content,
        ...(groupId === undefined ? {} : { groupId }),
        ...(key === undefined ? {} : { dedupId: key }),
      },
      subscription,
    }
  }

  /** As SQS would make it of the same id; undefined: the queue is none that judges by ids. */
  async #dedupKeyAt(
    queue: string,
    { groupId, dedupId }: { readonly groupId: string | undefined; readonly dedupId: string },
  ): Promise<string | undefined> {
    const { queues, home } = this.#parts
    if (!isFifo(queue)) return undefined
    const found = await queues.get(queue, addressOfStoreName(queue, home))
    return found === undefined ? dedupId : dedupKey(found, groupId ?? '', dedupId)
  }

  async #deliverAll(departures: readonly Departure[]): Promise<Published[]> {
    const outcomes = await this.#parts.port.deliver(departures.map(({ copies }) => copies.map(asQueued)))
    await Promise.all(departures.map((departure, i) => this.#judge(departure, outcomes[i] ?? [])))
    return departures.map(({ messageId, sequenceNumber }) => ({ messageId, sequenceNumber }))
  }

  async #deliverOnce(topic: Topic, departure: Departure): Promise<Published> {
    const { port } = this.#parts
    const { messageId, sequenceNumber, outgoing, copies } = departure
    const published = { messageId, sequenceNumber }
    const key = topicKey(topic, outgoing)
    const memoKey = `${topic.exchange}\n${key}`
    const marker: SimpleStep = {
      kind: 'append',
      queue: await this.#markers(topic.exchange),
      message: { content: { head: NO_BYTES, body: NO_BYTES }, dedupId: key, ttlMs: MARKER_TTL_MS },
    }
    const appends = copies.map(({ queue, message }): SimpleStep => ({ kind: 'append', queue, message }))
    if (await this.#isTaken([marker, ...appends])) return this.#remember(memoKey, published)
    // Something in the unit was not new, or not taken. If the marker is the one, this is a repetition.
    if (!(await this.#isTaken([marker]))) return this.#remembered.get(memoKey) ?? published
    // Else one of the queues has seen the id before, or refuses: each answers for itself.
    const [outcomes = []] = await port.deliver([copies.map(asQueued)])
    await this.#judge(departure, outcomes)
    return this.#remember(memoKey, published)
  }

  async #isTaken(steps: readonly SimpleStep[]): Promise<boolean> {
    try {
      await this.#parts.port.transact(steps)
      return true
    } catch (fault) {
      if (isFault(fault, 'aborted')) return false
      throw fault
    }
  }

  #remember(key: string, published: Published): Published {
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear()
    this.#remembered.set(key, published)
    return published
  }

  async #markers(exchange: string): Promise<string> {
    const queue = markersOf(exchange)
    if (!this.#markersDeclared.has(exchange)) {
      await this.#parts.port.declareQueue(queue, { dedup: { kind: 'window', windowMs: FIFO_WINDOW_MS } })
      this.#markersDeclared.add(exchange)
    }
    return queue
  }

  /** What a queue refused goes to the dead-letter queue of its subscription, if there is one. Throws when the store is full. */
  async #judge({ copies, messageId, outgoing }: Departure, outcomes: readonly AppendOutcome[]): Promise<void> {
    const lost: QueuedMessage[] = []
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.kind !== 'refused') continue
      const fault = refusalError(outcome.reason)
      if (fault !== undefined) throw fault
      const copy = copies[i]
      if (copy?.subscription === undefined) continue
      const why = `The queue refused it: ${outcome.reason}.`
      const dead = await this.#lost(copy.subscription, { content: copy.message.content, outgoing, messageId, why })
      if (dead !== undefined) lost.push(asQueued(dead))
    }
    if (lost.length > 0) await this.#parts.port.deliver([lost])
  }
}

function asQueued({ queue, message }: Copy): QueuedMessage {
  return { queue, message }
}

async function contentFor(
  subscription: Subscription,
  about: {
    readonly outgoing: Outgoing
    readonly messageId: string
    readonly baseUrl: string
    readonly notification: (message: string) => Promise<SignedNotification>
    readonly plain: (message: string) => Content
  },
): Promise<Content> {
  const { outgoing, messageId, notification, plain } = about
  const { protocol, endpoint, id, unsubscribeToken } = subscription
  const message = textFor(outgoing, protocol === 'application' ? platformOf(endpoint) : protocol)
  const raw = isPlain(subscription)
  if (protocol === 'sqs' && raw) return plain(message)
  const baseUrl = protocol === 'sqs' ? about.baseUrl : subscription.baseUrl
  const text = raw ? message : (await notification(message)).for({ id, baseUrl, unsubscribeToken })
  if (protocol === 'sqs') return encodeContent(text, systemOf(outgoing))
  return encodeCourierMessage({ type: 'Notification', messageId, subject: outgoing.subject, raw, text })
}

/** Asked again of the same text, it answers the same object. */
function once<T>(make: (text: string) => T): (text: string) => T {
  const made = new Map<string, T>()
  return (text) => {
    let value = made.get(text)
    if (value === undefined) {
      value = make(text)
      made.set(text, value)
    }
    return value
  }
}

function plainContent(message: string, outgoing: Outgoing): Content {
  const { attributes } = outgoing
  const system = systemOf(outgoing)
  return encodeContent(message, attributes.length === 0 ? system : { ...headersOf(attributes), ...system })
}

/** The id as SQS gives it back, where the engine's key is another one. */
function systemOf({ dedupId }: Outgoing): ContentMeta {
  return dedupId === undefined ? NO_META : { system: { [DEDUPLICATION_ID]: dedupId } }
}

const NO_META: ContentMeta = Object.freeze({})

function topicKey({ state }: Topic, { groupId, dedupId }: Outgoing): string {
  const scope = state.attributes['FifoThroughputScope'] === 'MessageGroup' ? (groupId ?? '') : ''
  return createHash('sha256').update(`${scope}\n${dedupId}`).digest('hex')
}

/** Exchange names may be as long as names may be; a prefix would make them longer. */
function markersOf(exchange: string): string {
  return MARKERS_PREFIX + createHash('sha256').update(exchange).digest('hex').slice(0, 32)
}
