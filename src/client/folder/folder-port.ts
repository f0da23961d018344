/**
 * One process's port to a folder that several share.
 *
 *     seeking --claimed--> owning   calls go straight to the store in this process; others are served on the socket
 *        |  ^                |
 *        |  |                '--close()--> closed
 *        |  '--owner gone--.
 *        '----joined----> joined    calls go over the socket to the owner
 *
 * Seeking ends in `failed` when the store cannot be opened (`corrupt`, `format-newer`…): every call rejects with that.
 *
 * What a caller sees when the owner goes away, by close() or by kill -9, while a process is joined:
 * - a waiting receive goes on at the next owner, for the rest of its `waitMs`; listeners stay; what was announced
 *   in between is lost
 * - reads, declarations, bindings and extends are repeated
 * - a settle is repeated: a receipt stays good across owners while its lease does, so `settled` means settled. Where the
 *   repetition says `stale`, the first attempt may have done it, or the lease was lost: `outcome-unknown`
 * - other writes that were sent and not answered reject with `outcome-unknown`, unless the owner said in its good-bye that they
 *   had no effect; then they are repeated
 * - new calls wait for the next owner, up to `busyAfterMs`, then reject with `folder-busy`
 * A message that the owner had leased for this process when it died, and whose delivery was lost with it, stays leased to this
 * process until its lease runs out: one attempt is spent.
 *
 * A stopped owner (SIGSTOP, a debugger) is still the owner: calls to it wait. So is one whose store is poisoned: everybody's
 * calls reject with `poisoned` until it closes or exits; then the next one recovers the folder.
 */
import type { Port, PublishedMessage, ReceiveRequest, SettleRequest, Step } from '../../broker/port.ts'
import { SpindleError } from '../../model/errors.ts'
import type { Delivery, MessageId, NewMessage, Receipt } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { RemotePort } from '../remote.ts'
import { findOrClaim, type Owned } from './claim.ts'
import { HeldDirect } from './held-direct.ts'
import { Ownership } from './ownership.ts'
import { ABORTED, WaitingCalls } from './waiting-calls.ts'

/** Default of `busyAfterMs`. */
const BUSY_AFTER_MS = 30_000
/** Pauses between looks at a folder whose owner is just changing, ms: doubled each time. */
const PAUSE_MS_MIN = 2
const PAUSE_MS_MAX = 100

type Answer<M extends keyof Port> = Port[M] extends (...args: never[]) => Promise<infer Value> ? Value : never

export interface FolderParts {
  readonly folder: string
  /** Opens the store in this process; called only while this process owns the folder. Closing the port closes it. */
  readonly openStore: () => Promise<Port>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** How long opening, and a call while the owner changes, waits for an owner that answers, ms. Default 30,000. */
  readonly busyAfterMs?: number
}

/** Where the port is; for tests and people. */
export type FolderRole = 'seeking' | 'owning' | 'joined' | 'failed' | 'closed'

interface Listener {
  readonly channel: string
  readonly heard: (data: Uint8Array) => void
  end: () => void
}

export class FolderPort implements Port {
  readonly #parts: FolderParts
  /** This process among all that ever share the folder; its leases are held under this name whoever owns it. */
  readonly #name: string
  readonly #ownLease: NonNullable<ReceiveRequest['lease']>
  /** The store while this process owns the folder, and after it closed it: the path that must cost nothing. */
  #store: Port | undefined
  direct: HeldDirect | undefined
  #ownership: Ownership | undefined
  #remote: RemotePort | undefined
  #failed: unknown
  /** Has there ever been a port? */
  #worked = false
  #seeking: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined
  readonly #waiting: WaitingCalls
  readonly #listeners = new Set<Listener>()

  private constructor(parts: FolderParts) {
    this.#parts = parts
    const { clock, folder, busyAfterMs = BUSY_AFTER_MS } = parts
    this.#waiting = new WaitingCalls({ clock, folder, busyAfterMs })
    this.#name = Buffer.from(parts.random.bytes(9)).toString('base64url')
    this.#ownLease = { kind: 'clock', holder: this.#name }
  }

  /** Resolves once the folder is owned and open, or an owner has answered. Rejects with what the store says, or `folder-busy`. */
  static async open(parts: FolderParts): Promise<FolderPort> {
    const port = new FolderPort(parts)
    const ready = port.#someOwner(`open ${parts.folder}`)
    port.#seeking = port.#seek()
    try {
      await ready
      return port
    } catch (fault) {
      await port.close()
      throw fault
    }
  }

