import type { BrowsePage, Port, PublishedMessage, QueueMeasure, ReceiveRequest } from '../broker/port.ts'
import { encodeContent } from '../model/content.ts'
import { SpindleError } from '../model/errors.ts'
import type { AppendOutcome, MessageId, MessageState, NewMessage, Receipt, SettleOutcome } from '../model/message.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import type { Message, PublishOptions, Queue, ReceiveOptions, Redrive, RedriveOptions, SendOptions } from './api.ts'
import { LeasedMessage } from './leased-message.ts'
import { PortRedrive } from './redrive.ts'

/** How long one turn of `messages()` waits at the broker before it asks again, ms. */
const WAIT_TURN_MS = 20_000
const BROWSE_LIMIT = 100
const ACK = { kind: 'ack' } as const

export class PortQueue<T> implements Queue<T> {
  readonly name: string
  readonly #port: Port
  readonly #clock: Clock

  constructor(port: Port, name: string, clock: Clock = systemClock) {
    this.#port = port
    this.name = name
    this.#clock = clock
  }

  send(body: T, options?: SendOptions): Promise<MessageId> {
    const message = newMessage(body, options)
    const { direct } = this.#port
    if (direct !== undefined) {
      try {
        const outcome = direct.append(this.name, message)
        if (outcome !== undefined) return direct.kept(storedId(outcome, this.name))
      } catch (fault) {
        return Promise.reject(fault)
      }
    }
    return this.#port.append(this.name, [message]).then((outcomes) => storedId(outcomes[0], this.name))
  }

