/**
 * A port whose calls outlive the port beneath: a folder that changes its owner, a server that is restarted or whose connection breaks.
 *
 *     seeking --arrived--> at work --the port beneath ends--> seeking …     --close()--> closed
 *        '--fail()--> failed: every call rejects with why
 *
 * What a caller sees when the port beneath goes away, in peace or not:
 * - a waiting receive goes on at the next one, for the rest of its `waitMs`; listeners stay; what was announced
 *   in between is lost, and they are told so
 * - reads, declarations, bindings and extends are repeated
 * - a settle is repeated: a receipt stays good while its lease does, so `settled` means settled. Where the
 *   repetition says `stale`, the first attempt may have done it, or the lease was lost: `outcome-unknown`
 * - other writes that were sent and not answered reject with `outcome-unknown`, unless the other side said in its good-bye that they
 *   had no effect; then they are repeated
 * - new calls wait for the next port, up to a patience, then reject with what the place says
 */
import type {
  DirectPort,
  Port,
  PublishedMessage,
  ReceiveRequest,
  SendOptions,
  SettleRequest,
  Step,
} from '../broker/port.ts'
import { SpindleError } from '../model/errors.ts'
import type { Delivery, MessageId, NewMessage, Receipt } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Ending, RemotePort } from './remote.ts'
import { ABORTED, WaitingCalls } from './waiting-calls.ts'

type Answer<M extends keyof Port> = Port[M] extends (...args: never[]) => Promise<infer Value> ? Value : never

export interface CarriedParts {
  /** For messages to people: `in ./data`, `at http://host:4566`. */
  readonly place: string
  readonly clock: Clock
  /** How long a call waits while there is no port, ms. */
  readonly patienceMs: number
  /** What it rejects with then. */
  readonly impatient: (attempted: string) => SpindleError
}

interface Listener {
  readonly channel: string
  readonly heard: (data: Uint8Array) => void
  readonly missed: (() => void) | undefined
  end: () => void
}

