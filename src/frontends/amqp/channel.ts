/**
 * One channel: its consumers, what they have not answered yet, its publishes. Methods other than the frequent ones are in files by
 * class; they come in as `handlers`.
 */

import type { Settlement } from '../../broker/port.ts'
import { originOf } from '../../model/amqp-head.ts'
import type { Delivery, MessageId, NewMessage, Receipt } from '../../model/message.ts'
import type { Arguments, MethodName } from '../../wire/amqp/methods.ts'
import { methodId, readMethod } from '../../wire/amqp/methods.ts'
import { FRAME_METHOD, WireError } from '../../wire/amqp/protocol.ts'
import type { Confirms } from './confirms.ts'
import type { Consumer, ConsumerChannel } from './consumer.ts'
import { AmqpFault, preconditionFailed } from './fault.ts'
import { headFor } from './head-for-delivery.ts'
import { IncomingContent } from './incoming-content.ts'
import { PublishPath, type PublishSource } from './publish-path.ts'
import type { ChannelView } from './registry.ts'
import type { Session } from './session.ts'
import type { Transaction } from './transaction.ts'
import { type Each, Unacked } from './unacked.ts'

export type Handler<Name extends MethodName> = (channel: Channel, args: Arguments<Name>) => Promise<void> | void
export type Handlers = { readonly [Name in MethodName]?: Handler<Name> }

const PUBLISH = 60 * 65_536 + 40
const ACK = 60 * 65_536 + 80
const PUBLISH_ID = [60, 40] as const
const ACK_ID = [60, 80] as const
const ACKED = { kind: 'ack' } as const
const REQUEUED = { kind: 'release' } as const
const REJECTED = { kind: 'bury', reason: 'rejected' } as const
const HEAD_BYTES_MAX = 65_536

export class Channel implements ConsumerChannel, PublishSource {
  readonly number: number
  readonly session: Session
  readonly consumers: Map<string, Consumer> = new Map()
  readonly unacked: Unacked<Consumer> = new Unacked()
  /** The method that is being handled, for channel.close. */
  method: readonly [classId: number, methodId: number] = [0, 0]
  /** For the consumers to come; 0: none. */
  prefetch = 0
  /** Of all consumers of this channel together; 0: none. */
  globalPrefetch = 0
  /** The queue that an empty name means (section 1.7.2.1). */
  lastQueue = ''
  confirms: Confirms | undefined
  transaction: Transaction<Consumer> | undefined
  /** Of the consumer of direct replies: its tag, and the name that stands for it. */
  replies: { readonly tag: string; readonly token: string } | undefined
  readonly #handlers: Handlers
  readonly #content: IncomingContent
  readonly #publishes: PublishPath
  #isOpen = false
  /** channel.close was sent; only close and close-ok are heard. */
  #isClosing = false
  #isFlowing = true

  constructor(parts: { session: Session; number: number; handlers: Handlers }) {
    this.session = parts.session
    this.number = parts.number
    this.#handlers = parts.handlers
    this.#content = new IncomingContent(this.session.hub.parts.limits.messageBytesMax - HEAD_BYTES_MAX)
    this.#publishes = new PublishPath({ session: this.session, source: this })
  }

