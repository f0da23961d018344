/** Class queue (section 1.7): declare, bind, unbind, purge, delete. */
import { bindingId } from '../../broker/port.ts'
import { isFault } from '../../model/errors.ts'
import type { Arguments } from '../../wire/amqp/methods.ts'
import { checkAccess } from './access.ts'
import { audited } from './audited.ts'
import { bindingWords } from './binding-words.ts'
import type { Channel, Handlers } from './channel.ts'
import { encodeQueue, queueKey, readQueue, stillIs } from './definitions.ts'
import { refusedDefault } from './exchange-methods.ts'
import { AmqpFault, notFound, preconditionFailed, resource } from './fault.ts'
import { refuseReserved, storeName } from './names.ts'
import { underPolicy } from './policies/policy.ts'
import { REPLY_QUEUE } from './publish-path.ts'
import {
  checkEquivalent,
  checkQueueArguments,
  lifetimeOf,
  PLAIN_DEFINITION,
  type QueueDefinition,
  queuePolicy,
} from './queue-arguments.ts'
import type { Session } from './session.ts'

export const queueHandlers: Handlers = {
  'queue.declare': declare,
  'queue.bind': bind,
  'queue.unbind': unbind,
  'queue.purge': purge,
  'queue.delete': remove,
}

/** A queue that is there, and that this connection may use. */
export interface FoundQueue {
  readonly stored: string
  readonly name: string
  readonly definition: QueueDefinition
  readonly ready: number
}

/** `name`: as the client says it; empty: the channel's latest (section 1.7.2.1). Throws NOT_FOUND or RESOURCE_LOCKED. */
export async function findQueue(channel: Channel, name: string): Promise<FoundQueue> {
  const found = await lookUp(channel.session, nameOf(channel, name))
  if (found === undefined) throw notFound('queue', nameOf(channel, name), channel.session.vhost)
  refuseForeign(channel.session, found)
  return found
}

function nameOf(channel: Channel, name: string): string {
  if (name !== '') return name
  if (channel.lastQueue === '') throw new AmqpFault(404, 'no previously declared queue')
  return channel.lastQueue
}

async function lookUp({ hub, vhost }: Session, name: string): Promise<FoundQueue | undefined> {
  const { port } = hub.parts
  const stored = storeName(vhost, name)
  const [measured] = await port.measure([stored])
  if (measured === undefined) return undefined
  const recorded = await readQueue(port, stored)
  const definition = recorded !== undefined && stillIs(recorded, measured) ? recorded : PLAIN_DEFINITION
  return { stored, name, definition, ready: measured.ready }
}

function refuseForeign({ owner, vhost }: Session, { definition, name }: FoundQueue): void {
  if (definition.owner === undefined || definition.owner === owner) return
  throw locked(name, vhost)
}

function locked(name: string, vhost: string): AmqpFault {
  const why =
    'It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.'
  return new AmqpFault(405, `cannot obtain exclusive access to locked ${resource('queue', name, vhost)}. ${why}`)
}

async function declare(channel: Channel, args: Arguments<'queue.declare'>): Promise<void> {
  const { session } = channel
  const { hub, vhost, owner, identity } = session
  const { port } = hub.parts
  // What this connection published before counts in the answer.
  await session.publisher.idle()
  if (args.passive) {
    if (args.queue.startsWith(`${REPLY_QUEUE}.`) || args.queue === REPLY_QUEUE) return declareReply(channel, args)
    return answer(channel, await findQueue(channel, args.queue), args.noWait)
  }
  if (args.queue !== '') refuseReservedUnlessThere(args.queue)
  const name = args.queue === '' ? `amq.gen-${hub.token(16)}` : args.queue
  const stored = storeName(vhost, name)
  const { durable, exclusive, autoDelete, arguments: table } = args
  checkQueueArguments(name, vhost, table)
  checkAccess(identity, 'configure', 'queue', stored, name, vhost)
  const passing = exclusive || !durable ? { process: hub.holder } : undefined
  const wanted: QueueDefinition = {
    durable,
    autoDelete,
    owner: exclusive ? owner : undefined,
    ...passing,
    arguments: table,
  }
  const current = await lookUp(session, name)
  if (current !== undefined) return redeclare(channel, wanted, current, args.noWait)
  if (exclusive) await session.holdExclusives()
  const { version } = hub.policies
  const ruled = underPolicy(wanted, await hub.policies.forQueue(stored, wanted))
  try {
    await port.declareQueue(stored, queuePolicy(vhost, ruled), {
      expect: 'absent',
      lifetime: lifetimeOf(ruled),
      records: [{ key: queueKey(stored), value: encodeQueue(wanted) }],
    })
  } catch (fault) {
    if (!isFault(fault, 'queue-exists')) throw fault
    // Somebody was quicker: then it is there, and is compared.
    const now = await lookUp(session, name)
    if (now === undefined) throw fault
    return redeclare(channel, wanted, now, args.noWait)
  }
  // A policy that changed while the queue was made has not seen it.
  if (version !== hub.policies.version) await hub.policies.apply(stored)
  if (exclusive) session.exclusiveQueues.add(stored)
  answer(channel, { stored, name, definition: wanted, ready: 0 }, args.noWait)
}

