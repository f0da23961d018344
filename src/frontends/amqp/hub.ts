/** What the connections of one listener share: the store, the feeds of its queues, the exchanges it knows, and its holder. */
import type { Audit } from '../../broker/audit.ts'
import type { Port } from '../../broker/port.ts'
import type { Users } from '../../broker/users.ts'
import { isFault } from '../../model/errors.ts'
import type { Limits } from '../../model/limits.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Processes } from '../../runtime/processes.ts'
import type { Random } from '../../runtime/random.ts'
import { BufferPool } from '../../wire/amqp/buffer-pool.ts'
import { textOf } from '../../wire/amqp/field-table.ts'
import type { AmqpLimits } from './amqp-limits.ts'
import { allQueues, endOfExchange, queueKey, stillIs } from './definitions.ts'
import { ExchangeCache } from './exchanges.ts'
import { PolicyBook } from './policies/policy-book.ts'
import { type Company, Presence } from './presence.ts'
import { type QueueDefinition, wholeOf } from './queue-arguments.ts'
import { QueueFeed } from './queue-feed.ts'
import type { Registry } from './registry.ts'
import { RENEWAL_MS, RENEWED_MS, Renewals } from './renewals.ts'

export interface HubParts {
  readonly port: Port
  readonly users: Users
  readonly clock: Clock
  readonly random: Random
  readonly processes: Processes
  readonly log: Log
  readonly limits: Limits
  readonly amqpLimits: AmqpLimits
  readonly registry: Registry
  readonly audit?: Audit
}

/** Where the deletion of a queue is announced, with its name in the store: its consumers are cancelled. */
export const QUEUE_DELETED = 'spindle/amqp/queue-deleted'
const BUFFER_BYTES = 65_536
const BUFFERS_KEPT_MAX = 256

/** Takes an answer to a request: the consumer of a direct reply-to. */
export interface ReplyTaker {
  reply(head: Uint8Array, body: Uint8Array): void
}

export class Hub {
  readonly parts: HubParts
  readonly exchanges: ExchangeCache
  readonly policies: PolicyBook
  readonly pool: BufferPool = new BufferPool({ bufferBytes: BUFFER_BYTES, keepMax: BUFFERS_KEPT_MAX })
  /** Names this process among those that lease from the store. */
  readonly holder: string
  /** By the token in `amq.rabbitmq.reply-to.TOKEN`. */
  readonly replies: Map<string, ReplyTaker> = new Map()
  readonly #feeds = new Map<string, QueueFeed>()
  readonly #renewals: Renewals
  readonly #presence: Presence
  /** Did other processes serve this store when they were looked for last? */
  #hasCompany = false
  readonly #unlisten: () => void
  #renewal: Timer | undefined
  #renewing: Promise<unknown> = Promise.resolve()
  #names = 0

