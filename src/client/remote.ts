/**
 * The port over a stream: a unix socket to the owner of a folder, a WebSocket to a server, or any other stream of bytes.
 *
 *     greeting --hello--> open --bye, end of stream, close()--> ended
 *
 * Calls are pipelined: none waits for another's answer, and those of one turn leave in one write. A port that has
 * ended stays ended; whoever wants to go on makes a new one over a new stream, with the same client name, under
 * which its leases are kept.
 *
 * What an unanswered call means when the stream ends: after the other side said `bye` it had no effect (`closed`);
 * else it may have had one (`outcome-unknown`), unless it is one that may be repeated (again `closed`).
 */
import type {
  DeclareQueueOptions,
  Port,
  PublishedMessage,
  QueuedMessage,
  ReceiveRequest,
  SettleRequest,
  Step,
} from '../broker/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { Delivery, MessageId, NewMessage, Receipt } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import { FrameDecoder } from '../wire/remote/decoder.ts'
import { FrameError } from '../wire/remote/fault.ts'
import { checkVersion, type Facts, FRAME_BYTES_MAX, type Frame, PROTOCOL_VERSION } from '../wire/remote/frame.ts'
import type { ByteStream } from './remote/byte-stream.ts'
import { faultOf } from './remote/faults.ts'
import { Heartbeat } from './remote/heartbeat.ts'
import { Outbox } from './remote/outbox.ts'

/** Calls that may be open at one time; the next is refused as `overloaded`. */
const CALLS_MAX = 200_000
/** Message bytes of one append or publish frame; larger batches are sent as several, which promises the same. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024
/** How long `close` waits for the other side's good-bye, ms: it may be stopped. */
const GOODBYE_MS = 2_000
/** Of frames that the other side has not taken yet, bytes; further calls are refused as `overloaded`. */
const WAITING_BYTES_MAX = 256 * 1024 * 1024
/** Announcements are dropped while more than this is waiting to be sent, bytes: they promise nothing, and memory is finite. */
const ANNOUNCE_WAITING_BYTES_MAX = 16 * 1024 * 1024

type Method = Exclude<keyof Port, 'direct' | 'within' | 'announce' | 'listen' | 'close'>
type Answer<M extends Method> = Awaited<ReturnType<Port[M]>>

/** Running these twice is as good as once, or as good as a loss that their caller must expect anyway; but see `isConditional`. */
const REPEATABLE: ReadonlySet<Method> = new Set([
  'declareQueue',
  'declareExchange',
  'putBinding',
  'listExchanges',
  'match',
  'listRedrives',
  'receive',
  'extend',
  'renewHolder',
  'releaseHolder',
  'find',
  'browse',
  'measure',
  'read',
  'scan',
])

interface Call {
  readonly method: Method
  readonly repeatable: boolean
  readonly answer: (value: unknown) => void
  readonly fail: (fault: Error) => void
}

/** Why it ended. `fault`: the other side refused to go on, and would again. */
export type Ending =
  | { readonly kind: 'gone' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'fault'; readonly fault: Error }

export class RemotePort implements Port {
  /** What the other side told of itself; rejects when the stream ends before it did. */
  readonly greeted: Promise<Facts>
  /** Resolves when the port has ended, after every open call was rejected. */
  readonly ended: Promise<Ending>

  readonly #stream: ByteStream
  readonly #outbox: Outbox
  readonly #clock: Clock
  readonly #peer: string
  readonly #calls = new Map<number, Call>()
  readonly #heartbeat: Heartbeat | undefined
  readonly #heard = new Map<string, Set<(data: Uint8Array) => void>>()
  #nextId = 1
  #ending: Ending | undefined
  #hasGreeted = false
  #byeReceived = false
  #closing: Promise<void> | undefined
  #greet: (facts: Facts) => void = () => {}
  #refuse: (fault: Error) => void = () => {}
  #end: (ending: Ending) => void = () => {}

