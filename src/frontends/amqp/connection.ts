/**
 * One AMQP connection.
 *
 *   header -> starting -> tuning -> opening -> running -> closing -> closed
 *
 * `closing`: connection.close was sent and only close-ok is heard. Frames are handled in order; one whose answer needs the store holds
 * up those behind it (the socket is not read meanwhile), so that what a client says in sequence happens in sequence. Publishes and acks
 * are gathered and never wait. Everything a batch of frames caused leaves in as few socket writes as possible.
 */

import type { SettleRequest } from '../../broker/port.ts'
import type { Identity } from '../../model/access.ts'
import type { MessageId, Receipt } from '../../model/message.ts'
import type { Timer } from '../../runtime/clock.ts'
import { FrameDecoder } from '../../wire/amqp/frame-decoder.ts'
import { FrameWriter } from '../../wire/amqp/frame-writer.ts'
import { type Arguments, type Method, type MethodName, methodId, readMethod } from '../../wire/amqp/methods.ts'
import { FRAME_HEARTBEAT, FRAME_METHOD, PROTOCOL_HEADER, WireError } from '../../wire/amqp/protocol.ts'
import { HANDSHAKE_FRAME_MAX } from './amqp-limits.ts'
import { basicHandlers } from './basic-methods.ts'
import { Channel, type Handlers } from './channel.ts'
import { channelHandlers } from './channel-methods.ts'
import type { Feed } from './consumer.ts'
import { exchangeHandlers } from './exchange-methods.ts'
import { AmqpFault, faultOf } from './fault.ts'
import { Handshake, type Opening } from './handshake.ts'
import { type Heartbeat, startHeartbeat } from './heartbeat.ts'
import type { Hub } from './hub.ts'
import { Publisher } from './publisher.ts'
import { queueHandlers } from './queue-methods.ts'
import type { ConnectionView } from './registry.ts'
import type { Peer } from './sasl.ts'
import type { Session } from './session.ts'
import type { ByteStream } from './stream.ts'

export interface ConnectionParts {
  readonly hub: Hub
  readonly stream: ByteStream
  readonly peer: Peer
  readonly addresses: Pick<ConnectionView, 'name' | 'peer' | 'local'>
  readonly insecure: boolean
}

type State = 'header' | 'handshake' | 'running' | 'closing' | 'closed'
type SettleHow = SettleRequest['how']

/** How long the other side has to answer connection.close, ms. */
const CLOSE_OK_MS = 5_000
/** Settlements of one call to the broker. */
const SETTLE_BATCH = 5_000

const handlers: Handlers = { ...channelHandlers, ...exchangeHandlers, ...queueHandlers, ...basicHandlers }

export class Connection implements Session, Opening {
  readonly hub: Hub
  readonly writer: FrameWriter
  readonly publisher: Publisher
  readonly handshake: Handshake
  /** Names it as the owner of its exclusive queues. */
  readonly owner: string
  readonly exclusiveQueues: Set<string> = new Set()
  /** Its socket does not keep up: its consumers get nothing until it does. */
  choked = false
  readonly #parts: ConnectionParts
  readonly #stream: ByteStream
  readonly #decoder = new FrameDecoder(HANDSHAKE_FRAME_MAX)
  readonly #channels = new Map<number, Channel>()
  readonly #connectedAtMs: number
  #state: State = 'header'
  #busy = false
  #pressure: 'flowing' | 'paused' | 'blocked' = 'flowing'
  #flushSoon = false
  #settlements: SettleRequest[] = []
  #touched: Feed | undefined
  readonly #touchedMore = new Set<Feed>()
  #timer: Timer | undefined
  #heartbeat: Heartbeat | undefined
  /** The method that is being handled, for connection.close and channel.close. */
  #method: readonly [classId: number, methodId: number] = [0, 0]
  #lastChannel: Channel | undefined

