/**
 * Takes the dead of queues whose policy sends them to an exchange, and publishes them there: each one's ack and appends are one
 * unit, so a stop in between loses none and doubles none.
 *
 *   engine: dead, hinted --lease--> here --route--> one unit { ack, append to each queue that takes it }
 *
 * - No queue takes it, or the exchange is missing: it is dropped, as AMQP does (the latter is logged, once an exchange).
 * - A queue in which it died before, with nothing but expiry and overflow since, does not get it again (RabbitMQ's cycle rule).
 * - A queue that is full, or a full disk: it stays dead in its queue, and is tried again after `RETRY_MS`.
 */
import type { AppendOp, Engine, Op, Outcome } from '../engine/engine.ts'
import { originOf, withOrigin } from '../model/amqp-head.ts'
import { returnsIdle } from '../model/deaths.ts'
import type { Content, Death, Delivery, MessageId, NewMessage } from '../model/message.ts'
import { route } from '../routing/route.ts'
import { RoutedMessage } from '../routing/routed-message.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Catalog } from './catalog.ts'

/** Leased at one time; their contents are in memory meanwhile. */
const BATCH = 32
const LEASE = { kind: 'clock', leaseMs: 60_000 } as const
/** Messages that a full queue keeps here during one run; then the run ends, and starts over later. */
const STUCK_MAX = 1_000
const RETRY_MS = 1_000
/** Missing exchanges that are remembered so as not to be logged twice. */
const MISSED_MAX = 1_000

interface Run {
  /** Grows with each hint, so that a lease that came back empty knows whether it looked too early. */
  hints: number
  done: Promise<void>
}

export class DeadLetterer {
  readonly #engine: Engine
  readonly #catalog: Catalog
  readonly #clock: Clock
  readonly #log: Log
  /** Hears of each message on its way to a queue, and of each one that left its own. */
  readonly #moved: (id: MessageId, appends: readonly AppendOp[]) => void
  readonly #runs = new Map<string, Run>()
  readonly #paused = new Map<string, Timer>()
  readonly #missed = new Set<string>()
  #stopped = true

  constructor(parts: {
    engine: Engine
    catalog: Catalog
    clock: Clock
    log: Log
    moved: (id: MessageId, appends: readonly AppendOp[]) => void
  }) {
    this.#engine = parts.engine
    this.#catalog = parts.catalog
    this.#clock = parts.clock
    this.#log = parts.log
    this.#moved = parts.moved
  }