  sendMany(items: readonly { readonly body: T; readonly options?: SendOptions }[]): Promise<AppendOutcome[]> {
    return this.#port.append(
      this.name,
      items.map(({ body, options }) => newMessage(body, options)),
    )
  }

  receive(options: ReceiveOptions = NO_OPTIONS): Promise<Message<T>[]> {
    const request = receiveRequest(this.name, options)
    const { direct } = this.#port
    if (direct !== undefined && request.waitMs === undefined && options.signal === undefined) {
      try {
        return direct.kept(this.#messages(direct.lease(request)))
      } catch (fault) {
        return Promise.reject(fault)
      }
    }
    return this.#port.receive(request, options.signal).then((deliveries) => this.#messages(deliveries))
  }

  #messages(deliveries: Awaited<ReturnType<Port['receive']>>): Message<T>[] {
    const only = deliveries.length === 1 ? deliveries[0] : undefined
    if (only !== undefined) return [new LeasedMessage<T>(this.#port, only)] // a literal is as long as need be
    return deliveries.map((delivery) => new LeasedMessage<T>(this.#port, delivery))
  }

  async *messages(options: ReceiveOptions = {}): AsyncIterableIterator<Message<T>> {
    const unread: Message<T>[] = []
    const stopped = (): boolean => options.signal?.aborted === true
    try {
      while (!stopped()) {
        unread.push(...(await this.receive({ waitMs: WAIT_TURN_MS, ...options })))
        for (let message = unread.shift(); message !== undefined; message = unread.shift()) {
          yield message
          if (stopped()) return
        }
      }
    } finally {
      // Whoever leaves the loop early must not leave the rest of the page hidden behind its leases.
      if (options.settleOnDelivery !== true) {
        await Promise.all(unread.map((message) => message.release({ spend: false })))
      }
    }
  }

  ack(...messages: readonly { readonly receipt: Receipt; readonly id?: MessageId }[]): Promise<SettleOutcome[]> {
    return this.#port.settle(
      messages.map(({ receipt, id }) => (id === undefined ? { receipt, how: ACK } : { receipt, how: ACK, id })),
    )
  }

  browse({
    states = ['ready', 'delayed', 'leased', 'dead'],
    cursor,
    limit = BROWSE_LIMIT,
  }: {
    readonly states?: readonly MessageState[]
    readonly cursor?: string
    readonly limit?: number
  } = {}): Promise<BrowsePage> {
    return this.#port.browse({ queue: this.name, states, limit, ...(cursor === undefined ? {} : { cursor }) })
  }

  async measure(): Promise<QueueMeasure & { readonly warnings: readonly string[] }> {
    const [measured] = await this.#port.measure([this.name])
    if (measured === undefined) throw new SpindleError('no-such-queue', `measure '${this.name}'`)
    const { runP99Ms, redelivered: _, ...measure } = measured
    const { leaseMs } = measure.policy
    const short = runP99Ms !== undefined && runP99Ms > leaseMs
    const warnings = short
      ? [
          `leaseMs is ${leaseMs} but one delivery in a hundred takes ${Math.ceil(runP99Ms)} ms or more to settle: such messages are delivered twice. Raise leaseMs, or extend leases while the work runs.`,
        ]
      : []
    return { ...measure, warnings }
  }

  purge(): Promise<number> {
    return this.#port.purge(this.name)
  }

  delete(): Promise<boolean> {
    return this.#port.deleteQueue(this.name)
  }

  async redrive({ to, from, ratePerSecond }: RedriveOptions = {}): Promise<Redrive> {
    const view = await this.#port.startRedrive({
      source: this.name,
      ...(to === undefined ? {} : { target: typeof to === 'string' ? to : to.name }),
      ...(from === undefined ? {} : { from }),
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    })
    return new PortRedrive({ port: this.#port, clock: this.#clock, view })
  }
}

/** The message that an application's `publish` means. */
export function publishedMessage(body: unknown, options: PublishOptions = NO_OPTIONS): PublishedMessage {
  const { key, keys } = options
  const message = newMessage(body, options)
  if (key === undefined && keys === undefined) return message
  const routing = { ...(key === undefined ? undefined : { key }), ...(keys === undefined ? undefined : { keys }) }
  return { ...message, routing }
}

/** The message that an application's `send` means. */
export function newMessage(body: unknown, options: SendOptions & { readonly key?: string } = NO_OPTIONS): NewMessage {
  if (options === NO_OPTIONS) return { content: encodeContent(body) } // the common case, without a copy of anything
  const { type, key, headers } = options
  const content = encodeContent(body, {
    ...(type === undefined ? undefined : { type }),
    ...(key === undefined ? undefined : { key }),
    ...(headers === undefined ? undefined : { headers }),
  })
  const { delayMs, priority, group, dedupId, ttlMs } = options
  return {
    content,
    ...(delayMs === undefined ? undefined : { delayMs }),
    ...(priority === undefined ? undefined : { priority }),
    ...(group === undefined ? undefined : { groupId: group }),
    ...(dedupId === undefined ? undefined : { dedupId }),
    ...(ttlMs === undefined ? undefined : { ttlMs }),
  }
}

const NO_OPTIONS: SendOptions & ReceiveOptions = Object.freeze({})

/** The id of what is now stored (of a duplicate: the first one's); a refusal becomes a rejection. */
export function storedId(outcome: AppendOutcome | undefined, target: string): MessageId {
  switch (outcome?.kind) {
    case 'stored':
      return outcome.id
    case 'duplicate':
      return outcome.of
    case 'refused':
      throw new SpindleError(outcome.reason, `send to '${target}'`)
    default:
      throw new Error(`send to '${target}' was not answered`)
  }
}

function receiveRequest(queue: string, options: ReceiveOptions): ReceiveRequest {
  if (options === NO_OPTIONS) return { queue, max: 1 }
  const { max = 1, waitMs, leaseMs, settleOnDelivery, consumer } = options
  return {
    queue,
    max,
    ...(waitMs === undefined ? undefined : { waitMs }),
    ...(leaseMs === undefined ? undefined : { lease: { kind: 'clock', leaseMs } as const }),
    ...(settleOnDelivery === undefined ? undefined : { settleOnDelivery }),
    ...(consumer === undefined ? undefined : { consumer }),
  }
}
