/**
 * One peer of a port: its frames become calls, answers become frames.
 *
 *     silent --hello--> open --bye--> leaving --open calls answered--> ended
 *                        |--drain()--> draining --open calls answered, bye--> ended   (the peer lives on elsewhere)
 *                        '--stream ends, or speaks nonsense--> ended                  (the peer is dead)
 *
 * Invariants: a request that got no answer before our `bye` had no effect; a delivery that cannot reach the peer
 * any more goes back unspent, and only then does the peer's holder end.
 */
import type { Duplex } from 'node:stream'
import type { Port, ReceiveRequest } from '../../broker/port.ts'
import { SpindleError } from '../../model/errors.ts'
import type { Delivery } from '../../model/message.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { FrameDecoder } from '../../wire/remote/decoder.ts'
import { FrameError } from '../../wire/remote/fault.ts'
import { type Facts, FRAME_BYTES_MAX, type Frame, PROTOCOL_VERSION } from '../../wire/remote/frame.ts'
import { receiveRequest } from './arguments.ts'
import { wireFaultOf } from './faults.ts'
import type { Holders } from './holders.ts'
import { methods } from './methods.ts'
import { Outbox } from './outbox.ts'

/** Calls one peer may have open; the next is answered `overloaded`. */
const CALLS_MAX = 250_000
/** Channels one peer may listen on; more are answered by ending the connection. */
const CHANNELS_MAX = 100_000
/** A peer that does not read loses announcements beyond this, bytes; answers it gets, and is not read from meanwhile. */
const EVENT_WAITING_BYTES_MAX = 16 * 1024 * 1024
/** How long a peer may take to greet, ms. */
const GREETING_MS = 10_000
/** How long an ended connection may take to hand over its last bytes, ms. */
const LINGER_MS = 1_000

export interface ServeParts {
  readonly port: Port
  readonly stream: Duplex
  readonly holders: Holders
  readonly clock: Clock
  readonly log: Log
  /** Who answers, and what it tells of itself. */
  readonly name: string
  readonly facts: Facts
  readonly frameBytesMax?: number
}

type State = 'silent' | 'open' | 'leaving' | 'draining' | 'ended'

export class ServedPeer {
  /** Resolves when the stream is closed and nothing of this peer is left to do. */
  readonly ended: Promise<void>

  readonly #parts: ServeParts
  readonly #outbox: Outbox
  readonly #open = new Map<number, AbortController | undefined>()
  readonly #listening = new Map<string, () => void>()
  readonly #greeting: Timer
  #state: State = 'silent'
  #client: string | undefined
  #idle: () => void = () => {}