  start(): void {
    this.#stopped = false
    for (const [queue] of this.#catalog.policies()) this.hinted(queue)
  }

  /** Resolves when nothing is under way; what was leased comes back to its queue by the lease's end. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#paused.values()) timer.cancel()
    this.#paused.clear()
    await Promise.all([...this.#runs.values()].map(({ done }) => done))
  }

  /** Something may have died in the queue. */
  hinted(queue: string): void {
    if (this.#stopped || this.#catalog.policy(queue)?.onDeath.kind !== 'exchange' || this.#paused.has(queue)) return
    const running = this.#runs.get(queue)
    if (running !== undefined) {
      running.hints++
      return
    }
    const run: Run = { hints: 0, done: Promise.resolve() }
    this.#runs.set(queue, run)
    run.done = this.#run(queue, run)
  }

  async #run(queue: string, run: Run): Promise<void> {
    const stuck: Delivery[] = []
    try {
      while (!this.#stopped && stuck.length < STUCK_MAX) {
        const { hints } = run
        const deliveries = await this.#engine.lease({ queue, max: BATCH, lease: LEASE, from: { kind: 'dead' } })
        if (deliveries.length > 0) stuck.push(...(await this.#publish(deliveries)))
        else if (run.hints === hints) break
      }
      if (stuck.length > 0) await this.#giveBack(queue, stuck)
    } catch (fault) {
      if (!this.#stopped)
        this.#log.error('dead messages could not be published; they stay in their queue', { queue, fault })
    } finally {
      this.#runs.delete(queue)
    }
  }

  /** Pauses first: what goes back is hinted as if it had just died. */
  async #giveBack(queue: string, stuck: readonly Delivery[]): Promise<void> {
    const resume = (): void => {
      this.#paused.delete(queue)
      this.hinted(queue)
    }
    this.#paused.set(queue, this.#clock.setTimer(RETRY_MS, resume))
    const how = { kind: 'release', spend: false } as const
    await this.#engine.commit(stuck.map(({ receipt }) => ({ ops: [{ kind: 'settle', receipt, how }] })))
  }

  /** Answers those for which there is no room now. */
  async #publish(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    const stuck: Delivery[] = []
    let waiting = deliveries.map((delivery) => ({ delivery, appends: this.#appends(delivery) }))
    while (waiting.length > 0) {
      const outcomes = await this.#engine.commit(
        waiting.map(({ delivery, appends }) => ({ ops: opsOf(delivery, appends) })),
      )
      const again: typeof waiting = []
      for (const [at, { delivery, appends }] of waiting.entries()) {
        const fate = judge(outcomes[at] ?? [])
        if (fate.kind === 'moved') this.#moved(delivery.id, appends)
        else if (fate.kind === 'stuck') stuck.push(delivery)
        else if (fate.kind === 'refused') {
          again.push({
            delivery,
            appends: withId(
              delivery,
              appends.filter((_, i) => i !== fate.append),
            ),
          })
        }
      }
      waiting = again
    }
    return stuck
  }

  #appends(delivery: Delivery): AppendOp[] {
    const { onDeath } = this.#catalog.policy(delivery.queue) ?? {}
    if (onDeath?.kind !== 'exchange') return []
    const own = new RoutedMessage(delivery.content)
    const key = onDeath.key ?? own.key
    const content: Content = {
      body: delivery.content.body,
      head: withOrigin(delivery.content.head, { exchange: onDeath.exchange, key }),
    }
    const history = historyWithOrigin(delivery)
    const { priority, groupId, dedupId } = delivery
    const message: NewMessage = {
      content,
      priority,
      history,
      ...(groupId === undefined ? {} : { groupId }),
      ...(dedupId === undefined ? {} : { dedupId }),
    }
    const queues = this.#queues(onDeath.exchange, delivery.queue, new RoutedMessage(content, { key })).filter(
      (queue) => !returnsIdle(delivery.history, queue),
    )
    return withId(
      delivery,
      queues.map((queue) => ({ kind: 'append', queue, message, required: true })),
    )
  }

  #queues(name: string, from: string, message: RoutedMessage): string[] {
    if (isDefaultExchange(name)) {
      const queue = name + message.key
      return this.#catalog.policy(queue) === undefined ? [] : [queue]
    }
    const exchange = this.#catalog.exchange(name)
    if (exchange === undefined) {
      this.#miss(name, from)
      return []
    }
    return route(this.#catalog.exchange, exchange, message).map(({ target }) => target.name)
  }

  #miss(exchange: string, queue: string): void {
    if (this.#missed.has(exchange)) return
    if (this.#missed.size >= MISSED_MAX) this.#missed.clear()
    this.#missed.add(exchange)
    this.#log.warn('dead messages are dropped: the exchange they go to does not exist', { exchange, queue })
  }
}

/** AMQP's default exchange, '' or, in another virtual host, `vhost:NAME/`: it leads to the queue that the key names, and is not stored. */
function isDefaultExchange(name: string): boolean {
  return name === '' || (name.startsWith('vhost:') && name.endsWith('/'))
}

/** One of the copies keeps the id: the first. */
function withId({ id }: Delivery, appends: readonly AppendOp[]): AppendOp[] {
  return appends.map((op, i) => (i === 0 ? { ...op, message: { ...op.message, id } } : op))
}

function opsOf({ receipt }: Delivery, appends: readonly AppendOp[]): Op[] {
  return [{ kind: 'settle', receipt, how: { kind: 'ack' }, required: true }, ...appends]
}

type Fate =
  | { readonly kind: 'moved' }
  /** Somebody else has it, or it is gone. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'stuck' }
  /** This append will never be taken; the others may be. */
  | { readonly kind: 'refused'; readonly append: number }

function judge(outcomes: readonly Outcome[]): Fate {
  const at = outcomes.findIndex(({ kind }) => kind === 'stale' || kind === 'duplicate' || kind === 'refused')
  const cause = outcomes[at]
  if (cause === undefined) return { kind: 'moved' }
  if (cause.kind === 'stale') return { kind: 'stale' }
  const full = cause.kind === 'refused' && (cause.reason === 'queue-full' || cause.reason === 'disk-full')
  return full ? { kind: 'stuck' } : { kind: 'refused', append: at - 1 }
}

/** The latest death says how the message had been published, unless an earlier one like it did: its head will say how it is now. */
function historyWithOrigin({ content, history }: Delivery): readonly Death[] {
  const latest = history.at(-1)
  const origin = originOf(content.head)
  if (latest === undefined || latest.exchange !== undefined || origin === undefined) return history
  return [...history.slice(0, -1), { ...latest, exchange: origin.exchange, keys: [origin.key] }]
}
