/**
 * One peer of a port: its frames become calls, answers become frames.
 *
 *     silent --hello--> admitting --admitted--> open --bye--> leaving --open calls answered--> ended
 *                                                |--drain()--> draining --open calls answered, bye--> ended   (the peer lives on elsewhere)
 *                                                '--stream ends, or speaks nonsense--> ended                  (the peer is dead)
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
import { checkVersion, type Facts, FRAME_BYTES_MAX, type Frame, PROTOCOL_VERSION } from '../../wire/remote/frame.ts'
import { receiveRequest } from './arguments.ts'
import { wireFaultOf } from './faults.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Holders } from './holders.ts'
import { methods } from './methods.ts'
import { Outbox } from './outbox.ts'

/** Calls one peer may have open; the next is answered `overloaded`. */
const CALLS_MAX = 250_000
/** Of requests that one peer has open, bytes; beyond, it is not read from until some are answered. */
const OPEN_BYTES_MAX = 64 * 1024 * 1024
/** Channels one peer may listen on; more are answered by ending the connection. */
const CHANNELS_MAX = 100_000
/** A peer that does not read loses announcements beyond this, bytes; answers it gets, and is not read from meanwhile. */
const EVENT_WAITING_BYTES_MAX = 16 * 1024 * 1024
/** How long a peer may take to greet, and its admission, ms. */
const GREETING_MS = 10_000
/** Of a frame while it is not known whose it is, bytes. */
const GREETING_BYTES_MAX = 64 * 1024
/** How long an ended connection may take to hand over its last bytes, ms. */
const LINGER_MS = 1_000

/** Whoever greeted, as the holders know it, and the port that it gets. */
export interface Admission {
  readonly client: string
  readonly port: Port
}

export interface ServeParts {
  readonly port: Port
  readonly stream: Duplex
  readonly holders: Holders
  readonly clock: Clock
  readonly log: Log
  /** Who answers, and what it tells of itself. */
  readonly name: string
  readonly facts: Facts
  /** Judges who greets. Rejects with what the peer is told. Default: everybody gets `port`, under the name it says. */
  readonly admit?: (greeting: Extract<Frame, { readonly kind: 'hello' }>) => Promise<Admission>
  /** The stream may die without a word: the peer is asked now and then whether it is there. */
  readonly heartbeat?: boolean
  readonly frameBytesMax?: number
}

interface OpenCall {
  readonly bytes: number
  /** Of a receive. */
  readonly controller: AbortController | undefined
}

type State = 'silent' | 'admitting' | 'open' | 'leaving' | 'draining' | 'ended'

export class ServedPeer {
  /** Resolves when the stream is closed and nothing of this peer is left to do. */
  readonly ended: Promise<void>

  readonly #parts: ServeParts
  readonly #outbox: Outbox
  readonly #decoder: FrameDecoder
  readonly #heartbeat: Heartbeat | undefined
  readonly #open = new Map<number, OpenCall>()
  #openBytes = 0
  /** What came behind a greeting that is being judged. */
  #early: [Frame, number][] = []
  #port: Port
  readonly #listening = new Map<string, () => void>()
  readonly #greeting: Timer
  #state: State = 'silent'
  #client: string | undefined
  #idle: () => void = () => {}

