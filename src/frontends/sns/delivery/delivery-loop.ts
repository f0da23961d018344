/**
 * Serves one subscription: takes messages from its queue and POSTs them, or lays them into the outbox. A message leaves the queue only
 * in the unit in which its fate is known: acknowledged by the endpoint, in the outbox, in the dead-letter queue, or given up.
 */
import type { Port, SimpleStep } from '../../../broker/port.ts'
import { isFault, SpindleError } from '../../../model/errors.ts'
import type { Delivery } from '../../../model/message.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Log } from '../../../runtime/log.ts'
import type { Outbound, OutboundAnswer } from '../../../runtime/outbound-http.ts'
import { deadLetter } from '../dead-letter.ts'
import { type DeliveryPolicy, retryDelayMs } from '../delivery-policy.ts'
import type { CourierMessage } from './courier-message.ts'
import { OUTBOX, outboxEntry } from './outbox.ts'

/** Where messages of one queue go, and when they are given up. */
export interface Destination {
  readonly queue: string
  readonly protocol: string
  readonly endpoint: string
  readonly topicArn: string
  readonly subscriptionArn: string
  readonly policy: DeliveryPolicy
  /** undefined: what cannot be delivered is dropped, as SNS does. */
  readonly deadLetterQueue: string | undefined
}

export interface LoopParts {
  readonly port: Port
  readonly clock: Clock
  readonly log: Log
  readonly outbound: Outbound | undefined
  /** The message as it is to be delivered; makes the envelope of one that another protocol published. */
  readonly read: (delivery: Delivery) => Promise<CourierMessage>
  /** At most so many requests are under way in all loops together. */
  readonly enter: () => Promise<() => void>
  readonly outboxDeclared: () => Promise<unknown>
}

const BATCH = 10
const WAIT_MS = 20_000
/** After a fault of the store. */
const PAUSE_MS = 1_000

export class DeliveryLoop {
  readonly #parts: LoopParts
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  destination: Destination

  constructor(destination: Destination, parts: LoopParts) {
    this.destination = destination
    this.#parts = parts
    this.#done = this.#run()
  }

