/** An AMQP client of a few words, on the codec of the library and a connection in memory. */
import { BufferPool } from '../../src/wire/amqp/buffer-pool.ts'
import { tableOf } from '../../src/wire/amqp/field-table.ts'
import { FrameDecoder } from '../../src/wire/amqp/frame-decoder.ts'
import { FrameWriter } from '../../src/wire/amqp/frame-writer.ts'
import { type Arguments, type Method, type MethodName, readMethod } from '../../src/wire/amqp/methods.ts'
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD, PROTOCOL_HEADER } from '../../src/wire/amqp/protocol.ts'
import type { AmqpLink, Incarnation } from './incarnation.ts'

export interface AmqpDelivery {
  readonly tag: number
  readonly body: string
}

export class AmqpClient {
  /** Each confirm of a publish as it comes; `ok` false: a nack. */
  onConfirm: (number: number, ok: boolean) => void = () => {}
  onDelivery: (delivery: AmqpDelivery) => void = () => {}
  onClosed: () => void = () => {}
  readonly #link: AmqpLink
  readonly #writer: FrameWriter
  readonly #decoder = new FrameDecoder(0)
  #waiting: { readonly name: MethodName; readonly heard: (ok: boolean) => void } | undefined
  #open = true
  #published = 0
  #confirmed = 0
  #tag = 0
  #bodyLeft = 0
  #body: Buffer[] = []

  private constructor(life: Incarnation) {
    this.#link = life.amqp(
      (bytes) => this.#heard(bytes),
      () => this.#ended(),
    )
    this.#writer = new FrameWriter({
      pool: new BufferPool({ bufferBytes: 65_536, keepMax: 1 }),
      frameMax: 131_072,
      emit: (frames) => this.#link.send(Buffer.from(frames)),
    })
  }

  /** undefined: the broker went away first. */
  static async connect(life: Incarnation): Promise<AmqpClient | undefined> {
    const client = new AmqpClient(life)
    client.#link.send(Buffer.from(PROTOCOL_HEADER))
    if (!(await client.#hear('connection.start'))) return undefined
    client.#send(0, 'connection.start-ok', {
      clientProperties: tableOf({}),
      mechanism: 'PLAIN',
      response: '\0guest\0guest',
      locale: 'en_US',
    })
    if (!(await client.#hear('connection.tune'))) return undefined
    client.#send(0, 'connection.tune-ok', { channelMax: 10, frameMax: 131_072, heartbeat: 0 })
    const opened = client.#call(
      0,
      'connection.open',
      { virtualHost: '/', reserved1: '', reserved2: false },
      'connection.open-ok',
    )
    if (!(await opened)) return undefined
    if (!(await client.#call(1, 'channel.open', { reserved1: '' }, 'channel.open-ok'))) return undefined
    return (await client.#call(1, 'confirm.select', { noWait: false }, 'confirm.select-ok')) ? client : undefined
  }

  get open(): boolean {
    return this.#open
  }

  declare(queue: string): Promise<boolean> {
    const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
    return this.#call(1, 'queue.declare', { ticket: 0, queue, ...flags, arguments: tableOf({}) }, 'queue.declare-ok')
  }

  async consume(queue: string, prefetch: number): Promise<boolean> {
    if (
      !(await this.#call(1, 'basic.qos', { prefetchSize: 0, prefetchCount: prefetch, global: false }, 'basic.qos-ok'))
    )
      return false
    const flags = { noLocal: false, noAck: false, exclusive: false, noWait: false }
    return this.#call(
      1,
      'basic.consume',
      { ticket: 0, queue, consumerTag: 'c', ...flags, arguments: tableOf({}) },
      'basic.consume-ok',
    )
  }

  /** Its number, which `onConfirm` tells. */
  publish(queue: string, body: string): number {
    this.#writer.method(1, 'basic.publish', {
      ticket: 0,
      exchange: '',
      routingKey: queue,
      mandatory: false,
      immediate: false,
    })
    this.#writer.flush()
    const bytes = Buffer.from(body)
    // Persistent: flag of delivery-mode, then 2.
    const header = Buffer.alloc(15)
    header.writeUInt16BE(60, 0)
    header.writeUInt32BE(bytes.length, 8)
    header.writeUInt16BE(0x1000, 12)
    header[14] = 2
    this.#frame(FRAME_HEADER, header)
    this.#frame(FRAME_BODY, bytes)
    return ++this.#published
  }

  ack(tag: number): void {
    this.#send(1, 'basic.ack', { deliveryTag: tag, multiple: false })
  }

  /** Back to its place. */
  reject(tag: number): void {
    this.#send(1, 'basic.reject', { deliveryTag: tag, requeue: true })
  }

  drop(): void {
    this.#link.drop()
  }

  #send<Name extends MethodName>(channel: number, name: Name, args: Arguments<Name>): void {
    this.#writer.method(channel, name, args)
    this.#writer.flush()
  }

  #call<Name extends MethodName>(
    channel: number,
    name: Name,
    args: Arguments<Name>,
    answer: MethodName,
  ): Promise<boolean> {
    const heard = this.#hear(answer)
    this.#send(channel, name, args)
    return heard
  }

  #hear(name: MethodName): Promise<boolean> {
    if (!this.#open) return Promise.resolve(false)
    return new Promise((heard) => {
      this.#waiting = { name, heard }
    })
  }

  #frame(type: number, payload: Buffer): void {
    const frame = Buffer.alloc(8 + payload.length)
    frame.writeUInt8(type, 0)
    frame.writeUInt16BE(1, 1)
    frame.writeUInt32BE(payload.length, 3)
    payload.copy(frame, 7)
    frame.writeUInt8(0xce, 7 + payload.length)
    this.#link.send(frame)
  }

  #heard(bytes: Buffer): void {
    this.#decoder.feed(bytes)
    while (this.#decoder.next()) {
      const { type, bytes: all, start, end } = this.#decoder
      if (type === FRAME_METHOD) this.#method(readMethod(all, start, end))
      else if (type === FRAME_HEADER) {
        this.#bodyLeft = all.readUInt32BE(start + 8)
        this.#body = []
        if (this.#bodyLeft === 0) this.#delivered()
      } else if (type === FRAME_BODY) {
        this.#body.push(Buffer.from(all.subarray(start, end)))
        this.#bodyLeft -= end - start
        if (this.#bodyLeft === 0) this.#delivered()
      }
    }
  }

  #delivered(): void {
    this.onDelivery({ tag: this.#tag, body: Buffer.concat(this.#body).toString() })
  }

  #method(method: Method): void {
    const { name, args } = method
    if (name === this.#waiting?.name) {
      const { heard } = this.#waiting
      this.#waiting = undefined
      heard(true)
    } else if (name === 'basic.deliver') this.#tag = Number(args.deliveryTag)
    else if (name === 'basic.ack' || name === 'basic.nack') {
      const upTo = Number(args.deliveryTag)
      const from = args.multiple ? this.#confirmed + 1 : upTo
      for (let number = from; number <= upTo; number++) this.onConfirm(number, name === 'basic.ack')
      this.#confirmed = Math.max(this.#confirmed, upTo)
    } else if (name === 'connection.close' || name === 'channel.close') this.drop()
  }

  #ended(): void {
    if (!this.#open) return
    this.#open = false
    this.#waiting?.heard(false)
    this.#waiting = undefined
    this.onClosed()
  }
}
