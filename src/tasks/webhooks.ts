/** Ends of tasks -> webhook tasks, stored in the same unit; and the word that a worker or the store has for each. */
import type { Port, SimpleStep } from '../client/port.ts'
import { decodeHead } from '../model/content.ts'
import type { Failure } from '../model/failed-event.ts'
import type { Delivery } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Ending, finalStatus } from './ending.ts'
import type { Enqueuer } from './enqueue.ts'
import { hasEnded, statusOf } from './status.ts'
import { decodeFailureNote } from './task-error.ts'
import type { WebhookInput, WebhookTask } from './webhook.ts'
import type { WebhookQueue } from './webhook-queue.ts'

export interface EndedTask {
  readonly delivery: Delivery
  readonly ending: Ending
  readonly runMs: number | undefined
}

export class Webhooks {
  readonly #port: Port
  readonly #clock: Clock
  readonly #enqueuer: Enqueuer
  readonly #task: WebhookTask
  readonly #queue: WebhookQueue

  constructor(parts: { port: Port; clock: Clock; enqueuer: Enqueuer; task: WebhookTask; queue: WebhookQueue }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#enqueuer = parts.enqueuer
    this.#task = parts.task
    this.#queue = parts.queue
  }

  /** What to commit with this end: nothing for most. */
  async steps({ delivery, ending, runMs }: EndedTask): Promise<readonly SimpleStep[]> {
    const head = decodeHead(delivery.content.head)
    const { webhook, delayMs } = head.task
    if (webhook === undefined) return []
    const of = { delivery, task: head.type ?? '', delayMs, runMs }
    const status = finalStatus(ending, of, this.#clock.wallMs())
    if (status === undefined) return []
    const { declared, step } = this.#enqueuer.step(this.#task, { url: webhook, status })
    await declared
    return [await step]
  }

  /** As `steps`, for a task that is cancelled before a worker had it. */
  async ofCancelled(delivery: Delivery): Promise<readonly SimpleStep[]> {
    const steps = await this.steps({ delivery, ending: { kind: 'cancelled', retainMs: 0 }, runMs: undefined })
    if (steps.length > 0) this.announce()
    return steps
  }

  announce(): void {
    this.#queue.announce()
  }
}

/**
 * What to post of a death that the store judged by itself: a lease that nobody gave back, a life that ran out. undefined: it had no
 * webhook, a worker has told of it already, or it lives again.
 */
export async function webhookOfDeath(
  { id, attempts }: Pick<Failure, 'id' | 'attempts'>,
  { port, clock }: { readonly port: Port; readonly clock: Clock },
): Promise<WebhookInput | undefined> {
  const view = await port.find(id)
  const url = view && decodeHead(view.content.head).task.webhook
  if (view === undefined || url === undefined) return undefined
  const told = view.note === undefined ? undefined : decodeFailureNote(view.note).told
  const status = statusOf(view, { progress: undefined, storeMs: undefined, nowMs: clock.wallMs() })
  return told === attempts || !hasEnded(status) ? undefined : { url, status }
}
