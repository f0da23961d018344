/** The queue of webhooks, made when the first task asks for one: a store without them pays nothing. */
import { FAILED_TOPIC, type Port } from '../client/port.ts'
import type { TaskQueues } from './task-queue.ts'
import { WEBHOOK_TASK, type WebhookTask } from './webhook.ts'

/** Heard by workers, of which none looks after webhooks before there is one. */
export const WEBHOOK_CHANNEL = 'task-webhook'
const NOTHING = new Uint8Array(0)

export class WebhookQueue {
  readonly #port: Port
  readonly #queues: TaskQueues
  readonly #task: WebhookTask
  #isReady = false

  constructor(parts: { readonly port: Port; readonly queues: TaskQueues; readonly task: WebhookTask }) {
    this.#port = parts.port
    this.#queues = parts.queues
    this.#task = parts.task
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Deaths reach it in the unit in which they happen: the store judges some, without a worker that could tell. Idempotent. */
  async prepare(): Promise<void> {
    await this.#queues.declare(this.#task)
    await this.#port.declareExchange(FAILED_TOPIC, {})
    const target = { kind: 'queue', name: WEBHOOK_TASK } as const
    await this.#port.putBinding({ exchange: FAILED_TOPIC, id: WEBHOOK_TASK, target, key: '' })
    this.#isReady = true
    this.announce()
  }

  /** There is, or will be, a webhook in it. Nothing is lost when nobody hears: workers look when they start. */
  announce(): void {
    this.#port.announce(WEBHOOK_CHANNEL, NOTHING)
  }
}
