/** The attributes that a queue can be asked for: those that were set, and those that it has by itself. */
import type { MeasuredQueue } from '../../broker/port.ts'
import { queueArn } from './queue-address.ts'
import { settableAttributes } from './queue-attributes.ts'
import type { SqsQueue } from './queue-directory.ts'

const figures = {
  ApproximateNumberOfMessages: (measure: MeasuredQueue) => measure.ready,
  ApproximateNumberOfMessagesDelayed: (measure: MeasuredQueue) => measure.delayed,
  ApproximateNumberOfMessagesNotVisible: (measure: MeasuredQueue) => measure.leased,
} as const

const facts = {
  CreatedTimestamp: (queue: SqsQueue) => String(Math.floor(queue.createdAtMs / 1_000)),
  LastModifiedTimestamp: (queue: SqsQueue) => String(Math.floor(queue.modifiedAtMs / 1_000)),
  QueueArn: (queue: SqsQueue) => queueArn(queue.address),
} as const

/** Every name that GetQueueAttributes takes, but `All`. */
export const readableAttributes: ReadonlySet<string> = new Set([
  ...Object.keys(settableAttributes),
  ...Object.keys(figures),
  ...Object.keys(facts),
])

/** Those of `names` that the queue has. */
export function queueAttributes(
  queue: SqsQueue,
  measure: MeasuredQueue,
  names: Iterable<string>,
): Readonly<Record<string, string>> {
  const values: Record<string, string> = {}
  for (const name of names) {
    if (Object.hasOwn(figures, name)) values[name] = String(figures[name as keyof typeof figures](measure))
    else if (Object.hasOwn(facts, name)) values[name] = facts[name as keyof typeof facts](queue)
    else if (queue.attributes[name] !== undefined) values[name] = queue.attributes[name]
  }
  return values
}
