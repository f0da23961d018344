import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { BufferPool } from '../../src/wire/amqp/buffer-pool.ts'
import { tableOf } from '../../src/wire/amqp/field-table.ts'
import { FrameDecoder } from '../../src/wire/amqp/frame-decoder.ts'
import { FrameWriter } from '../../src/wire/amqp/frame-writer.ts'
import { type Arguments, type Method, type MethodName, readMethod } from '../../src/wire/amqp/methods.ts'
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD, PROTOCOL_HEADER } from '../../src/wire/amqp/protocol.ts'

/** A client that says exactly what a test tells it to, and hears frame by frame. */
export class WireClient {
  readonly #socket: Socket
  readonly #writer: FrameWriter
  readonly #decoder = new FrameDecoder(0)
  readonly #heard: string[] = []
  /** Every byte that was sent, in order. */
  readonly sent: Buffer[] = []
  #wake: (() => void) | undefined
  #closed = false

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#writer = new FrameWriter({
      pool: new BufferPool({ bufferBytes: 65_536, keepMax: 1 }),
      frameMax: 131_072,
      emit: (frames) => this.bytes(Buffer.from(frames)),
    })
    this.#socket.on('data', (chunk) => {
      this.#decoder.feed(chunk)
      while (this.#decoder.next()) this.#heard.push(this.#tell())
      this.#wake?.()
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.#closed = true
      this.#wake?.()
    })
    onTestFinished(() => void this.#socket.destroy())
  }

  bytes(bytes: Uint8Array): void {
    this.sent.push(Buffer.from(bytes))
    this.#socket.write(bytes)
  }

  /** A frame of any type with any payload. */
  frame(type: number, channel: number, payload: Uint8Array, end = 0xce): void {
    const frame = Buffer.alloc(8 + payload.length)
    frame.writeUInt8(type, 0)
    frame.writeUInt16BE(channel, 1)
    frame.writeUInt32BE(payload.length, 3)
    frame.set(payload, 7)
    frame.writeUInt8(end, 7 + payload.length)
    this.bytes(frame)
  }

  send<Name extends MethodName>(channel: number, name: Name, args: Arguments<Name>): void {
    this.#writer.method(channel, name, args)
    this.#writer.flush()
  }

  /** Up to an open connection and, unless it is 0, an open channel. */
  async open(channel = 1, vhost = '/'): Promise<this> {
    this.bytes(PROTOCOL_HEADER)
    await this.hear('connection.start')
    this.send(0, 'connection.start-ok', {
      clientProperties: tableOf({
        capabilities: tableOf({ 'connection.blocked': true, consumer_cancel_notify: true }),
        product: 'test',
      }),
      mechanism: 'PLAIN',
      response: '\0guest\0guest',
      locale: 'en_US',
    })
    await this.hear('connection.tune')
    this.send(0, 'connection.tune-ok', { channelMax: 100, frameMax: 8_192, heartbeat: 0 })
    this.send(0, 'connection.open', { virtualHost: vhost, reserved1: '', reserved2: false })
    await this.hear('connection.open-ok')
    if (channel === 0) return this
    this.send(channel, 'channel.open', { reserved1: '' })
    await this.hear('channel.open-ok')
    return this
  }

  publish(channel: number, queue: string, body: string): void {
    const args = { ticket: 0, exchange: '', routingKey: queue, mandatory: false, immediate: false }
    this.send(channel, 'basic.publish', args)
    const header = Buffer.alloc(14)
    header.writeUInt16BE(60, 0)
    header.writeUInt32BE(body.length, 8)
    this.frame(FRAME_HEADER, channel, header)
    if (body !== '') this.frame(FRAME_BODY, channel, Buffer.from(body))
  }

  /** The next thing heard that starts so; `closed`: the connection ended. Others before it are passed over, but a connection.close is thrown. */
  async hear(start: string): Promise<string> {
    for (;;) {
      for (let next = this.#heard.shift(); next !== undefined; next = this.#heard.shift()) {
        if (next.startsWith(start)) return next
        if (next.startsWith('connection.close ')) throw new Error(next)
      }
      if (this.#closed) {
        if (start === 'closed') return 'closed'
        throw new Error(`the connection ended before '${start}'`)
      }
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
  }

  /** Until the other side has closed, or has had a few turns to answer. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 20 && !this.#closed; turn++) await new Promise((next) => setImmediate(next))
  }

  /** Reads nothing from now on. */
  deaf(): void {
    this.#socket.pause()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #tell(): string {
    const { type, bytes, start, end, channel } = this.#decoder
    if (type !== FRAME_METHOD) return `frame ${type} ${channel} ${bytes.toString('latin1', start, end)}`
    const { name, args }: Method = readMethod(bytes, start, end)
    if (name === 'connection.close' || name === 'channel.close') {
      const { replyCode, replyText, classId, methodId } = args
      return `${name} ${replyCode} ${replyText} (${classId},${methodId})`
    }
    return name
  }
}