  constructor(parts: ServeParts) {
    this.#parts = parts
    this.#port = parts.port
    const { stream, clock, heartbeat = false, frameBytesMax = FRAME_BYTES_MAX } = parts
    this.#outbox = new Outbox(stream, frameBytesMax)
    this.#decoder = new FrameDecoder(Math.min(GREETING_BYTES_MAX, frameBytesMax))
    stream.on('data', (chunk: Uint8Array) => {
      this.#heartbeat?.heard()
      try {
        this.#decoder.push(chunk, (frame, frameBytes) => this.#take(frame, frameBytes))
      } catch (fault) {
        this.#reject(fault)
      }
      this.#regulate()
    })
    stream.on('drain', () => this.#regulate())
    stream.on('error', () => {})
    const late = (): void => this.#reject(new FrameError(`no greeting came within ${GREETING_MS} ms`))
    this.#greeting = clock.setTimer(GREETING_MS, late)
    if (heartbeat) {
      const ask = (): void => {
        if (this.#state === 'open') this.#outbox.say({ kind: 'ping' })
      }
      this.#heartbeat = new Heartbeat({ clock, ask, lost: () => stream.destroy() })
    }
    this.ended = new Promise<void>((resolve) => {
      stream.once('close', () => resolve())
    }).then(() => this.#farewell())
  }

  /** Answers what is under way, tells the peer that the rest had no effect, and ends without touching its leases. */
  async drain(): Promise<void> {
    for (const { controller } of this.#open.values()) controller?.abort()
    // One that is leaving by itself, or gone, is on its way out already.
    if (this.#state === 'ended' || this.#state === 'leaving') return this.ended
    this.#state = 'draining'
    await this.#whenIdle()
    this.#bye('closed', 'the owner closes')
    return this.ended
  }

  /** Has it greeted, and may it make calls? */
  get admitted(): boolean {
    return this.#client !== undefined
  }

  /** Ends it as one that may not go on; it is told why. */
  expel(fault: SpindleError): void {
    if (this.#state !== 'ended') this.#refuse(fault)
  }

  /**
   * A peer that does not read its answers, or whose requests fill the memory, is not read from until that is over. Nor is one
   * that is being admitted.
   */
  #regulate(): void {
    const { stream } = this.#parts
    if (this.#state === 'ended') return
    const full = stream.writableNeedDrain || this.#openBytes > OPEN_BYTES_MAX || this.#state === 'admitting'
    if (full === stream.isPaused()) return
    if (full) stream.pause()
    else stream.resume()
  }

  #take(frame: Frame, frameBytes: number): void {
    if (this.#state !== 'open') {
      if (this.#state === 'silent') this.#greet(frame)
      else if (this.#state === 'admitting') this.#early.push([frame, frameBytes])
      // Leaving: cancels may still come. Draining and ended: what comes now has no effect, as our bye says.
      else if (this.#state === 'leaving' && frame.kind === 'cancel') this.#open.get(frame.id)?.controller?.abort()
      return
    }
    switch (frame.kind) {
      case 'request':
        this.#request(frame, frameBytes)
        return
      case 'cancel':
        this.#open.get(frame.id)?.controller?.abort()
        return
      case 'listen':
        this.#listen(frame.channel)
        return
      case 'unlisten':
        this.#listening.get(frame.channel)?.()
        this.#listening.delete(frame.channel)
        return
      case 'event':
        this.#port.announce(frame.channel, frame.data)
        return
      case 'ping':
        this.#outbox.say({ kind: 'pong' })
        return
      case 'pong':
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
    checkVersion(frame.version)
    const { port, admit } = this.#parts
    if (admit === undefined) {
      this.#welcome({ client: frame.name, port })
      return
    }
    this.#state = 'admitting'
    admit(frame).then(
      (admission) => {
        if (this.#state !== 'admitting') return
        this.#welcome(admission)
        try {
          for (const [early, frameBytes] of this.#early.splice(0)) this.#take(early, frameBytes)
        } catch (fault) {
          this.#reject(fault)
        }
        this.#regulate()
      },
      (fault: unknown) => {
        if (this.#state === 'admitting') this.#refuse(fault)
      },
    )
  }

  #welcome({ client, port }: Admission): void {
    const { holders, name, facts, log, frameBytesMax = FRAME_BYTES_MAX } = this.#parts
    this.#greeting.cancel()
    this.#decoder.frameBytesMax = frameBytesMax
    this.#client = client
    this.#port = port
    this.#state = 'open'
    holders.connected(client).catch((fault: unknown) => {
      log.warn('the leases of a joined process could not be renewed', { client, fault })
    })
    this.#outbox.say({ kind: 'hello', version: PROTOCOL_VERSION, name, facts })
  }

  #request({ id, method, args }: Extract<Frame, { readonly kind: 'request' }>, frameBytes: number): void {
    if (this.#open.has(id)) throw new FrameError(`request ${id} is already open`)
    if (this.#open.size >= CALLS_MAX) {
      this.#fault(id, new SpindleError('overloaded', `${method} with ${this.#open.size} calls open`))
      return
    }
    if (method === 'receive') {
      this.#receive(id, args[0], frameBytes)
      return
    }
    const call = methods.get(method)
    if (call === undefined) {
      this.#fault(id, new SpindleError('protocol', `call '${method.slice(0, 100)}'`))
      return
    }
    this.#opened(id, { bytes: frameBytes, controller: undefined })
    let answer: Promise<unknown>
    try {
      answer = call(this.#port, args)
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

  #receive(id: number, argument: unknown, frameBytes: number): void {
    const controller = new AbortController()
    let request: ReceiveRequest
    try {
      request = this.#held(receiveRequest(argument))
    } catch (fault) {
      this.#fault(id, fault)
      return
    }
    this.#opened(id, { bytes: frameBytes, controller })
    this.#port.receive(request, controller.signal).then(
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
      await this.#port.settle(deliveries.map(({ receipt }) => ({ receipt, how })))
    } catch (fault) {
      this.#parts.log.warn('deliveries that could not be handed over stay leased until their time', { fault })
    }
  }

  #listen(channel: string): void {
    if (this.#listening.has(channel)) return
    if (this.#listening.size >= CHANNELS_MAX) throw new FrameError(`it listens on more than ${CHANNELS_MAX} channels`)
    const end = this.#port.listen(channel, (data) => {
      if (this.#outbox.waitingBytes <= EVENT_WAITING_BYTES_MAX) this.#outbox.say({ kind: 'event', channel, data })
    })
    this.#listening.set(channel, end)
  }

  #fault(id: number, fault: unknown): void {
    this.#outbox.say({ kind: 'error', id, ...wireFaultOf(fault) })
  }

  #opened(id: number, call: OpenCall): void {
    this.#open.set(id, call)
    this.#openBytes += call.bytes
  }

  #done(id: number): void {
    this.#openBytes -= this.#open.get(id)?.bytes ?? 0
    this.#open.delete(id)
    this.#regulate()
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

  /** It may not come in, or not stay. What passes by itself is told as an end that one comes back from. */
  #refuse(fault: unknown): void {
    const { code, message } = wireFaultOf(fault)
    this.#bye(code === 'overloaded' ? 'closed' : code, message)
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
    this.#heartbeat?.stop()
    const drained = this.#state === 'draining'
    this.#state = 'ended'
    for (const end of this.#listening.values()) end()
    this.#listening.clear()
    for (const { controller } of this.#open.values()) controller?.abort()
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
