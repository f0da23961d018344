/**
 * The consumers of one queue in this process, and the one receive by which they are fed: it asks for as much as they have room for,
 * and spreads what comes message by message, priorities first, then in turn.
 *
 * Invariants: at most one receive is under way; whenever some consumer has room, one is. What comes when nobody has room any more
 * (a cancel met it) goes back to its place.
 */
import type { Port } from '../../broker/port.ts'
import { isFault } from '../../model/errors.ts'
import type { Delivery } from '../../model/message.ts'
import type { Log } from '../../runtime/log.ts'
import type { Consumer, Feed } from './consumer.ts'

export interface FeedParts {
  readonly port: Port
  readonly log: Log
  readonly queue: string
  /** Leases live as long as this holder, which the listener renews. */
  readonly holder: string
  /** The queue goes when it is unused for so long; undefined: it does not. */
  readonly idleMs: number | undefined
  readonly singleActive: boolean
  readonly countsDeliveries: boolean
  /** Its last consumer left, or the queue is gone. */
  readonly ended: (feed: QueueFeed, why: 'unused' | 'gone') => void
}

/** Deliveries of one receive at most, and bytes that they may have together, going by the latest ones. */
const BATCH_MAX = 1_024
const BATCH_BYTES_MAX = 8 * 1_048_576
const FIRST_BATCH_MAX = 64
const WAIT_MS = 20_000

export class QueueFeed implements Feed {
  readonly queue: string
  readonly singleActive: boolean
  readonly countsDeliveries: boolean
  readonly #parts: FeedParts
  /** By priority, highest first; among equals those that wait longest first. */
  #consumers: Consumer[] = []
  #turn = 0
  #receiving: AbortController | undefined
  #averageBytes = BATCH_BYTES_MAX / FIRST_BATCH_MAX
  #ended = false

  constructor(parts: FeedParts) {
    this.#parts = parts
    this.queue = parts.queue
    this.singleActive = parts.singleActive
    this.countsDeliveries = parts.countsDeliveries
  }

  get consumers(): readonly Consumer[] {
    return this.#consumers
  }

  get hasExclusive(): boolean {
    return this.#consumers.some(({ settings }) => settings.exclusive)
  }

  isActive(consumer: Consumer): boolean {
    return !this.singleActive || this.#consumers[0] === consumer
  }

  add(consumer: Consumer): void {
    const { priority } = consumer.settings
    // With a single active consumer the active one stays so, whatever comes.
    const from = this.singleActive && this.#consumers.length > 0 ? 1 : 0
    let at = this.#consumers.length
    while (at > from && (this.#consumers[at - 1] as Consumer).settings.priority < priority) at--
    this.#consumers.splice(at, 0, consumer)
  }

  remove(consumer: Consumer): void {
    const before = this.#consumers.length
    this.#consumers = this.#consumers.filter((other) => other !== consumer)
    if (this.#consumers.length === before) return
    if (this.#consumers.length > 0) {
      this.pump()
      return
    }
    this.#end('unused')
  }

  /** The queue is gone: its consumers are told. */
  gone(): void {
    const consumers = this.#consumers
    this.#consumers = []
    this.#end('gone')
    for (const consumer of consumers) consumer.channel.cancelled(consumer)
  }

  /** Something may have changed that gives a consumer room. */
  pump(): void {
    if (this.#receiving !== undefined || this.#ended || this.#room() <= 0) return
    void this.#receive()
  }

  #end(why: 'unused' | 'gone'): void {
    if (this.#ended) return
    this.#ended = true
    this.#receiving?.abort()
    this.#parts.ended(this, why)
  }

  #room(): number {
    if (this.singleActive) return Math.min(BATCH_MAX, this.#consumers[0]?.room ?? 0)
    let room = 0
    for (const consumer of this.#consumers) {
      const more = consumer.room
      if (more > 0) room += more
      if (room >= BATCH_MAX) return BATCH_MAX
    }
    return room
  }

  async #receive(): Promise<void> {
    const { port, queue, holder, idleMs, log } = this.#parts
    const stop = new AbortController()
    this.#receiving = stop
    const lease = { kind: 'holder', holder } as const
    // A queue that goes when it is idle is not idle while somebody consumes it: ask again in time.
    const waitMs = idleMs === undefined ? WAIT_MS : Math.min(WAIT_MS, Math.max(1, idleMs / 3))
    try {
      for (let room = this.#room(); room > 0 && !this.#ended; room = this.#room()) {
        const max = Math.min(room, Math.max(1, Math.floor(BATCH_BYTES_MAX / this.#averageBytes)))
        const deliveries = await port.receive({ queue, max, waitMs, lease }, stop.signal)
        if (deliveries.length > 0) this.#spread(deliveries)
        else if (!this.#ended && (await port.measure([queue])).length === 0) this.gone()
      }
    } catch (fault) {
      if (isFault(fault, 'closed')) this.gone()
      else {
        log.error('an AMQP queue can no longer be consumed', { queue, fault })
        this.gone()
      }
    } finally {
      this.#receiving = undefined
    }
    this.pump()
  }

  #spread(deliveries: readonly Delivery[]): void {
    let bytes = 0
    for (const { content } of deliveries) bytes += content.body.length
    this.#averageBytes = Math.max(1, this.#averageBytes * 0.8 + (bytes / deliveries.length) * 0.2)
    const consumers = this.#consumers
    const only = consumers.length === 1 || this.singleActive ? consumers[0] : undefined
    let taken = 0
    if (only !== undefined) {
      // Room for all of it was asked for; it only ever shrinks by what is delivered here, or by a flow that stopped.
      const room = only.room
      while (taken < deliveries.length && taken < room) only.channel.deliver(only, deliveries[taken++] as Delivery)
      only.channel.delivered()
    } else {
      for (; taken < deliveries.length; taken++) {
        const next = this.#next()
        if (next === undefined) break
        next.channel.deliver(next, deliveries[taken] as Delivery)
      }
      for (const consumer of consumers) consumer.channel.delivered()
    }
    if (taken < deliveries.length) this.#giveBack(deliveries.slice(taken))
  }

  /** Who gets the next one: the highest priority with room, and among these whose turn it is. */
  #next(): Consumer | undefined {
    const consumers = this.#consumers
    let priority: number | undefined
    let first: number | undefined
    for (let i = 0; i < consumers.length; i++) {
      const consumer = consumers[i] as Consumer
      if (priority !== undefined && consumer.settings.priority < priority) break
      if (consumer.room <= 0) continue
      priority ??= consumer.settings.priority
      first ??= i
      if (i >= this.#turn) {
        this.#turn = i + 1
        return consumer
      }
    }
    if (first === undefined) {
      this.#turn = 0
      return undefined
    }
    this.#turn = first + 1
    return consumers[first]
  }

  #giveBack(deliveries: readonly Delivery[]): void {
    const how = { kind: 'release', spend: false } as const
    this.#parts.port.settle(deliveries.map(({ receipt, id }) => ({ receipt, how, id }))).catch((fault: unknown) => {
      this.#parts.log.warn('messages that no AMQP consumer took could not be given back', { queue: this.queue, fault })
    })
  }
}
