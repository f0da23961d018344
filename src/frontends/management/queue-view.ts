/** A queue as RabbitMQ's management API shows it. */
import type { MeasuredQueue, Port } from '../../broker/port.ts'
import { textOf } from '../../wire/amqp/field-table.ts'
import { allQueues, readQueue } from '../amqp/definitions.ts'
import { wireName } from '../amqp/names.ts'
import { PLAIN_DEFINITION, type QueueDefinition } from '../amqp/queue-arguments.ts'
import type { ConnectionView, ConsumerView } from '../amqp/registry.ts'
import { tableToJson } from './field-json.ts'
import { type ManagementParts, NODE } from './route.ts'

export interface FoundQueue {
  readonly measured: MeasuredQueue
  readonly definition: QueueDefinition
}

/** Those of one virtual host, or all. */
export async function foundQueues(port: Port, vhost?: string): Promise<FoundQueue[]> {
  const definitions = new Map<string, QueueDefinition>()
  for await (const { queue, definition } of allQueues(port)) definitions.set(queue, definition)
  const measures = await port.measure()
  return measures
    .filter(({ queue }) => vhost === undefined || wireName(queue).vhost === vhost)
    .map((measured) => ({ measured, definition: definitions.get(measured.queue) ?? PLAIN_DEFINITION }))
}

export async function foundQueue(port: Port, stored: string): Promise<FoundQueue | undefined> {
  const [measured] = await port.measure([stored])
  return measured && { measured, definition: (await readQueue(port, stored)) ?? PLAIN_DEFINITION }
}

/** The consumers of each queue in this process, by its name in the store. */
export function consumersByQueue(connections: readonly ConnectionView[]): Map<string, ConsumerView[]> {
  const found = new Map<string, ConsumerView[]>()
  for (const { channels } of connections) {
    for (const { consumers } of channels) {
      for (const consumer of consumers) found.set(consumer.queue, [...(found.get(consumer.queue) ?? []), consumer])
    }
  }
  return found
}

export async function queueView(
  { measured, definition }: FoundQueue,
  { policies }: Pick<ManagementParts, 'policies'>,
  consumers: readonly ConsumerView[] = [],
): Promise<{ readonly name: string; readonly vhost: string } & Readonly<Record<string, unknown>>> {
  const { queue, ready, delayed, leased, bytes, totals, oldestReadyAtMs } = measured
  const policy = definition === PLAIN_DEFINITION ? undefined : await policies.forQueue(queue, definition)
  const active = consumers.find((consumer) => consumer.active)
  const isSingle = definition.arguments.get('x-single-active-consumer') !== undefined
  const { vhost, name } = wireName(queue)
  return {
    name,
    vhost,
    durable: definition.durable,
    auto_delete: definition.autoDelete,
    exclusive: definition.owner !== undefined,
    arguments: tableToJson(definition.arguments),
    type: textOf(definition.arguments.get('x-queue-type')) ?? 'classic',
    node: NODE,
    state: 'running',
    policy: policy?.name ?? null,
    operator_policy: null,
    effective_policy_definition: policy?.definition ?? {},
    messages: ready + leased,
    messages_ready: ready,
    messages_unacknowledged: leased,
    messages_delayed: delayed,
    messages_persistent: definition.durable ? ready + leased : 0,
    message_bytes: bytes,
    head_message_timestamp: oldestReadyAtMs === undefined ? null : Math.floor(oldestReadyAtMs / 1_000),
    consumers: consumers.length,
    consumer_capacity: consumers.length > 0 ? 1 : 0,
    consumer_utilisation: consumers.length > 0 ? 1 : 0,
    exclusive_consumer_tag: consumers.find(({ exclusive }) => exclusive)?.tag ?? null,
    single_active_consumer_tag: isSingle ? (active?.tag ?? null) : null,
    memory: 0,
    garbage_collection: {},
    message_stats: {
      publish: totals.appended,
      deliver_get: totals.delivered,
      ack: totals.acked,
      redeliver: totals.released + totals.lost,
      dead_lettered: totals.died,
    },
  }
}