  constructor(parts: ConnectionParts) {
    const { hub, stream } = parts
    this.#parts = parts
    this.hub = hub
    this.#stream = stream
    this.owner = hub.nextName()
    this.#connectedAtMs = hub.parts.clock.wallMs()
    this.writer = new FrameWriter({ pool: hub.pool, frameMax: HANDSHAKE_FRAME_MAX, emit: (f, b) => this.#emit(f, b) })
    this.publisher = new Publisher({ hub, pressure: (pressure) => this.#underPressure(pressure) })
    this.handshake = new Handshake({ connection: this, peer: parts.peer, insecure: parts.insecure })
    this.#timer = hub.parts.clock.setTimer(hub.parts.amqpLimits.handshakeMs, () =>
      this.#drop('the handshake took too long'),
    )
  }

  get identity(): Identity {
    const { identity } = this.handshake
    if (identity === undefined) throw new AmqpFault(541, 'no user has logged in')
    return identity
  }

  get vhost(): string {
    return this.handshake.vhost
  }

  get name(): string {
    return this.#parts.addresses.name
  }

  received(chunk: Buffer): void {
    this.#heartbeat?.heard()
    if (this.#state === 'closed') return
    this.#decoder.feed(chunk)
    try {
      if (!this.#busy) this.#readFrames()
    } catch (error) {
      // What a frame did wrong was answered further down: this is a fault of ours, and it must not cost other connections.
      this.#fail(error)
    }
  }

  /** The socket sent what waited. */
  drained(): void {
    if (!this.choked) return
    this.choked = false
    for (const channel of this.#channels.values()) channel.pump()
  }

  /** The socket is gone. Leases go back, exclusive queues go. Idempotent. */
  disconnected(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#heartbeat?.stop()
    this.publisher.close()
    for (const channel of [...this.#channels.values()]) channel.end()
    this.#channels.clear()
    this.#flushSettlements()
    this.hub.parts.registry.remove(this.name)
    void this.#dropExclusiveQueues()
  }

  /** CONNECTION_FORCED: an operator or the end of the broker. */
  close(reason: string): void {
    this.#fail(new AmqpFault(320, reason))
  }

  view(): ConnectionView {
    const { addresses, peer } = this.#parts
    return {
      ...addresses,
      ...this.handshake.view(),
      state: this.#phase(),
      tls: peer.tls,
      connectedAtMs: this.#connectedAtMs,
      channels: [...this.#channels.values()].map((channel) => channel.view()),
    }
  }

  #phase(): ConnectionView['state'] {
    if (this.#state === 'running') return this.#pressure === 'blocked' ? 'blocked' : 'running'
    return this.#state === 'closing' ? 'closing' : 'starting'
  }

  /** Sends a method of channel 0 or of a channel. It leaves with the current batch, or soon. */
  send<Name extends MethodName>(channel: number, name: Name, args: Arguments<Name>): void {
    if (this.#state === 'closed') return
    this.writer.method(channel, name, args)
    this.flushSoon()
  }

  /** Whatever was written leaves after the current run of answers. */
  flushSoon(): void {
    if (this.#flushSoon) return
    this.#flushSoon = true
    queueMicrotask(() => {
      this.#flushSoon = false
      this.flush()
    })
  }

  flush(): void {
    if (this.#state !== 'closed') this.writer.flush()
  }

  settle(receipt: Receipt, how: SettleHow, id: MessageId): void {
    this.#settlements.push({ receipt, how, id })
    if (this.#settlements.length >= SETTLE_BATCH) this.#flushSettlements()
  }

  /** A consumer of this queue may have room again; it is asked for more at the end of the batch. */
  touch(feed: Feed): void {
    if (this.#touched === feed) return
    if (this.#touched === undefined) this.#touched = feed
    else this.#touchedMore.add(feed)
  }

  /** The handshake is over. */
  running(settings: { readonly heartbeatSeconds: number }): void {
    this.#state = 'running'
    this.#timer?.cancel()
    this.hub.parts.log.info('an AMQP client connected', { connection: this.name, user: this.identity.name })
    this.#heartbeat = startHeartbeat({
      clock: this.hub.parts.clock,
      seconds: settings.heartbeatSeconds,
      send: () => {
        this.writer.heartbeat()
        this.flush()
      },
      missed: () => {
        if (this.#busy || this.#pressure !== 'flowing') return
        this.#drop('no heartbeat came in time')
      },
    })
  }

  /** connection.tune-ok: from now on frames up to this size. */
  tuned(frameMax: number): void {
    this.#decoder.frameMax = frameMax
    this.writer.frameMax = frameMax
  }

  forget(number: number): void {
    this.#channels.delete(number)
    this.#lastChannel = undefined
  }

  holdExclusives(): Promise<void> {
    return this.hub.own(this.owner, () =>
      this.close("broker forced connection closure with reason 'its exclusive queues could not be kept'"),
    )
  }

  capability(name: string): boolean {
    return this.handshake.capability(name)
  }

  commitBatch(): void {
    this.publisher.flush()
    this.#flushSettlements()
  }

  /** A fault that has no frame to blame: of a publish that was answered later, say. */
  failChannel(number: number, error: unknown, method: MethodName): void {
    const channel = this.#channels.get(number)
    if (channel !== undefined) channel.method = methodId(method)
    this.#refuse(channel, error)
    this.flushSoon()
  }

  #readFrames(): void {
    let waits: Promise<void> | undefined
    try {
      if (this.#state === 'header' && !this.#readHeader()) return
      while (this.#state !== 'closed' && this.#decoder.next()) {
        const answer = this.#frame()
        if (answer === undefined) continue
        waits = answer
        break
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#endBatch()
    if (waits !== undefined) this.#waitFor(waits)
  }

  #waitFor(answer: Promise<void>): void {
    this.#busy = true
    this.#stream.pause()
    const channel = this.#lastChannel
    answer
      .catch((error: unknown) => this.#refuse(channel, error))
      .then(() => {
        this.#busy = false
        if (this.#state === 'closed') return
        this.#endBatch()
        this.#readFrames()
        this.#resume()
      })
      .catch((error: unknown) => this.#fail(error))
  }

  #readHeader(): boolean {
    const header = this.#decoder.protocolHeader()
    if (header === 'more') return false
    if (header === 'refused') {
      this.writer.raw(PROTOCOL_HEADER)
      this.writer.flush()
      this.#stream.end()
      this.disconnected()
      return false
    }
    this.#state = 'handshake'
    this.handshake.start()
    return true
  }

  #frame(): Promise<void> | undefined {
    const { type, channel: number, bytes, start, end } = this.#decoder
    if (type === FRAME_HEARTBEAT) {
      if (number !== 0 || end !== start) throw new WireError(501, 'a heartbeat has a channel or a payload')
      return undefined
    }
    if (number === 0) {
      if (type !== FRAME_METHOD) throw new WireError(505, 'content frames on channel 0')
      return this.#connectionMethod(readMethod(bytes, start, end))
    }
    if (this.#state === 'closing') return undefined
    if (this.#state !== 'running') throw new WireError(504, 'unexpected channel frame before connection.open')
    let channel = this.#lastChannel
    if (channel?.number !== number) {
      channel = this.#channels.get(number) ?? this.#openChannel(number, type, bytes, start, end)
      this.#lastChannel = channel
      if (channel === undefined) return undefined
    }
    try {
      return channel.frame(type, bytes, start, end)
    } catch (error) {
      this.#refuse(channel, error)
      return undefined
    }
  }

  #openChannel(number: number, type: number, bytes: Buffer, start: number, end: number): Channel | undefined {
    const method = type === FRAME_METHOD ? readMethod(bytes, start, end) : undefined
    if (method !== undefined) this.#method = methodId(method.name)
    if (method?.name !== 'channel.open') {
      // The client may not have heard yet that the channel was closed.
      if (method?.name === 'channel.close-ok' || method?.name === 'channel.close') return undefined
      throw new AmqpFault(504, "expected 'channel.open'")
    }
    const { channelMax } = this.handshake
    if (number > channelMax) {
      throw new AmqpFault(530, `channel ${number} is beyond the negotiated channel_max (${channelMax})`)
    }
    const channel = new Channel({ session: this, number, handlers })
    this.#channels.set(number, channel)
    return channel
  }

  #connectionMethod(method: Method): Promise<void> | undefined {
    this.#method = methodId(method.name)
    this.#lastChannel = undefined
    if (method.name === 'connection.close-ok') {
      if (this.#state !== 'closing') throw new AmqpFault(503, 'connection.close-ok without connection.close')
      this.#end()
      return undefined
    }
    if (method.name === 'connection.close') return this.#closedByPeer()
    if (this.#state === 'closing') return undefined
    if (this.#state === 'handshake') return this.handshake.method(method)
    if (method.name === 'connection.update-secret') return this.handshake.updateSecret(method.args.newSecret)
    throw new AmqpFault(503, `unexpected method ${method.name} on a running connection`)
  }

  /** What was published before the close is stored before it is answered. */
  async #closedByPeer(): Promise<void> {
    await this.publisher.idle()
    for (const channel of [...this.#channels.values()]) channel.end()
    this.#flushSettlements()
    await this.#dropExclusiveQueues()
    this.send(0, 'connection.close-ok', {})
    this.#end()
  }

  #end(): void {
    this.writer.flush()
    this.#stream.end()
    this.disconnected()
  }

  #endBatch(): void {
    this.publisher.flush()
    this.#flushSettlements()
    const feed = this.#touched
    if (feed !== undefined) {
      this.#touched = undefined
      feed.pump()
      for (const other of this.#touchedMore) other.pump()
      this.#touchedMore.clear()
    }
    this.flush()
  }

  #flushSettlements(): void {
    const settlements = this.#settlements
    if (settlements.length === 0) return
    this.#settlements = []
    this.hub.parts.port.settle(settlements).catch((fault: unknown) => this.#fail(fault))
  }

  /** A fault of a frame: closes its channel, or the connection. */
  #refuse(channel: Channel | undefined, error: unknown): void {
    const fault = error instanceof WireError ? error : faultOf(error)
    if (channel !== undefined) this.#method = channel.method
    if (fault instanceof WireError || fault.closes === 'connection' || channel === undefined) {
      this.#fail(fault)
      return
    }
    const [classId, method] = channel.method
    this.publisher.flush()
    channel.fail()
    this.#flushSettlements()
    this.send(channel.number, 'channel.close', {
      replyCode: fault.code,
      replyText: fault.replyText,
      classId,
      methodId: method,
    })
  }

  #fail(error: unknown): void {
    if (this.#state === 'closed' || this.#state === 'closing') return
    const { log, clock } = this.hub.parts
    const fault = error instanceof WireError ? new AmqpFault(error.code, error.message, 'connection') : faultOf(error)
    if (fault.code === 541)
      log.error('an AMQP connection ended with an internal error', { connection: this.name, fault: error })
    const wasOpen = this.#state === 'running' || this.handshake.mayRefuse
    this.#state = 'closing'
    this.publisher.flush()
    for (const channel of [...this.#channels.values()]) channel.end()
    this.#channels.clear()
    this.#lastChannel = undefined
    this.#flushSettlements()
    if (wasOpen) {
      const [classId, method] = this.#method
      const { code: replyCode, replyText } = fault
      this.send(0, 'connection.close', { replyCode, replyText, classId, methodId: method })
      this.flush()
      this.#timer?.cancel()
      this.#timer = clock.setTimer(CLOSE_OK_MS, () => this.#drop('connection.close was not answered'))
      // A stream that broke the framing has nothing left that could be read.
      if (error instanceof WireError && error.code === 501) this.#end()
    } else this.#drop(fault.message)
  }

  #drop(why: string): void {
    if (this.#state === 'closed') return
    this.hub.parts.log.warn('an AMQP connection was dropped', { connection: this.name, why })
    this.disconnected()
    this.#stream.destroy()
  }

  #emit(frames: Buffer, buffer: Buffer): void {
    if (this.#stream.destroyed) return
    this.#heartbeat?.sent()
    this.#stream.write(frames, () => this.hub.pool.giveBack(buffer))
    if (this.#stream.writableLength > this.hub.parts.amqpLimits.unsentBytesMax) this.choked = true
  }

  #underPressure(pressure: 'flowing' | 'paused' | 'blocked'): void {
    const wasBlocked = this.#pressure === 'blocked'
    this.#pressure = pressure
    if (this.capability('connection.blocked') && this.#state === 'running') {
      if (pressure === 'blocked' && !wasBlocked) this.send(0, 'connection.blocked', { reason: 'low on disk' })
      if (pressure !== 'blocked' && wasBlocked) this.send(0, 'connection.unblocked', {})
    }
    if (pressure === 'flowing') this.#resume()
    else this.#stream.pause()
  }

  #resume(): void {
    if (!this.#busy && this.#pressure === 'flowing' && this.#state !== 'closed') this.#stream.resume()
  }

  async #dropExclusiveQueues(): Promise<void> {
    const queues = [...this.exclusiveQueues]
    this.exclusiveQueues.clear()
    try {
      for (const queue of queues) await this.hub.deleteQueue(queue)
    } catch (fault) {
      this.hub.parts.log.warn('an exclusive queue could not be deleted', { connection: this.name, fault })
    }
    this.hub.disown(this.owner)
  }
}