  /** A frame of this channel. Throws what refuses it. */
  frame(type: number, bytes: Buffer, start: number, end: number): Promise<void> | undefined {
    if (this.#isClosing) return this.#whileClosing(type, bytes, start, end)
    const content = this.#content
    if (type !== FRAME_METHOD) {
      this.method = PUBLISH_ID
      return content.frame(type, bytes, start, end) ? this.#publishes.publish(content) : undefined
    }
    content.expectMethod()
    const id = end - start >= 4 ? bytes.readUInt32BE(start) : 0
    if (id === PUBLISH) {
      this.method = PUBLISH_ID
      content.begin(bytes, start + 4, end)
      return undefined
    }
    if (id === ACK && end - start === 13) {
      this.method = ACK_ID
      const tag = bytes.readUInt32BE(start + 4) * 4_294_967_296 + bytes.readUInt32BE(start + 8)
      this.ack(tag, ((bytes[start + 12] as number) & 1) !== 0)
      return undefined
    }
    return this.#rareMethod(bytes, start, end)
  }

  // -- answers of the client

  ack(tag: number, multiple: boolean): void {
    if (this.transaction !== undefined) this.#settleLater(tag, multiple, ACKED)
    else this.#take(tag, multiple, this.#ackOne)
  }

  nack(tag: number, multiple: boolean, requeue: boolean): void {
    const how = requeue ? REQUEUED : REJECTED
    if (this.transaction !== undefined) {
      this.#settleLater(tag, multiple, how)
      return
    }
    this.#take(tag, multiple, (receipt, id, consumer) => {
      this.session.settle(receipt, how, id)
      this.#answered(consumer)
    })
  }

  /** basic.recover: everything unanswered goes back to its place. */
  requeueAll(): void {
    this.unacked.takeThrough(0, (receipt, id, consumer) => {
      this.session.settle(receipt, REQUEUED, id)
      this.#answered(consumer)
    })
  }

  /** Within a transaction: they are answered for the credit of their consumers, and settled with the commit. */
  #settleLater(tag: number, multiple: boolean, how: Settlement): void {
    this.#take(tag, multiple, (receipt, id, consumer, itsTag) => {
      this.transaction?.settle({ tag: itsTag, receipt, id, consumer, how })
      this.#answered(consumer)
    })
  }

  /** tx.rollback: what was answered within the transaction waits for an answer again. */
  rollback(): void {
    for (const { tag, receipt, id, consumer } of this.transaction?.reset() ?? []) {
      this.unacked.restore(tag, { receipt, id, consumer })
      if (consumer !== undefined) consumer.unanswered++
    }
  }

  readonly #ackOne = (receipt: Receipt, id: MessageId, consumer: Consumer | undefined): void => {
    this.session.settle(receipt, ACKED, id)
    this.#answered(consumer)
  }

  #take(tag: number, multiple: boolean, each: Each<Consumer>): void {
    const known = multiple ? this.unacked.takeThrough(tag, each) || tag === 0 : this.unacked.take(tag, each)
    if (!known) throw preconditionFailed(`unknown delivery tag ${tag}`)
  }

  #answered(consumer: Consumer | undefined): void {
    if (consumer === undefined) return
    consumer.unanswered--
    if (this.globalPrefetch > 0) this.#touchAll()
    else this.session.touch(consumer.feed)
  }

  #touchAll(): void {
    for (const { feed } of this.consumers.values()) this.session.touch(feed)
  }

  // -- deliveries

  get room(): number {
    if (!this.#isFlowing || this.#isClosing || this.session.choked) return 0
    const room = this.session.hub.parts.amqpLimits.unackedMax - this.unacked.size
    return this.globalPrefetch === 0 ? room : Math.min(room, this.globalPrefetch - this.unacked.size)
  }

  deliver(consumer: Consumer, delivery: Delivery): void {
    const { noAck } = consumer.settings
    const { receipt, id, deliveries, content } = delivery
    const tag = noAck ? this.unacked.skip() : this.unacked.add(receipt, id, consumer)
    const head = headFor(delivery, consumer.feed.countsDeliveries)
    this.session.writer.deliver(this.number, consumer.wireTag, tag, deliveries > 1, head, content.body)
    if (noAck) this.session.settle(receipt, ACKED, id)
    else consumer.unanswered++
  }

  delivered(): void {
    this.session.commitBatch()
    this.session.flush()
  }

  /** A message for basic.get; the tag it has. */
  got(receipt: Receipt, id: MessageId, noAck: boolean): number {
    if (!noAck) return this.unacked.add(receipt, id, undefined)
    this.session.settle(receipt, ACKED, id)
    return this.unacked.skip()
  }

  cancelled(consumer: Consumer): void {
    const { tag } = consumer.settings
    if (this.consumers.get(tag) !== consumer) return
    this.consumers.delete(tag)
    if (this.session.capability('consumer_cancel_notify')) {
      this.session.send(this.number, 'basic.cancel', { consumerTag: tag, noWait: true })
    }
  }

  /** An answer to a request that this channel sent with a direct reply-to. */
  reply(head: Uint8Array, body: Uint8Array): void {
    if (this.replies === undefined) return
    const tag = Buffer.from(this.replies.tag)
    const wireTag = Buffer.concat([Uint8Array.of(tag.length), tag])
    this.session.writer.deliver(this.number, wireTag, this.unacked.skip(), false, head, body)
    this.session.flushSoon()
  }

  set flowing(isFlowing: boolean) {
    this.#isFlowing = isFlowing
    if (isFlowing) this.pump()
  }

  pump(): void {
    for (const { feed } of this.consumers.values()) feed.pump()
  }

  nextConsumerTag(): string {
    return `amq.ctag-${this.session.hub.token(12)}`
  }

  // -- publishes

  returned({ content }: NewMessage): void {
    const { exchange, key } = originOf(content.head) ?? { exchange: '', key: '' }
    this.session.writer.methodWithContent(
      this.number,
      'basic.return',
      { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey: key },
      content.head,
      content.body,
    )
    this.session.flushSoon()
  }

  confirmed(): void {
    if (this.confirms === undefined || this.#isClosing) return
    this.confirms.drain(this.#confirmWriter)
    this.session.flushSoon()
  }

  readonly #confirmWriter = {
    ack: (tag: number, multiple: boolean): void => this.session.writer.ack(this.number, tag, multiple),
    nack: (tag: number): void => this.session.writer.nack(this.number, tag, false),
  }

  failed(fault: unknown): void {
    if (!this.#isClosing) this.session.failChannel(this.number, fault, 'basic.publish')
  }

  // -- its life

  opened(): void {
    if (this.#isOpen) throw new AmqpFault(504, "second 'channel.open' seen")
    this.#isOpen = true
  }

  /** A fault was found: what was not answered goes back, and only channel.close-ok is heard. */
  fail(): void {
    this.end()
    this.#isClosing = true
  }

  /** Consumers leave, deliveries go back to their place. Idempotent. */
  end(): void {
    for (const consumer of [...this.consumers.values()]) consumer.feed.remove(consumer)
    this.consumers.clear()
    this.rollback()
    this.requeueAll()
    if (this.replies !== undefined) this.session.hub.replies.delete(this.replies.token)
    this.replies = undefined
  }

  send<Name extends MethodName>(name: Name, args: Arguments<Name>): void {
    this.session.send(this.number, name, args)
  }

  view(): ChannelView {
    return {
      number: this.number,
      mode: this.transaction !== undefined ? 'transactional' : this.confirms !== undefined ? 'confirm' : 'plain',
      prefetch: this.prefetch,
      globalPrefetch: this.globalPrefetch,
      unacknowledged: this.unacked.size,
      unconfirmed: this.confirms?.unconfirmed ?? 0,
      consumers: [...this.consumers.values()].map((consumer) => ({
        ...consumer.settings,
        queue: consumer.feed.queue,
        active: consumer.feed.isActive(consumer),
      })),
    }
  }

  #rareMethod(bytes: Buffer, start: number, end: number): Promise<void> | undefined {
    const { name, args } = readMethod(bytes, start, end)
    this.method = methodId(name)
    const handler = this.#handlers[name] as ((channel: Channel, args: unknown) => Promise<void> | undefined) | undefined
    if (handler === undefined) throw new AmqpFault(503, `${name} is not a method that a client sends on a channel`)
    // What was published and acked before comes first, whatever this method does.
    this.session.commitBatch()
    return handler(this, args)
  }

  #whileClosing(type: number, bytes: Buffer, start: number, end: number): undefined {
    if (type !== FRAME_METHOD) return undefined
    if (end - start < 4) throw new WireError(502, 'a method frame is too short')
    const id = bytes.readUInt32BE(start)
    const isClose = id === 20 * 65_536 + 40
    if (isClose) this.send('channel.close-ok', {})
    if (isClose || id === 20 * 65_536 + 41) this.session.forget(this.number)
    return undefined
  }
}