  constructor(parts: ServeParts) {
    this.#parts = parts
    const { stream, frameBytesMax = FRAME_BYTES_MAX } = parts
    this.#outbox = new Outbox(stream, frameBytesMax)
    const decoder = new FrameDecoder(frameBytesMax)
    stream.on('data', (chunk: Uint8Array) => {
      try {
        decoder.push(chunk, (frame) => this.#take(frame))
      } catch (fault) {
        this.#reject(fault)
      }
      // A peer that does not read its answers is not read from, until it does.
      if (stream.writableNeedDrain) {
        stream.pause()
        stream.once('drain', () => stream.resume())
      }
    })
    stream.on('error', () => {})
    const late = (): void => this.#reject(new FrameError(`no greeting came within ${GREETING_MS} ms`))
    this.#greeting = parts.clock.setTimer(GREETING_MS, late)
    this.ended = new Promise<void>((resolve) => {
      stream.once('close', () => resolve())
    }).then(() => this.#farewell())
  }

  /** Answers what is under way, tells the peer that the rest had no effect, and ends without touching its leases. */
  async drain(): Promise<void> {
    for (const controller of this.#open.values()) controller?.abort()
    // One that is leaving by itself, or gone, is on its way out already.
    if (this.#state === 'ended' || this.#state === 'leaving') return this.ended
    this.#state = 'draining'
    await this.#whenIdle()
    this.#bye('closed', 'the owner closes')
    return this.ended
  }

  #take(frame: Frame): void {
    if (this.#state !== 'open') {
      if (this.#state === 'silent') this.#greet(frame)
      // Leaving: cancels may still come. Draining and ended: what comes now has no effect, as our bye says.
      else if (this.#state === 'leaving' && frame.kind === 'cancel') this.#open.get(frame.id)?.abort()
      return
    }
    switch (frame.kind) {
      case 'request':
        this.#request(frame.id, frame.method, frame.args)
        return
      case 'cancel':
        this.#open.get(frame.id)?.abort()
        return
      case 'listen':
        this.#listen(frame.channel)
        return
      case 'unlisten':
        this.#listening.get(frame.channel)?.()
        this.#listening.delete(frame.channel)
        return
      case 'event':
        this.#parts.port.announce(frame.channel, frame.data)
        return
      case 'bye':
        this.#state = 'leaving'
        void this.#whenIdle().then(() => this.#leave())
        return
      case 'hello':
      case 'ok':
      case 'error':
        throw new FrameError(`a ${frame.kind} frame came from the side that asks`)
      default:
        frame satisfies never
    }
  }

  #greet(frame: Frame): void {
    if (frame.kind !== 'hello' || frame.name === '') throw new FrameError('the first frame is not a greeting')
    if (frame.version !== PROTOCOL_VERSION) {
      throw new FrameError(`the peer speaks version ${frame.version}; this is version ${PROTOCOL_VERSION}`)
    }
    const { holders, name, facts, log } = this.#parts
    this.#greeting.cancel()
    this.#client = frame.name
    this.#state = 'open'
    holders.connected(frame.name).catch((fault: unknown) => {
      log.warn('the leases of a joined process could not be renewed', { client: frame.name, fault })
    })
    this.#outbox.say({ kind: 'hello', version: PROTOCOL_VERSION, name, facts })
  }

  #request(id: number, method: string, args: readonly unknown[]): void {
    if (this.#open.has(id)) throw new FrameError(`request ${id} is already open`)
    if (this.#open.size >= CALLS_MAX) {
      this.#fault(id, new SpindleError('overloaded', `${method} with ${this.#open.size} calls open`))
      return
    }
    if (method === 'receive') {
      this.#receive(id, args[0])
      return
    }
    const call = methods.get(method)
    if (call === undefined) {
      this.#fault(id, new SpindleError('protocol', `call '${method.slice(0, 100)}'`))
      return
    }
    this.#open.set(id, undefined)
    let answer: Promise<unknown>
    try {
      answer = call(this.#parts.port, args)
    } catch (fault) {
      answer = Promise.reject(fault)
    }
    answer.then(
      (value) => {
        try {
          this.#outbox.say({ kind: 'ok', id, value })
        } catch (cause) {
          this.#fault(id, new SpindleError('too-large', `answer ${method} (ask for fewer at a time)`, { cause }))
        }
        this.#done(id)
      },
      (fault: unknown) => {
        this.#fault(id, fault)
        this.#done(id)
      },
    )
  }

  #receive(id: number, argument: unknown): void {
    const controller = new AbortController()
    let request: ReceiveRequest
    try {
      request = this.#held(receiveRequest(argument))
    } catch (fault) {
      this.#fault(id, fault)
      return
    }
    this.#open.set(id, controller)
    this.#parts.port.receive(request, controller.signal).then(
      (deliveries) => this.#deliver(id, request, deliveries).finally(() => this.#done(id)),
      (fault: unknown) => {
        this.#fault(id, fault)
        this.#done(id)
      },
    )
  }

  /** Leases end with the peer, unless it says itself with what. */
  #held(request: ReceiveRequest): ReceiveRequest {
    const { lease = CLOCK_LEASE } = request
    if (lease.kind === 'holder' || lease.holder !== undefined || this.#client === undefined) return request
    return { ...request, lease: { ...lease, holder: this.#client } }
  }

  async #deliver(id: number, request: ReceiveRequest, deliveries: readonly Delivery[]): Promise<void> {
    if (this.#parts.stream.destroyed || this.#state === 'ended') return this.#giveBack(request, deliveries)
    // Unanswered before our bye: the peer asks the next owner, with the rest of its patience.
    if (this.#state === 'draining' && deliveries.length === 0) return
    let count = deliveries.length
    for (;;) {
      try {
        this.#outbox.say({ kind: 'ok', id, value: deliveries.slice(0, count) })
        return this.#giveBack(request, deliveries.slice(count))
      } catch (fault) {
        if (count <= 1) {
          this.#fault(id, fault)
          return this.#giveBack(request, deliveries)
        }
        // Together they outgrow a frame. A receive may return fewer than it asked for.
        count = Math.floor(count / 2)
      }
    }
  }

  async #giveBack(request: ReceiveRequest, deliveries: readonly Delivery[]): Promise<void> {
    if (deliveries.length === 0 || request.settleOnDelivery === true) return
    const how = { kind: 'release', spend: false } as const
    try {
      await this.#parts.port.settle(deliveries.map(({ receipt }) => ({ receipt, how })))
    } catch (fault) {
      this.#parts.log.warn('deliveries that could not be handed over stay leased until their time', { fault })
    }
  }

  #listen(channel: string): void {
    if (this.#listening.has(channel)) return
    if (this.#listening.size >= CHANNELS_MAX) throw new FrameError(`it listens on more than ${CHANNELS_MAX} channels`)
    const end = this.#parts.port.listen(channel, (data) => {
      if (this.#outbox.waitingBytes <= EVENT_WAITING_BYTES_MAX) this.#outbox.say({ kind: 'event', channel, data })
    })
    this.#listening.set(channel, end)
  }

  #fault(id: number, fault: unknown): void {
    this.#outbox.say({ kind: 'error', id, ...wireFaultOf(fault) })
  }

  #done(id: number): void {
    this.#open.delete(id)
    if (this.#open.size === 0) this.#idle()
  }

  #whenIdle(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const before = this.#idle
      this.#idle = () => {
        before()
        resolve()
      }
    })
  }