  /**
   * `client`: this process's name among all that ever use the store; leases taken here are held under it. `peer`: for messages to
   * people. `facts`: what the greeting tells. `heartbeat`: the stream may die without a word, so the other side is asked now and then.
   */
  constructor(parts: {
    readonly stream: ByteStream
    readonly client: string
    readonly peer: string
    readonly clock: Clock
    readonly facts?: Facts
    readonly heartbeat?: boolean
    readonly frameBytesMax?: number
  }) {
    const { stream, client, peer, clock, facts = {}, heartbeat = false, frameBytesMax = FRAME_BYTES_MAX } = parts
    this.#stream = stream
    this.#clock = clock
    this.#peer = peer
    this.#outbox = new Outbox(stream, frameBytesMax)
    this.greeted = new Promise((resolve, reject) => {
      this.#greet = resolve
      this.#refuse = reject
    })
    this.greeted.catch(() => {})
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    const decoder = new FrameDecoder(frameBytesMax)
    stream.on('data', (chunk: Uint8Array) => {
      this.#heartbeat?.heard()
      try {
        decoder.push(chunk, (frame) => this.#take(frame))
      } catch (cause) {
        const why = cause instanceof FrameError ? ` (${cause.message})` : ''
        const fault = new SpindleError('protocol', `read from ${peer}${why}`, { cause })
        this.#finish({ kind: 'fault', fault })
      }
    })
    stream.on('error', () => {})
    stream.on('close', () => this.#finish({ kind: 'gone' }))
    // Destroyed before it came here: no event will tell.
    if (stream.destroyed) queueMicrotask(() => this.#finish({ kind: 'gone' }))
    if (heartbeat) {
      const ask = (): void => {
        if (this.#hasGreeted) this.#outbox.say({ kind: 'ping' })
      }
      this.#heartbeat = new Heartbeat({ clock, ask, lost: () => this.#finish({ kind: 'gone' }) })
    }
    this.#outbox.say({ kind: 'hello', version: PROTOCOL_VERSION, name: client, facts })
  }

  /** Why it ended; undefined while it has not. */
  get ending(): Ending | undefined {
    return this.#ending
  }

  declareQueue(...args: Parameters<Port['declareQueue']>): Promise<Answer<'declareQueue'>> {
    return this.#call('declareQueue', given(args))
  }

  deleteQueue(...args: Parameters<Port['deleteQueue']>): Promise<boolean> {
    return this.#call('deleteQueue', given(args))
  }

  declareExchange(...args: Parameters<Port['declareExchange']>): Promise<Answer<'declareExchange'>> {
    return this.#call('declareExchange', given(args))
  }

  deleteExchange(...args: Parameters<Port['deleteExchange']>): Promise<boolean> {
    return this.#call('deleteExchange', given(args))
  }

  putBinding(...args: Parameters<Port['putBinding']>): Promise<void> {
    return this.#call('putBinding', given(args))
  }

  removeBinding(...args: Parameters<Port['removeBinding']>): Promise<boolean> {
    return this.#call('removeBinding', given(args))
  }

  listExchanges(...args: Parameters<Port['listExchanges']>): Promise<Answer<'listExchanges'>> {
    return this.#call('listExchanges', given(args))
  }

  startRedrive(request: Parameters<Port['startRedrive']>[0]): Promise<Answer<'startRedrive'>> {
    return this.#call('startRedrive', [request])
  }

  listRedrives(...args: Parameters<Port['listRedrives']>): Promise<Answer<'listRedrives'>> {
    return this.#call('listRedrives', given(args))
  }

  cancelRedrive(id: string): Promise<Answer<'cancelRedrive'>> {
    return this.#call('cancelRedrive', [id])
  }

  append(queue: string, messages: readonly NewMessage[]): Promise<Answer<'append'>> {
    return this.#inBatches(messages, messageBytes, (batch) => this.#call('append', [queue, batch]))
  }

  publish(exchange: string, messages: readonly PublishedMessage[]): Promise<Answer<'publish'>> {
    return this.#inBatches(messages, messageBytes, (batch) => this.#call('publish', [exchange, batch]))
  }

  match(exchange: string, messages: readonly PublishedMessage[]): Promise<Answer<'match'>> {
    return this.#inBatches(messages, messageBytes, (batch) => this.#call('match', [exchange, batch]))
  }

  deliver(units: readonly (readonly QueuedMessage[])[]): Promise<Answer<'deliver'>> {
    return this.#inBatches(units, unitBytes, (batch) => this.#call('deliver', [batch]))
  }

  /** Each entry stands for itself, so several calls promise what one does. */
  #inBatches<E, A>(
    entries: readonly E[],
    bytesOf: (entry: E) => number,
    call: (batch: readonly E[]) => Promise<A[]>,
  ): Promise<A[]> {
    const batches = batchesOf(entries, bytesOf)
    if (batches.length === 1) return call(entries)
    return Promise.all(batches.map(call)).then((answers) => answers.flat())
  }

  receive(request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]> {
    if (signal === undefined) return this.#call('receive', [request])
    if (signal.aborted) return Promise.resolve([])
    return this.#abortableReceive(request, signal)
  }

  settle(settlements: readonly SettleRequest[]): Promise<Answer<'settle'>> {
    return this.#call('settle', [settlements])
  }

  extend(receipts: readonly Receipt[], leaseMs: number): Promise<Answer<'extend'>> {
    return this.#call('extend', [receipts, leaseMs])
  }

  transact(steps: readonly Step[], options?: { readonly relaxed?: boolean }): Promise<Answer<'transact'>> {
    return this.#call('transact', options === undefined ? [steps] : [steps, options])
  }

  renewHolder(holder: string, ttlMs: number): Promise<void> {
    return this.#call('renewHolder', [holder, ttlMs])
  }

  releaseHolder(holder: string, options?: { readonly spend?: boolean }): Promise<void> {
    return this.#call('releaseHolder', options === undefined ? [holder] : [holder, options])
  }

  find(id: MessageId): Promise<Answer<'find'>> {
    return this.#call('find', [id])
  }

  browse(request: Parameters<Port['browse']>[0]): Promise<Answer<'browse'>> {
    return this.#call('browse', [request])
  }

  measure(queues?: readonly string[]): Promise<Answer<'measure'>> {
    return this.#call('measure', queues === undefined ? [] : [queues])
  }

  purge(queue: string): Promise<number> {
    return this.#call('purge', [queue])
  }

  read(key: string): Promise<Answer<'read'>> {
    return this.#call('read', [key])
  }

  scan(prefix: string, options: Parameters<Port['scan']>[1]): Promise<Answer<'scan'>> {
    return this.#call('scan', [prefix, options])
  }

  announce(channel: string, data: Uint8Array): void {
    if (this.#ending !== undefined || this.#outbox.waitingBytes > ANNOUNCE_WAITING_BYTES_MAX) return
    this.#outbox.say({ kind: 'event', channel, data })
  }

  listen(channel: string, heard: (data: Uint8Array) => void): () => void {
    const listeners = this.#heard.get(channel) ?? new Set()
    // Wrapped, so that one function may listen twice and each end only its own.
    const listener = (data: Uint8Array): void => heard(data)
    listeners.add(listener)
    if (listeners.size === 1) {
      this.#heard.set(channel, listeners)
      if (this.#ending === undefined) this.#outbox.say({ kind: 'listen', channel })
    }
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return
      this.#heard.delete(channel)
      if (this.#ending === undefined) this.#outbox.say({ kind: 'unlisten', channel })
    }
  }

  /** Ends this process's waits (they answer []), lets the open calls finish, gives its leases back unspent. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#sayGoodbye()
    return this.#closing
  }

  async #sayGoodbye(): Promise<void> {
    if (this.#ending !== undefined) return
    // Nobody has answered so far: there is nothing to give back, and perhaps nobody to wait for.
    if (!this.#hasGreeted) return this.#finish({ kind: 'closed' })
    for (const [id, { method }] of this.#calls) if (method === 'receive') this.#outbox.say({ kind: 'cancel', id })
    this.#outbox.say({ kind: 'bye', code: 'closed', message: 'the client closes' })
    const timer = this.#clock.setTimer(GOODBYE_MS, () => this.#finish({ kind: 'closed' }), { keepAlive: true })
    await this.ended
    timer.cancel()
  }

  #call<M extends Method>(method: M, args: Parameters<Port[M]> | readonly [ReceiveRequest]): Promise<Answer<M>> {
    return new Promise<Answer<M>>((resolve, reject) => {
      // The server answers each method with its own type; the cast trusts a server of the same version.
      const repeatable = REPEATABLE.has(method) && !isConditional(args)
      this.#ask(method, args, { method, repeatable, answer: (value) => resolve(value as Answer<M>), fail: reject })
    })
  }

  /** The id of the request, or undefined when it was refused here. */
  #ask(method: Method, args: readonly unknown[], call: Call): number | undefined {
    if (this.#ending !== undefined || this.#closing !== undefined) {
      call.fail(this.#ending?.kind === 'fault' ? this.#ending.fault : this.#closed(method))
      return undefined
    }
    if (this.#calls.size >= CALLS_MAX || this.#outbox.waitingBytes > WAITING_BYTES_MAX) {
      call.fail(new SpindleError('overloaded', `${method} with ${this.#calls.size} calls open at ${this.#peer}`))
      return undefined
    }
    const id = this.#nextId++
    try {
      this.#outbox.say({ kind: 'request', id, method, args })
    } catch (cause) {
      const tooLarge = cause instanceof FrameError
      call.fail(new SpindleError(tooLarge ? 'too-large' : 'invalid-argument', `${method} at ${this.#peer}`, { cause }))
      return undefined
    }
    this.#calls.set(id, call)
    return id
  }

  /** An abort answers [] at once, also when the owner does not; what it delivers all the same is given back unspent. */
  #abortableReceive(request: ReceiveRequest, signal: AbortSignal): Promise<Delivery[]> {
    return new Promise<Delivery[]>((resolve, reject) => {
      const abort = (): void => {
        if (id === undefined) return
        if (this.#ending === undefined) this.#outbox.say({ kind: 'cancel', id })
        // What left at-most-once cannot be given back: wait for it, and hand it over.
        if (request.settleOnDelivery !== true) resolve([])
      }
      const id = this.#ask('receive', [request], {
        method: 'receive',
        repeatable: true,
        answer: (value) => {
          signal.removeEventListener('abort', abort)
          const deliveries = value as Delivery[]
          if (signal.aborted && request.settleOnDelivery !== true) this.#giveBack(deliveries)
          else resolve(deliveries)
        },
        fail: (fault) => {
          signal.removeEventListener('abort', abort)
          reject(fault)
        },
      })
      if (id !== undefined) signal.addEventListener('abort', abort, { once: true })
    })
  }

  #giveBack(deliveries: readonly Delivery[]): void {
    if (deliveries.length === 0) return
    const how = { kind: 'release', spend: false } as const
    // Should this fail, the connection has ended, and the leases end with it.
    this.settle(deliveries.map(({ receipt }) => ({ receipt, how }))).catch(() => {})
  }

  #take(frame: Frame): void {
    switch (frame.kind) {
      case 'hello':
        checkVersion(frame.version)
        this.#hasGreeted = true
        this.#greet(frame.facts)
        return
      case 'ok': {
        const call = this.#calls.get(frame.id)
        this.#calls.delete(frame.id)
        call?.answer(frame.value)
        return
      }
      case 'error': {
        const call = this.#calls.get(frame.id)
        this.#calls.delete(frame.id)
        call?.fail(faultOf(frame))
        return
      }
      case 'event':
        for (const heard of this.#heard.get(frame.channel) ?? []) heard(frame.data)
        return
      case 'bye':
        this.#byeReceived = true
        if (frame.code === 'closed') this.#finish({ kind: 'gone' })
        else this.#finish({ kind: 'fault', fault: faultOf(frame) })
        return
      case 'ping':
        this.#outbox.say({ kind: 'pong' })
        return
      case 'pong':
        return
      case 'request':
      case 'cancel':
      case 'listen':
      case 'unlisten':
        throw new FrameError(`a ${frame.kind} frame came from the side that answers`)
      default:
        frame satisfies never
    }
  }

  #finish(ending: Ending): void {
    if (this.#ending !== undefined) return
    this.#ending = this.#closing !== undefined ? { kind: 'closed' } : ending
    this.#heartbeat?.stop()
    this.#outbox.end()
    this.#stream.destroy()
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) {
      if (this.#closing !== undefined && call.method === 'receive') call.answer([])
      else call.fail(this.#unanswered(call))
    }
    this.#refuse(this.#ending.kind === 'fault' ? this.#ending.fault : this.#closed('greet'))
    this.#end(this.#ending)
  }

  #unanswered({ method, repeatable }: Call): Error {
    if (this.#ending?.kind === 'fault') return this.#ending.fault
    if (this.#byeReceived || repeatable) return this.#closed(method)
    return new SpindleError('outcome-unknown', `${method} at ${this.#peer}`)
  }

  #closed(method: string): SpindleError {
    return new SpindleError('closed', `${method} at ${this.#peer}`)
  }
}

/** Does it expect something that its own first run would have changed? */
function isConditional(args: readonly unknown[]): boolean {
  const options = args.at(-1)
  if (typeof options !== 'object' || options === null || !('expect' in options || 'records' in options)) return false
  const { expect, records } = options as DeclareQueueOptions
  return expect !== undefined || (records ?? []).some((record) => record.expect !== undefined)
}

/** Options that were not given are not sent. */
function given<Args extends readonly unknown[]>(args: Args): Args {
  const last = args.findLastIndex((arg) => arg !== undefined)
  return args.slice(0, last + 1) as unknown as Args
}

function messageBytes({ content }: NewMessage): number {
  return content.body.length + content.head.length
}

function unitBytes(unit: readonly QueuedMessage[]): number {
  return unit.reduce((sum, { message }) => sum + messageBytes(message), 0)
}

/** Cuts a batch where it outgrows one frame. */
function batchesOf<E>(entries: readonly E[], bytesOf: (entry: E) => number): readonly (readonly E[])[] {
  const batches: E[][] = []
  let batch: E[] = []
  let batchBytes = 0
  for (const entry of entries) {
    const entryBytes = bytesOf(entry)
    if (batch.length > 0 && batchBytes + entryBytes > BATCH_BYTES_MAX) {
      batches.push(batch)
      batch = []
      batchBytes = 0
    }
    batch.push(entry)
    batchBytes += entryBytes
  }
  return [...batches, batch]
}