function refuseReservedUnlessThere(name: string): void {
  // Names that the broker gave may be declared again by who got them.
  if (!name.startsWith('amq.gen-')) refuseReserved('queue', name)
}

function redeclare(channel: Channel, wanted: QueueDefinition, current: FoundQueue, noWait: boolean): void {
  const { session } = channel
  const { vhost } = session
  refuseForeign(session, current)
  if ((wanted.owner === undefined) !== (current.definition.owner === undefined)) throw locked(current.name, vhost)
  checkEquivalent(current.name, vhost, wanted, current.definition)
  answer(channel, current, noWait)
}

function answer(channel: Channel, { stored, name, ready }: FoundQueue, noWait: boolean): void {
  channel.lastQueue = name
  if (noWait) return
  const consumerCount = channel.session.hub.feed(stored)?.consumers.length ?? 0
  channel.send('queue.declare-ok', { queue: name, messageCount: ready, consumerCount })
}

/** Clients ask so whether the other side of a direct reply-to still waits. */
function declareReply(channel: Channel, { queue, noWait }: Arguments<'queue.declare'>): void {
  const { hub, vhost } = channel.session
  const waits = queue === REPLY_QUEUE || hub.replies.has(queue.slice(REPLY_QUEUE.length + 1))
  if (!waits) throw notFound('queue', queue, vhost)
  if (!noWait) channel.send('queue.declare-ok', { queue, messageCount: 0, consumerCount: 1 })
}

async function bind(channel: Channel, args: Arguments<'queue.bind'>): Promise<void> {
  const { hub } = channel.session
  const ends = await bindingEnds(channel, args)
  await hub.parts.port.putBinding({ exchange: ends.exchange, id: bindingId(ends.words), ...ends.words })
  if (!args.noWait) channel.send('queue.bind-ok', {})
}

async function unbind(channel: Channel, args: Arguments<'queue.unbind'>): Promise<void> {
  const { hub } = channel.session
  const { exchange, words } = await bindingEnds(channel, args)
  await hub.parts.port.removeBinding(exchange, bindingId(words))
  // An exchange that deletes itself may have gone with it.
  hub.exchanges.changed()
  channel.send('queue.unbind-ok', {})
}

async function bindingEnds(channel: Channel, args: Omit<Arguments<'queue.unbind'>, 'ticket'>) {
  const { hub, vhost, identity } = channel.session
  const { exchange, arguments: table } = args
  const { stored, name } = await findQueue(channel, args.queue)
  if (exchange === '') throw refusedDefault()
  const from = storeName(vhost, exchange)
  checkAccess(identity, 'write', 'queue', stored, name, vhost)
  checkAccess(identity, 'read', 'exchange', from, exchange, vhost)
  const definition = await hub.exchanges.find(vhost, exchange)
  if (definition === undefined) throw notFound('exchange', exchange, vhost)
  // Section 1.7.2.3: with neither queue nor key, both are those of the queue declared last.
  const key = args.queue === '' && args.routingKey === '' ? name : args.routingKey
  return { exchange: from, words: bindingWords({ kind: 'queue', name: stored }, key, table, definition.kind) }
}

async function purge(channel: Channel, { queue, noWait }: Arguments<'queue.purge'>): Promise<void> {
  const { session } = channel
  await session.publisher.idle()
  const { stored, name } = await findQueue(channel, queue)
  checkAccess(session.identity, 'read', 'queue', stored, name, session.vhost)
  const messageCount = await session.hub.parts.port.purge(stored)
  audited(session, `queue.purge ${stored}`)
  if (!noWait) channel.send('queue.purge-ok', { messageCount })
}

async function remove(channel: Channel, args: Arguments<'queue.delete'>): Promise<void> {
  const { session } = channel
  const { hub, vhost, identity } = session
  await session.publisher.idle()
  const name = nameOf(channel, args.queue)
  const found = await lookUp(session, name)
  let messageCount = 0
  // Deleting what is not there is no fault (RabbitMQ since 3.2).
  if (found !== undefined) {
    refuseForeign(session, found)
    checkAccess(identity, 'configure', 'queue', found.stored, name, vhost)
    const consumers = hub.feed(found.stored)?.consumers.length ?? 0
    if (args.ifUnused && consumers > 0) throw preconditionFailed(`${resource('queue', name, vhost)} in use`)
    messageCount = found.ready
    try {
      await hub.deleteQueue(found.stored, args.ifEmpty ? { ifEmpty: true } : {})
    } catch (fault) {
      if (!isFault(fault, 'queue-not-empty')) throw fault
      throw preconditionFailed(`${resource('queue', name, vhost)} not empty`)
    }
    audited(session, `queue.delete ${found.stored}`)
    session.exclusiveQueues.delete(found.stored)
  }
  if (!args.noWait) channel.send('queue.delete-ok', { messageCount })
}
