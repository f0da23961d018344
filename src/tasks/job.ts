/** What an enqueue hands out: where the task stands, how it ended, and ways to stop or repeat it. */
import type { Port } from '../client/port.ts'
import type { MessageId } from '../model/message.ts'
import { cancelTask, retryTask } from './cancel.ts'
import type { Flows } from './flows/flows.ts'
import { retainMsOf, type TaskQueues } from './task-queue.ts'
import type { Job } from './types.ts'
import { WatchedJob, type WatchParts } from './watched-job.ts'
import type { Webhooks } from './webhooks.ts'

/** Of the status of a task that was cancelled by somebody who does not know its definition: 24 h. */
const RETAIN_MS_UNKNOWN = 86_400_000

export interface JobParts extends WatchParts {
  readonly port: Port
  readonly queues: TaskQueues
  readonly webhooks: Webhooks
  readonly flows: Flows
}

export class TaskJob<Output> extends WatchedJob<Output> implements Job<Output> {
  readonly #parts: JobParts

  constructor(parts: JobParts, id: MessageId, task: string | undefined) {
    super(parts, id, task)
    this.#parts = parts
  }

  cancel(): Promise<boolean> {
    const { port, queues, webhooks, flows } = this.#parts
    const task = this.task === undefined ? undefined : queues.named(this.task)
    const retainMs = task === undefined ? RETAIN_MS_UNKNOWN : retainMsOf(task)
    return cancelTask(this.id, {
      port,
      retainMs,
      alongside: async (delivery) => [...(await webhooks.ofCancelled(delivery)), ...flows.cancelled(delivery)],
    })
  }

  retry(): Promise<boolean> {
    return retryTask(this.#parts.port, this.id)
  }
}
