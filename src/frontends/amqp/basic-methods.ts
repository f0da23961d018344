/** Class basic (section 1.8) without publish and ack, which are frequent and stand in channel.ts. */
import { originOf } from '../../model/amqp-head.ts'
import { type FieldTable, textOf } from '../../wire/amqp/field-table.ts'
import type { Arguments } from '../../wire/amqp/methods.ts'
import { checkAccess } from './access.ts'
import type { Channel, Handlers } from './channel.ts'
import { Consumer } from './consumer.ts'
import { AmqpFault, preconditionFailed, resource } from './fault.ts'
import { headFor } from './head-for-delivery.ts'
import { underPolicy } from './policies/policy.ts'
import { REPLY_QUEUE } from './publish-path.ts'
import { wholeOf } from './queue-arguments.ts'
import { findQueue } from './queue-methods.ts'

export const basicHandlers: Handlers = {
  'basic.qos': qos,
  'basic.consume': consume,
  'basic.cancel': cancel,
  'basic.cancel-ok': () => {},
  'basic.get': get,
  'basic.ack': (channel, { deliveryTag, multiple }) => channel.ack(deliveryTag, multiple),
  'basic.nack': (channel, { deliveryTag, multiple, requeue }) => channel.nack(deliveryTag, multiple, requeue),
  'basic.reject': (channel, { deliveryTag, requeue }) => channel.nack(deliveryTag, false, requeue),
  'basic.recover': (channel, { requeue }) => {
    recover(channel, requeue)
    channel.send('basic.recover-ok', {})
  },
  'basic.recover-async': (channel, { requeue }) => recover(channel, requeue),
}

function qos(channel: Channel, { prefetchSize, prefetchCount, global }: Arguments<'basic.qos'>): void {
  if (prefetchSize !== 0) throw new AmqpFault(540, `prefetch_size!=0 (${prefetchSize})`)
  // RabbitMQ's meaning of `global`: false is for the consumers to come, true is shared by the channel.
  if (global) channel.globalPrefetch = prefetchCount
  else channel.prefetch = prefetchCount
  channel.send('basic.qos-ok', {})
  channel.pump()
}

async function consume(channel: Channel, args: Arguments<'basic.consume'>): Promise<void> {
  const { session, consumers } = channel
  const { hub, vhost, identity } = session
  const tag = args.consumerTag === '' ? channel.nextConsumerTag() : args.consumerTag
  if (consumers.has(tag) || channel.replies?.tag === tag) {
    throw new AmqpFault(530, `attempt to reuse consumer tag '${tag}'`, 'connection')
  }
  if (consumers.size >= hub.parts.amqpLimits.consumersMax) {
    throw new AmqpFault(506, `channel ${channel.number} has ${consumers.size} consumers, which is the limit`)
  }
  const answer = (): void => {
    if (!args.noWait) channel.send('basic.consume-ok', { consumerTag: tag })
  }
  if (args.queue === REPLY_QUEUE) {
    consumeReplies(channel, tag, args.noAck)
    return answer()
  }
  const { stored, name, definition } = await findQueue(channel, args.queue)
  checkAccess(identity, 'read', 'queue', stored, name, vhost)
  const feed = hub.feedFor(stored, underPolicy(definition, await hub.policies.forQueue(stored, definition)))
  if (feed.hasExclusive || (args.exclusive && feed.consumers.length > 0)) {
    throw new AmqpFault(403, `${resource('queue', name, vhost)} in exclusive use`)
  }
  const consumer = new Consumer({
    channel,
    feed,
    settings: {
      tag,
      noAck: args.noAck,
      exclusive: args.exclusive,
      priority: priorityOf(args.arguments),
      prefetch: channel.prefetch,
    },
  })
  consumers.set(tag, consumer)
  // consume-ok comes before the first delivery.
  answer()
  feed.add(consumer)
  feed.pump()
}

function priorityOf(table: FieldTable): number {
  const field = table.get('x-priority')
  if (field === undefined) return 0
  const priority = wholeOf(field)
  if (priority === undefined)
    throw preconditionFailed(`invalid value for argument 'x-priority': a whole number is expected`)
  return priority
}

function consumeReplies(channel: Channel, tag: string, noAck: boolean): void {
  const { hub } = channel.session
  if (!noAck) throw preconditionFailed('reply consumer cannot acknowledge')
  if (channel.replies !== undefined) throw preconditionFailed('reply consumer already set')
  const token = hub.token(18)
  channel.replies = { tag, token }
  hub.replies.set(token, channel)
}

function cancel(channel: Channel, { consumerTag, noWait }: Arguments<'basic.cancel'>): void {
  const consumer = channel.consumers.get(consumerTag)
  if (consumer !== undefined) {
    channel.consumers.delete(consumerTag)
    consumer.feed.remove(consumer)
  } else if (channel.replies?.tag === consumerTag) {
    channel.session.hub.replies.delete(channel.replies.token)
    channel.replies = undefined
  }
  if (!noWait) channel.send('basic.cancel-ok', { consumerTag })
}

async function get(channel: Channel, { queue, noAck }: Arguments<'basic.get'>): Promise<void> {
  const { session } = channel
  const { hub } = session
  const { port } = hub.parts
  // What this connection published before can be got.
  await session.publisher.idle()
  const { stored, name, definition } = await findQueue(channel, queue)
  checkAccess(session.identity, 'read', 'queue', stored, name, session.vhost)
  const lease = { kind: 'holder', holder: hub.holder } as const
  const [delivery] = await port.receive({ queue: stored, max: 1, lease })
  if (delivery === undefined) {
    channel.send('basic.get-empty', { reserved1: '' })
    return
  }
  const head = headFor(delivery, textOf(definition.arguments.get('x-queue-type')) === 'quorum')
  const { exchange, key } = originOf(head) ?? { exchange: '', key: name }
  const [left] = await port.measure([stored])
  const deliveryTag = channel.got(delivery.receipt, delivery.id, noAck)
  session.writer.methodWithContent(
    channel.number,
    'basic.get-ok',
    { deliveryTag, redelivered: delivery.deliveries > 1, exchange, routingKey: key, messageCount: left?.ready ?? 0 },
    head,
    delivery.content.body,
  )
  session.flushSoon()
}

function recover(channel: Channel, requeue: boolean): void {
  if (!requeue) throw new AmqpFault(540, 'requeue=false')
  channel.requeueAll()
}