  constructor(parts: HubParts) {
    this.parts = parts
    this.holder = `amqp/${this.token(9)}`
    const { port, clock, processes } = parts
    this.#renewals = new Renewals(parts)
    this.#presence = new Presence({ port, clock, processes, holder: this.holder, ttlMs: RENEWED_MS })
    this.exchanges = new ExchangeCache(parts.port)
    this.policies = new PolicyBook(parts.port)
    this.#unlisten = parts.port.listen(QUEUE_DELETED, (queue) => {
      this.#feeds.get(Buffer.from(queue).toString('utf8'))?.gone()
    })
  }

  async start(): Promise<void> {
    const { alive, gone } = await this.#look()
    await this.#clearUp(alive, gone)
    this.#renewals.keep(this.holder, {
      renew: () => this.parts.port.renewHolder(this.holder, RENEWED_MS),
      lapsing: () => this.#lapsing('the leases of its consumers could not be renewed'),
    })
    this.#renewals.keep('presence', {
      renew: () => this.#presence.renew(),
      // Nobody is there to be misled: on a full disk, say, clients are served on.
      lapsing: () => {
        if (this.#hasCompany) this.#lapsing('this process could not tell the others that it lives')
      },
    })
    await this.#renewals.renewAll()
    this.#renewal = this.parts.clock.setTimer(RENEWAL_MS, this.#renewAgain)
  }

  /** Gives back what is leased and not answered. */
  async close(): Promise<void> {
    this.#renewal?.cancel()
    await this.#renewing
    this.#unlisten()
    this.exchanges.close()
    this.policies.close()
    await this.parts.port.releaseHolder(this.holder)
    await this.#presence.forget([this.holder])
  }

  /** Unguessable, of characters that stand in a queue name. */
  token(bytes: number): string {
    return Buffer.from(this.parts.random.bytes(bytes)).toString('base64url')
  }

  /** Unique in this process. */
  nextName(): string {
    return `${this.holder}/${++this.#names}`
  }

  /** Keeps what the owner holds until `disown`; `lapsing`: that is no longer possible. */
  own(owner: string, lapsing: () => void): Promise<void> {
    const renew = (): Promise<void> => this.parts.port.renewHolder(owner, RENEWED_MS)
    this.#renewals.keep(owner, { renew, lapsing })
    return renew()
  }

  disown(owner: string): void {
    if (!this.#renewals.leave(owner)) return
    this.parts.port.releaseHolder(owner).catch((fault: unknown) => {
      this.parts.log.warn('the exclusive queues of a closed AMQP connection stay until its holder runs out', { fault })
    })
  }

  feed(queue: string): QueueFeed | undefined {
    return this.#feeds.get(queue)
  }

  /** The feed of a queue that exists. */
  feedFor(queue: string, definition: QueueDefinition): QueueFeed {
    const known = this.#feeds.get(queue)
    if (known !== undefined) return known
    const feed: QueueFeed = new QueueFeed({
      port: this.parts.port,
      log: this.parts.log,
      queue,
      holder: this.holder,
      idleMs: wholeOf(definition.arguments.get('x-expires')),
      countsDeliveries: textOf(definition.arguments.get('x-queue-type')) === 'quorum',
      singleActive: isSingleActive(definition),
      ended: (ended, why) => {
        if (this.#feeds.get(queue) === ended) this.#feeds.delete(queue)
        if (why === 'unused' && definition.autoDelete) void this.#deleteUnused(queue)
      },
    })
    this.#feeds.set(queue, feed)
    return feed
  }

  /** Deletes the queue, its record, and tells its consumers, here and in other processes. */
  async deleteQueue(queue: string, options: { readonly ifEmpty?: boolean } = {}): Promise<boolean> {
    const records = [{ key: queueKey(queue), value: null }]
    const deleted = await this.parts.port.deleteQueue(queue, { ...options, records })
    if (deleted) this.parts.port.announce(QUEUE_DELETED, Buffer.from(queue))
    this.#feeds.get(queue)?.gone()
    // Exchanges may have gone with their last binding.
    this.exchanges.changed()
    return deleted
  }

  async #deleteUnused(queue: string): Promise<void> {
    try {
      await this.deleteQueue(queue)
    } catch (fault) {
      this.parts.log.warn('an unused auto-delete queue could not be deleted', { queue, fault })
    }
  }

  async #look(): Promise<Company> {
    const company = await this.#presence.look()
    this.#hasCompany = company.alive.size > 1
    return company
  }

  /** What processes had leased that are gone comes back now, not when their holders have run out; what was to end with them ends. */
  async #clearUp(alive: ReadonlySet<string>, gone: readonly string[]): Promise<void> {
    for (const holder of gone) await this.parts.port.releaseHolder(holder)
    await this.#dropTransient(alive)
    await this.#presence.forget(gone)
  }

  /** Queues and exchanges that were not to outlive their process, and did. */
  async #dropTransient(alive: ReadonlySet<string>): Promise<void> {
    const { port } = this.parts
    const isOver = (process: string | undefined): boolean =>
      process === undefined ? alive.size === 1 : !alive.has(process)
    for await (const { queue, definition, version } of allQueues(port)) {
      const [measured] = await port.measure([queue])
      if (measured === undefined || !stillIs(definition, measured)) await this.#forgetQueue(queue, version)
      else if ((!definition.durable || definition.owner !== undefined) && isOver(definition.process)) {
        await this.deleteQueue(queue)
      }
    }
    for (const { exchange, settings } of await port.listExchanges()) {
      const end = endOfExchange(settings)
      if (end !== undefined && isOver(end.process)) await port.deleteExchange(exchange)
    }
  }

  /** The record of a queue that is gone; one that was declared meanwhile keeps its own. */
  async #forgetQueue(queue: string, version: number): Promise<void> {
    try {
      const step = { kind: 'record', key: queueKey(queue), value: null, expect: version } as const
      await this.parts.port.transact([step])
    } catch (fault) {
      if (!isFault(fault, 'aborted')) throw fault
    }
  }

  readonly #renewAgain = (): void => {
    this.#renewal = this.parts.clock.setTimer(RENEWAL_MS, this.#renewAgain)
    this.#renewing = Promise.all([this.#renewals.renewAll(), this.#clearUpAfterOthers()])
  }

  async #clearUpAfterOthers(): Promise<void> {
    try {
      const { alive, gone } = await this.#look()
      if (gone.length > 0) await this.#clearUp(alive, gone)
    } catch (fault) {
      this.parts.log.warn('what other processes left behind that served AMQP could not be cleared up', { fault })
    }
  }

  /** Whoever goes on working on a message from now on may not be the only one. */
  #lapsing(why: string): void {
    this.parts.registry.closeAll(`broker forced connection closure with reason '${why}'`)
  }
}

function isSingleActive({ arguments: args }: QueueDefinition): boolean {
  const field = args.get('x-single-active-consumer')
  return field?.type === 't' && field.value
}