  /** Resolves when nothing of it is under way; what was not decided comes again. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { port, log } = this.#parts
    const { signal } = this.#stop
    while (!signal.aborted) {
      const { queue, policy } = this.destination
      const rate = policy.maxReceivesPerSecond
      try {
        const max = Math.max(1, Math.min(BATCH, rate ?? BATCH))
        const deliveries = await port.receive({ queue, max, waitMs: WAIT_MS }, signal)
        await Promise.all(deliveries.map((delivery) => this.#serve(delivery)))
        if (rate !== undefined && deliveries.length > 0) await this.#pause((deliveries.length / rate) * 1_000)
      } catch (fault) {
        if (fault instanceof SpindleError && (fault.code === 'closed' || fault.code === 'poisoned')) return
        log.warn('a delivery of SNS was put off', { queue, fault })
        await this.#pause(PAUSE_MS)
      }
    }
  }

  async #serve(delivery: Delivery): Promise<void> {
    const message = await this.#parts.read(delivery)
    const { protocol } = this.destination
    const isHttp = (message.gone?.protocol ?? protocol).startsWith('http')
    if (isHttp) await this.#post(delivery, message)
    else await this.#keep(delivery, message)
  }

  async #keep({ id, receipt }: Delivery, message: CourierMessage): Promise<void> {
    const { protocol, endpoint, topicArn, subscriptionArn } = this.destination
    const { messageId, type, subject, text } = message
    await this.#parts.outboxDeclared()
    const entry = outboxEntry({ protocol, endpoint, topicArn, subscriptionArn, messageId, type, subject, text })
    await this.#settle([
      { kind: 'append', queue: OUTBOX, message: entry },
      { kind: 'settle', receipt, id, how: { kind: 'ack' } },
    ])
  }

  async #post(delivery: Delivery, message: CourierMessage): Promise<void> {
    const { outbound } = this.#parts
    const { id, receipt } = delivery
    const leave = await this.#parts.enter()
    let answer: OutboundAnswer
    try {
      if (outbound === undefined || this.#stop.signal.aborted) return await this.#giveBack(delivery)
      answer = await outbound.post(this.#request(message), this.#stop.signal)
    } finally {
      leave()
    }
    // Stopped in the middle: whether it arrived is not known, so it is tried again.
    if (this.#stop.signal.aborted && answer.kind === 'failed') return this.#giveBack(delivery)
    if (answer.kind === 'answered' && answer.status >= 200 && answer.status < 300) {
      await this.#settle([{ kind: 'settle', receipt, id, how: { kind: 'ack' } }])
      return
    }
    const delayMs = isFinal(answer) ? undefined : retryDelayMs(this.destination.policy.retry, delivery.attempts)
    if (delayMs !== undefined) {
      await this.#settle([{ kind: 'settle', receipt, id, how: { kind: 'release', delayMs } }])
      return
    }
    await this.#giveUp(delivery, message, answer)
  }

  /** At once, and unspent: whoever serves the queue next delivers it. */
  #giveBack({ id, receipt }: Delivery): Promise<void> {
    return this.#settle([{ kind: 'settle', receipt, id, how: { kind: 'release', spend: false } }])
  }

  #request(message: CourierMessage) {
    const { gone, type, messageId, raw, text } = message
    const { endpoint, topicArn, subscriptionArn } = gone ?? this.destination
    const contentType = type === 'Notification' ? this.destination.policy.contentType : undefined
    return {
      url: endpoint,
      headers: {
        'Content-Type': contentType ?? 'text/plain; charset=UTF-8',
        'User-Agent': 'Amazon Simple Notification Service Agent',
        'x-amz-sns-message-type': type,
        'x-amz-sns-message-id': messageId,
        'x-amz-sns-topic-arn': topicArn,
        ...(type === 'SubscriptionConfirmation' ? {} : { 'x-amz-sns-subscription-arn': subscriptionArn }),
        ...(raw ? { 'x-amz-sns-rawdelivery': 'true' } : {}),
      },
      body: Buffer.from(text, 'utf8'),
    }
  }

  async #giveUp({ id, receipt }: Delivery, { type, messageId, text }: CourierMessage, answer: OutboundAnswer) {
    const { deadLetterQueue, endpoint } = this.destination
    const why = answer.kind === 'answered' ? `The endpoint answered ${answer.status}.` : answer.why
    this.#parts.log.warn('SNS gave up a delivery', { endpoint, messageId, why })
    const ack: SimpleStep = { kind: 'settle', receipt, id, how: { kind: 'ack' } }
    if (deadLetterQueue === undefined || type !== 'Notification') {
      await this.#settle([ack])
      return
    }
    const dead = { content: deadLetter(text, { messageId, why }) }
    try {
      await this.#parts.port.transact([{ kind: 'append', queue: deadLetterQueue, message: dead }, ack])
    } catch (fault) {
      // No such queue any more, or the lease is over: the first drops it, the second changes nothing.
      if (!isFault(fault, 'aborted')) throw fault
      await this.#settle([ack])
    }
  }

  /** A lease that is over is nobody's fault: the message comes again. */
  async #settle(steps: readonly SimpleStep[]): Promise<void> {
    try {
      await this.#parts.port.transact(steps)
    } catch (fault) {
      if (!isFault(fault, 'aborted')) throw fault
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#stop
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const end = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = this.#parts.clock.setTimer(ms, end)
      signal.addEventListener('abort', end)
    })
  }
}

/** Trying again changes nothing: the endpoint says that the request is wrong, or points elsewhere, or may not be asked. */
function isFinal(answer: OutboundAnswer): boolean {
  if (answer.kind !== 'answered') return answer.kind === 'refused'
  return answer.status >= 300 && answer.status < 500 && answer.status !== 429
}