export abstract class CarriedPort implements Port {
  direct: DirectPort | undefined
  /** Where it is in this very process: the path that must cost nothing. Kept after it closed, so that its calls say so. */
  protected store: Port | undefined
  protected readonly waiting: WaitingCalls
  /** Has there ever been a port? */
  protected worked = false
  readonly #place: string
  readonly #clock: Clock
  readonly #listeners = new Set<Listener>()
  #remote: RemotePort | undefined
  /** Known before it greets, so that close() reaches an other side that never answers. */
  #greeting: RemotePort | undefined
  #failed: unknown
  #seeking: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  protected constructor({ place, clock, patienceMs, impatient }: CarriedParts) {
    this.#place = place
    this.#clock = clock
    this.waiting = new WaitingCalls({ clock, patienceMs, impatient })
  }

  /** Looks for a port until there is one: `arrived` or `join` ends it, or `fail`. Never rejects; returns when closing. */
  protected abstract seek(): Promise<void>

  /** Lets go of what `seek` found, beside what was joined. */
  protected letGo(): Promise<void> {
    return Promise.resolve()
  }

  /** A receive as the store in this process is asked. */
  protected held(request: ReceiveRequest): ReceiveRequest {
    return request
  }

  /** Starts seeking. Resolves with the first port; rejects with why there is none, and is closed then. */
  protected async begin(attempted: string): Promise<void> {
    const ready = this.#some(attempted)
    this.#seeking = this.seek()
    try {
      await ready
    } catch (fault) {
      await this.close()
      throw fault
    }
  }

  /** Why no port comes any more; undefined while one may. */
  protected get failed(): unknown {
    return this.#failed
  }

  protected get closing(): boolean {
    return this.#closing !== undefined
  }

  protected get joined(): boolean {
    return this.#remote !== undefined
  }

  append(queue: string, messages: readonly NewMessage[], options?: SendOptions): Promise<Answer<'append'>> {
    const store = this.store
    return store !== undefined
      ? store.append(queue, messages, options)
      : this.#carry('append', (port) => port.append(queue, messages))
  }

  publish(exchange: string, messages: readonly PublishedMessage[], options?: SendOptions): Promise<Answer<'publish'>> {
    const store = this.store
    if (store !== undefined) return store.publish(exchange, messages, options)
    return this.#carry('publish', (port) => port.publish(exchange, messages))
  }

  match(exchange: string, messages: readonly PublishedMessage[]): Promise<Answer<'match'>> {
    return this.#carry('match', (port) => port.match(exchange, messages))
  }

  deliver(units: Parameters<Port['deliver']>[0], options?: SendOptions): Promise<Answer<'deliver'>> {
    return this.#carry('deliver', (port) => port.deliver(units, options))
  }

  receive(request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]> {
    const store = this.store
    return store !== undefined ? store.receive(this.held(request), signal) : this.#receive(request, signal)
  }

  settle(settlements: readonly SettleRequest[]): Promise<Answer<'settle'>> {
    const store = this.store
    return store !== undefined ? store.settle(settlements) : this.#settle(settlements)
  }

  extend(receipts: readonly Receipt[], leaseMs: number): Promise<Answer<'extend'>> {
    const store = this.store
    if (store !== undefined) return store.extend(receipts, leaseMs)
    return this.#carry('extend', (port) => port.extend(receipts, leaseMs))
  }

  transact(steps: readonly Step[], options?: { readonly relaxed?: boolean }): Promise<Answer<'transact'>> {
    const store = this.store
    if (store !== undefined) return store.transact(steps, options)
    return this.#carry('transact', (port) => port.transact(steps, options))
  }

  declareQueue(...args: Parameters<Port['declareQueue']>): Promise<Answer<'declareQueue'>> {
    return this.#carry('declareQueue', (port) => port.declareQueue(...args))
  }

  deleteQueue(...args: Parameters<Port['deleteQueue']>): Promise<boolean> {
    return this.#carry('deleteQueue', (port) => port.deleteQueue(...args))
  }

  declareExchange(...args: Parameters<Port['declareExchange']>): Promise<Answer<'declareExchange'>> {
    return this.#carry('declareExchange', (port) => port.declareExchange(...args))
  }

  deleteExchange(...args: Parameters<Port['deleteExchange']>): Promise<boolean> {
    return this.#carry('deleteExchange', (port) => port.deleteExchange(...args))
  }

  putBinding(...args: Parameters<Port['putBinding']>): Promise<void> {
    return this.#carry('putBinding', (port) => port.putBinding(...args))
  }

  removeBinding(...args: Parameters<Port['removeBinding']>): Promise<boolean> {
    return this.#carry('removeBinding', (port) => port.removeBinding(...args))
  }

  listExchanges(exchanges?: readonly string[]): Promise<Answer<'listExchanges'>> {
    return this.#carry('listExchanges', (port) => port.listExchanges(exchanges))
  }

  startRedrive(request: Parameters<Port['startRedrive']>[0]): Promise<Answer<'startRedrive'>> {
    return this.#carry('startRedrive', (port) => port.startRedrive(request))
  }

  listRedrives(source?: string): Promise<Answer<'listRedrives'>> {
    return this.#carry('listRedrives', (port) => port.listRedrives(source))
  }

  cancelRedrive(id: string): Promise<Answer<'cancelRedrive'>> {
    return this.#carry('cancelRedrive', (port) => port.cancelRedrive(id))
  }

  renewHolder(holder: string, ttlMs: number): Promise<void> {
    return this.#carry('renewHolder', (port) => port.renewHolder(holder, ttlMs))
  }

  releaseHolder(holder: string, options?: { readonly spend?: boolean }): Promise<void> {
    return this.#carry('releaseHolder', (port) => port.releaseHolder(holder, options))
  }

  find(id: MessageId): Promise<Answer<'find'>> {
    return this.#carry('find', (port) => port.find(id))
  }

  browse(request: Parameters<Port['browse']>[0]): Promise<Answer<'browse'>> {
    return this.#carry('browse', (port) => port.browse(request))
  }

  measure(queues?: readonly string[]): Promise<Answer<'measure'>> {
    return this.#carry('measure', (port) => port.measure(queues))
  }

  purge(queue: string): Promise<number> {
    return this.#carry('purge', (port) => port.purge(queue))
  }

  read(key: string): Promise<Answer<'read'>> {
    return this.#carry('read', (port) => port.read(key))
  }

  scan(prefix: string, options: Parameters<Port['scan']>[1]): Promise<Answer<'scan'>> {
    return this.#carry('scan', (port) => port.scan(prefix, options))
  }

  announce(channel: string, data: Uint8Array): void {
    this.#port?.announce(channel, data)
  }

  listen(channel: string, heard: (data: Uint8Array) => void, missed?: () => void): () => void {
    const listener: Listener = { channel, heard, missed, end: () => {} }
    this.#listeners.add(listener)
    const port = this.#port
    if (port !== undefined) listener.end = port.listen(channel, heard)
    return () => {
      this.#listeners.delete(listener)
      listener.end()
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** The port that calls may go to now; undefined while there is none. */
  get #port(): Port | undefined {
    return this.store ?? (this.#remote?.ending === undefined ? this.#remote : undefined)
  }

  /** Makes the call where the store is now, and again after a change if the first attempt had no effect or may be repeated. */
  #carry<T>(attempted: string, call: (port: Port) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const port = this.#port
    if (port !== undefined) return this.#try(port, attempted, call, signal)
    return this.#some(attempted, signal).then((next) => this.#try(next, attempted, call, signal))
  }

  #try<T>(port: Port, attempted: string, call: (port: Port) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (!(port instanceof RemotePort)) return call(port)
    return call(port).catch((fault: unknown) => {
      if (!this.#mayRepeat(port, fault)) throw fault
      return this.#carry(attempted, call, signal)
    })
  }

  /** Did the call fail because this port ended under it, without effect? */
  #mayRepeat(port: RemotePort, fault: unknown): boolean {
    return this.#closing === undefined && isCode(fault, 'closed') && port.ending?.kind === 'gone'
  }

  async #receive(request: ReceiveRequest, signal: AbortSignal | undefined): Promise<Delivery[]> {
    const { waitMs = 0 } = request
    const clock = this.#clock
    const startedMs = clock.monotonicMs()
    const refused = this.#closing !== undefined
    try {
      return await this.#carry(
        'receive',
        (port) => {
          const leftMs = Math.max(0, waitMs - (clock.monotonicMs() - startedMs))
          const rest = waitMs > 0 ? { ...request, waitMs: leftMs } : request
          return port.receive(port === this.store ? this.held(rest) : rest, signal)
        },
        signal,
      )
    } catch (fault) {
      // close() ends waits with [], wherever they were.
      if (fault === ABORTED || (!refused && this.#closing !== undefined && isCode(fault, 'closed'))) return []
      throw fault
    }
  }

  async #settle(settlements: readonly SettleRequest[]): Promise<Answer<'settle'>> {
    let unsure = false
    for (;;) {
      try {
        const outcomes = await this.#carry('settle', (port) => port.settle(settlements))
        if (unsure && outcomes.some(({ kind }) => kind === 'stale')) {
          throw new SpindleError('outcome-unknown', `settle ${settlements.length} deliveries ${this.#place}`)
        }
        return outcomes
      } catch (fault) {
        if (unsure || !isCode(fault, 'outcome-unknown') || this.#closing !== undefined) throw fault
        unsure = true
      }
    }
  }

  /** Resolves with the next port. In the order of asking, so that calls made while there is none keep theirs. */
  #some(attempted: string, signal?: AbortSignal): Promise<Port> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    if (this.#closing !== undefined) return Promise.reject(this.#closedFault(attempted))
    return this.waiting.next(attempted, signal)
  }

  protected pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(ms, resolve, { keepAlive: true })
    })
  }

  /** false: it ended before it greeted; look again. Rejects with what the other side refused, and would again. */
  protected async join(remote: RemotePort): Promise<boolean> {
    this.#greeting = remote
    try {
      await remote.greeted
    } catch {
      const ending = await remote.ended
      if (ending.kind === 'fault') throw ending.fault
      return false
    } finally {
      this.#greeting = undefined
    }
    if (this.#closing !== undefined) {
      await remote.close()
      return true
    }
    void remote.ended.then((ending) => this.#left(remote, ending))
    this.#remote = remote
    this.arrived(remote)
    return true
  }

  protected arrived(port: Port): void {
    const again = this.worked
    this.worked = true
    for (const listener of this.#listeners) listener.end = port.listen(listener.channel, listener.heard)
    this.waiting.go(port)
    if (again) for (const { missed } of this.#listeners) missed?.()
  }

  protected fail(fault: unknown): void {
    this.#failed = fault
    this.waiting.fail(fault)
  }

  #left(remote: RemotePort, ending: Ending): void {
    if (this.#remote !== remote) return
    this.#remote = undefined
    if (this.#closing !== undefined) return
    if (ending.kind === 'fault') this.fail(ending.fault)
    else this.#seeking = this.seek()
  }

  async #close(): Promise<void> {
    // After the caller's turn, so that `#closing` is set wherever this leads.
    await Promise.resolve()
    this.waiting.fail(this.#closedFault('wait for the store'))
    await this.letGo()
    await Promise.all([this.#remote?.close(), this.#greeting?.close(), this.#seeking])
    for (const { end } of this.#listeners) end()
    this.#listeners.clear()
  }

  #closedFault(attempted: string): SpindleError {
    return new SpindleError('closed', `${attempted} ${this.#place}`)
  }
}

function isCode(fault: unknown, code: SpindleError['code']): boolean {
  return fault instanceof SpindleError && fault.code === code
}
