/** Ends of tasks -> webhook tasks, stored in the same unit; and word to the workers that there is something to deliver. */

import type { Port, SimpleStep } from '../client/port.ts'
import { decodeHead } from '../model/content.ts'
import type { Delivery } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import { type Ending, finalStatus } from './ending.ts'
import type { Enqueuer } from './enqueue.ts'
import type { WebhookTask } from './webhook.ts'

/** Heard by workers, of which none looks after webhooks before there is one. */
export const WEBHOOK_CHANNEL = 'task-webhook'
const NOTHING = new Uint8Array(0)

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

  constructor(parts: { port: Port; clock: Clock; enqueuer: Enqueuer; task: WebhookTask }) {
    this.#port = parts.port
    this.#clock = parts.clock
    this.#enqueuer = parts.enqueuer
    this.#task = parts.task
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

  /** A webhook is on its way into the store. Nothing is lost when nobody hears: workers look when they start. */
  announce(): void {
    this.#port.announce(WEBHOOK_CHANNEL, NOTHING)
  }
}
