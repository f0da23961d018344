/**
 * The plain reference engine: `memory:`. It states the contract in the simplest data structures that stay usable, runs
 * the model's `decide` as it stands, and is the oracle that the other engines are compared with. Nothing outlives it.
 *
 * A verb takes effect in the turn of the event loop in which it is called, whole; so verbs happen in the order of calls.
 */
import { SpindleError } from '../../model/errors.ts'
import { defaultLimits, type Limits } from '../../model/limits.ts'
import type { Delivery, ExtendOutcome, MessageId, MessageView, Receipt } from '../../model/message.ts'
import { foundingOf, storeTag, TAG_BYTES } from '../../model/message-id.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type {
  BrowsePage,
  BrowseRequest,
  Capabilities,
  CommitOptions,
  Engine,
  LeaseRequest,
  Outcome,
  QueueMeasure,
  StoredRecord,
  Unit,
} from '../engine.ts'
import { applyDue, nextDueMs } from './due.ts'
import { endHolder, extend, lease } from './leases.ts'
import { MemoryStore, waitsForExchange } from './store.ts'
import { applyUnit } from './units.ts'
import { browse, measureOf, viewOf } from './views.ts'

export class MemoryEngine implements Engine {
  readonly capabilities: Capabilities = { durable: false, callerTransactions: false, clock: 'process' }
  readonly #store: MemoryStore
  readonly #listeners = new Set<(queue: string) => void>()
  #state: 'new' | 'open' | 'closed' = 'new'
  #telling = false

  /** `random` draws the store's tag, the only chance in it. */
  constructor(parts: {
    readonly clock: Clock
    readonly random: Random
    readonly limits?: Limits
    readonly successorOf?: MessageId | undefined
  }) {
    const { clock, random, limits = defaultLimits, successorOf } = parts
    const founding = successorOf && foundingOf(successorOf)
    const tag = founding?.tag ?? storeTag(random.bytes(TAG_BYTES))
    this.#store = new MemoryStore({ clock, limits, tag, firstNumber: founding?.firstNumber ?? 1 })
  }

  async open(): Promise<void> {
    if (this.#state === 'closed') throw new SpindleError('closed', 'open a memory store anew')
    this.#state = 'open'
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    this.#listeners.clear()
  }

  async commit(units: readonly Unit[], options: CommitOptions = {}): Promise<Outcome[][]> {
    if (options.within !== undefined) {
      throw new SpindleError('unsupported', "commit within a caller's transaction in memory")
    }
    return this.#verb((store) => units.map((unit) => applyUnit(store, unit)))
  }

  async lease(request: LeaseRequest): Promise<Delivery[]> {
    return this.#verb((store) => lease(store, request))
  }

  async extend(receipts: readonly Receipt[], leaseMs: number): Promise<ExtendOutcome[]> {
    return this.#verb((store) => receipts.map((receipt) => extend(store, receipt, leaseMs)))
  }

  async renewHolder(holder: string, ttlMs: number): Promise<void> {
    this.#verb((store) => store.holders.set(holder, store.now.monotonicMs + ttlMs))
  }

  async releaseHolder(holder: string, options: { readonly spend?: boolean } = {}): Promise<void> {
    this.#verb((store) => endHolder(store, holder, options.spend ?? true))
  }

  async browse(request: BrowseRequest): Promise<BrowsePage> {
    return this.#verb((store) => browse(store, request))
  }

  async find(id: MessageId): Promise<MessageView | undefined> {
    return this.#verb((store) => {
      const entry = store.entries.get(store.numberOf(id) ?? 0)
      return entry === undefined ? undefined : viewOf(store, entry)
    })
  }

  async measure(names?: readonly string[]): Promise<QueueMeasure[]> {
    return this.#verb((store) => {
      const queues = names === undefined ? store.queues.values() : names.flatMap((name) => store.queues.get(name) ?? [])
      return [...queues].map(measureOf)
    })
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    return this.#verb((store) => store.records.read(key))
  }

  async scan(prefix: string, options: { readonly after?: string; readonly limit: number }): Promise<StoredRecord[]> {
    return this.#verb((store) => store.records.scan(prefix, options.after, options.limit))
  }

  async tick(budget: number): Promise<{ readonly nextDueMs: number | null }> {
    return this.#verb((store) => ({ nextDueMs: nextDueMs(store) }), budget)
  }

  watch(listener: (queue: string) => void): () => void {
    // A listener of its own, so that one function watching twice is told twice and ends each alone.
    const own = (queue: string): void => listener(queue)
    this.#listeners.add(own)
    for (const queue of this.#store.queues.values()) if (waitsForExchange(queue)) this.#store.hints.add(queue.name)
    if (this.#store.hints.size > 0) this.#tellSoon()
    return () => {
      this.#listeners.delete(own)
    }
  }

  /** Every verb first applies what is due, so that its answer never depends on when `tick` ran last. */
  #verb<T>(run: (store: MemoryStore) => T, budget = Number.POSITIVE_INFINITY): T {
    if (this.#state !== 'open') throw new SpindleError('closed', `use a memory store that is ${this.#state}`)
    const store = this.#store
    store.readClock()
    applyDue(store, budget)
    try {
      return run(store)
    } finally {
      store.undo.forget()
      if (store.hints.size > 0) this.#tellSoon()
    }
  }

  #tellSoon(): void {
    if (this.#telling) return
    this.#telling = true
    queueMicrotask(() => {
      this.#telling = false
      const queues = [...this.#store.hints]
      this.#store.hints.clear()
      for (const queue of queues) for (const listener of [...this.#listeners]) listener(queue)
    })
  }
}