  get role(): FolderRole {
    if (this.#closing !== undefined) return 'closed'
    if (this.#failed !== undefined) return 'failed'
    if (this.#store !== undefined) return 'owning'
    return this.#remote === undefined ? 'seeking' : 'joined'
  }

  append(queue: string, messages: readonly NewMessage[]): Promise<Answer<'append'>> {
    const store = this.#store
    return store !== undefined
      ? store.append(queue, messages)
      : this.#carry('append', (port) => port.append(queue, messages))
  }

  publish(exchange: string, messages: readonly PublishedMessage[]): Promise<Answer<'publish'>> {
    const store = this.#store
    if (store !== undefined) return store.publish(exchange, messages)
    return this.#carry('publish', (port) => port.publish(exchange, messages))
  }

  match(exchange: string, messages: readonly PublishedMessage[]): Promise<Answer<'match'>> {
    return this.#carry('match', (port) => port.match(exchange, messages))
  }

  deliver(units: Parameters<Port['deliver']>[0]): Promise<Answer<'deliver'>> {
    return this.#carry('deliver', (port) => port.deliver(units))
  }

  receive(request: ReceiveRequest, signal?: AbortSignal): Promise<Delivery[]> {
    const store = this.#store
    return store !== undefined ? store.receive(this.#held(request), signal) : this.#receive(request, signal)
  }

  settle(settlements: readonly SettleRequest[]): Promise<Answer<'settle'>> {
    const store = this.#store
    return store !== undefined ? store.settle(settlements) : this.#settle(settlements)
  }

  extend(receipts: readonly Receipt[], leaseMs: number): Promise<Answer<'extend'>> {
    const store = this.#store
    if (store !== undefined) return store.extend(receipts, leaseMs)
    return this.#carry('extend', (port) => port.extend(receipts, leaseMs))
  }

  transact(steps: readonly Step[], options?: { readonly relaxed?: boolean }): Promise<Answer<'transact'>> {
    const store = this.#store
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

  listen(channel: string, heard: (data: Uint8Array) => void): () => void {
    const listener: Listener = { channel, heard, end: () => {} }
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
    return this.#store ?? (this.#remote?.ending === undefined ? this.#remote : undefined)
  }

  /** Makes the call where the folder is now, and again after a change of owner if the first attempt had no effect or may be repeated. */
  #carry<T>(attempted: string, call: (port: Port) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const port = this.#port
    if (port !== undefined) return this.#try(port, attempted, call, signal)
    return this.#someOwner(attempted, signal).then((next) => this.#try(next, attempted, call, signal))
  }

  #try<T>(port: Port, attempted: string, call: (port: Port) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (!(port instanceof RemotePort)) return call(port)
    return call(port).catch((fault: unknown) => {
      if (!this.#mayRepeat(port, fault)) throw fault
      return this.#carry(attempted, call, signal)
    })
  }

  /** A lease taken by the owner ends with its process, too: the next owner is told by the claim whose they were. */
  #held(request: ReceiveRequest): ReceiveRequest {
    const { queue, max, waitMs, lease, from, settleOnDelivery, consumer, fill } = request
    if (lease === undefined) {
      // The common receive, told field by field: a spread costs ten times as much.
      const plain = from === undefined && settleOnDelivery === undefined && consumer === undefined && fill === undefined
      if (!plain) return { ...request, lease: this.#ownLease }
      if (waitMs === undefined) return { queue, max, lease: this.#ownLease }
      return { queue, max, waitMs, lease: this.#ownLease }
    }
    if (lease.kind === 'holder' || lease.holder !== undefined) return request
    return { ...request, lease: { ...lease, holder: this.#name } }
  }

  /** Did the call fail because this port ended under it, without effect? */
  #mayRepeat(port: RemotePort, fault: unknown): boolean {
    return this.#closing === undefined && isCode(fault, 'closed') && port.ending?.kind === 'gone'
  }

  async #receive(request: ReceiveRequest, signal: AbortSignal | undefined): Promise<Delivery[]> {
    const { waitMs = 0 } = request
    const { clock } = this.#parts
    const startedMs = clock.monotonicMs()
    const refused = this.#closing !== undefined
    try {
      return await this.#carry(
        'receive',
        (port) => {
          const leftMs = Math.max(0, waitMs - (clock.monotonicMs() - startedMs))
          const rest = waitMs > 0 ? { ...request, waitMs: leftMs } : request
          return port.receive(port === this.#store ? this.#held(rest) : rest, signal)
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
          throw new SpindleError('outcome-unknown', `settle ${settlements.length} deliveries in ${this.#parts.folder}`)
        }
        return outcomes
      } catch (fault) {
        if (unsure || !isCode(fault, 'outcome-unknown') || this.#closing !== undefined) throw fault
        unsure = true
      }
    }
  }

  /** Resolves with the next port. In the order of asking, so that calls made while there is none keep theirs. */
  #someOwner(attempted: string, signal?: AbortSignal): Promise<Port> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    if (this.#closing !== undefined) return Promise.reject(this.#closedFault(attempted))
    return this.#waiting.next(attempted, signal)
  }

  /** Looks for the owner until there is one: another process, or this one. */
  async #seek(): Promise<void> {
    const { folder, log } = this.#parts
    let pauseMs = PAUSE_MS_MIN
    while (this.#closing === undefined) {
      try {
        if (await this.#look()) return
      } catch (fault) {
        // Once it worked, a full disk or a lack of descriptors is weather: it passes, and callers wait or are told `folder-busy`.
        if (!this.#worked || (fault instanceof SpindleError && fault.code !== 'folder-busy')) {
          this.#fail(fault)
          log.error('this process cannot use the folder', { folder, fault })
          return
        }
        log.warn('looking for the owner of the folder failed and goes on', { folder, fault })
        pauseMs = PAUSE_MS_MAX
      }
      await this.#pause(pauseMs)
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.clock.setTimer(ms, resolve, { keepAlive: true })
    })
  }

  /** true: this process owns the folder now, or has joined its owner. */
  async #look(): Promise<boolean> {
    const { folder, clock, random } = this.#parts
    const found = await findOrClaim(folder, { holder: this.#name, random })
    switch (found.kind) {
      case 'owned':
        await this.#own(found)
        return true
      case 'joined':
        return this.#join(
          new RemotePort({ stream: found.socket, client: this.#name, peer: `the owner of ${folder}`, clock }),
        )
      case 'unsettled':
        return false
      default:
        return found satisfies never
    }
  }

  /** false: it ended before it greeted; look again. */
  async #join(remote: RemotePort): Promise<boolean> {
    // Known before it greets, so that close() reaches an owner that never answers.
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
    this.#arrived(remote)
    return true
  }

  #greeting: RemotePort | undefined

  #left(remote: RemotePort, ending: NonNullable<RemotePort['ending']>): void {
    if (this.#remote !== remote) return
    this.#remote = undefined
    if (this.#closing !== undefined) return
    if (ending.kind === 'fault') this.#fail(ending.fault)
    else this.#seeking = this.#seek()
  }

  async #own(claim: Owned): Promise<void> {
    const { openStore, clock, log, folder } = this.#parts
    this.#waiting.patient()
    try {
      const ownership = await Ownership.open({ claim, name: this.#name, openStore, clock, log })
      if (this.#closing !== undefined) {
        await ownership.letGo()
        return
      }
      this.#ownership = ownership
      this.#store = ownership.store
      const { direct } = ownership.store
      if (direct !== undefined) this.direct = new HeldDirect(direct, (request) => this.#held(request))
      log.info('this process owns the folder', { folder, generation: claim.generation })
      this.#arrived(ownership.store)
      ownership.serve()
    } finally {
      this.#waiting.impatient()
    }
  }

  #arrived(port: Port): void {
    this.#worked = true
    for (const listener of this.#listeners) listener.end = port.listen(listener.channel, listener.heard)
    this.#waiting.go(port)
  }

  #fail(fault: unknown): void {
    this.#failed = fault
    this.#waiting.fail(fault)
  }

  async #close(): Promise<void> {
    // After the caller's turn, so that `#closing` is set wherever this leads.
    await Promise.resolve()
    this.#waiting.fail(this.#closedFault('wait for the owner'))
    await this.#ownership?.letGo()
    await Promise.all([this.#remote?.close(), this.#greeting?.close(), this.#seeking])
    for (const { end } of this.#listeners) end()
    this.#listeners.clear()
  }

  #closedFault(attempted: string): SpindleError {
    return new SpindleError('closed', `${attempted} in ${this.#parts.folder}`)
  }
}

function isCode(fault: unknown, code: SpindleError['code']): boolean {
  return fault instanceof SpindleError && fault.code === code
}