  /** The peer said good-bye and has all its answers: its leases go back unspent before it hears ours. */
  async #leave(): Promise<void> {
    if (this.#state !== 'leaving') return
    await this.#disconnect(false)
    this.#bye('closed', 'good-bye')
  }

  /** Whatever the peer is, it does not speak our language: say so, once, and treat it as dead. */
  #reject(fault: unknown): void {
    if (this.#state === 'ended') return
    const message = fault instanceof Error ? fault.message : String(fault)
    const { code, message: told } = wireFaultOf(new SpindleError('protocol', message))
    this.#parts.log.warn('a connection was closed', { reason: message })
    this.#bye(code, told)
  }

  #bye(code: string, message: string): void {
    if (this.#state === 'ended') return
    const { stream, clock } = this.#parts
    this.#outbox.say({ kind: 'bye', code, message })
    this.#outbox.end()
    if (this.#state !== 'draining') this.#state = 'ended'
    const timer = clock.setTimer(LINGER_MS, () => stream.destroy())
    stream.once('close', () => timer.cancel())
    // Reading on, into the void, lets the peer's end arrive.
    stream.resume()
  }

  async #farewell(): Promise<void> {
    this.#greeting.cancel()
    const drained = this.#state === 'draining'
    this.#state = 'ended'
    for (const end of this.#listening.values()) end()
    this.#listening.clear()
    for (const controller of this.#open.values()) controller?.abort()
    await this.#whenIdle()
    if (!drained) await this.#disconnect(true)
  }

  async #disconnect(spend: boolean): Promise<void> {
    const client = this.#client
    this.#client = undefined
    if (client === undefined) return
    try {
      await this.#parts.holders.disconnected(client, spend)
    } catch (fault) {
      this.#parts.log.warn('the leases of a process that left run until their time', { client, fault })
    }
  }
}

const CLOCK_LEASE: NonNullable<ReceiveRequest['lease']> = { kind: 'clock' }
