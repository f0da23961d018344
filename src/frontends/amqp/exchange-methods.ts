/** Class exchange (section 1.6): declare, delete, and bindings between exchanges. */
import { bindingId, type ExchangeKind } from '../../broker/port.ts'
import { isFault } from '../../model/errors.ts'
import { textOf } from '../../wire/amqp/field-table.ts'
import type { Arguments } from '../../wire/amqp/methods.ts'
import { checkAccess } from './access.ts'
import { audited } from './audited.ts'
import { bindingWords } from './binding-words.ts'
import type { Channel, Handlers } from './channel.ts'
import { type ExchangeDefinition, exchangeAttributes } from './definitions.ts'
import { DELAYED_TYPE } from './exchanges.ts'
import { AmqpFault, notFound, preconditionFailed, resource } from './fault.ts'
import { refuseReserved, storeName } from './names.ts'
import { alternateUnder } from './policies/policy.ts'

export const exchangeKinds: ReadonlySet<string> = new Set<ExchangeKind>(['direct', 'fanout', 'topic', 'headers'])

export const exchangeHandlers: Handlers = {
  'exchange.declare': declare,
  'exchange.delete': remove,
  'exchange.bind': bind,
  'exchange.unbind': unbind,
}

async function declare(channel: Channel, args: Arguments<'exchange.declare'>): Promise<void> {
  const { hub, vhost, identity } = channel.session
  const name = args.exchange
  const stored = storeName(vhost, name)
  const answer = (): void => {
    if (!args.noWait) channel.send('exchange.declare-ok', {})
  }
  if (name === '') {
    if (args.passive) return answer()
    throw refusedDefault()
  }
  if (args.passive) {
    if ((await hub.exchanges.find(vhost, name)) === undefined) throw notFound('exchange', name, vhost)
    return answer()
  }
  const wanted = definitionOf(args, vhost)
  checkAccess(identity, 'configure', 'exchange', stored, name, vhost)
  const current = await hub.exchanges.find(vhost, name)
  if (current !== undefined) {
    checkEquivalent(name, vhost, wanted, current)
    return answer()
  }
  refuseReserved('exchange', name)
  const alternate = alternateUnder(args.arguments, await hub.policies.forExchange(stored))
  const settings = {
    kind: wanted.kind,
    autoDelete: wanted.autoDelete,
    alternate: alternate === undefined ? null : storeName(vhost, alternate),
    attributes: exchangeAttributes(wanted, hub.holder),
  }
  try {
    await hub.parts.port.declareExchange(stored, settings, { expect: 'absent' })
  } catch (fault) {
    // Somebody was quicker: then it is there, and is compared.
    if (!isFault(fault, 'exchange-exists')) throw fault
    const now = await hub.exchanges.find(vhost, name)
    if (now !== undefined) checkEquivalent(name, vhost, wanted, now)
  }
  hub.exchanges.changed()
  answer()
}

function definitionOf(args: Arguments<'exchange.declare'>, vhost: string): ExchangeDefinition {
  const { exchange, type, durable, autoDelete, internal, arguments: table } = args
  const kind = kindOf({ type, arguments: table }) as ExchangeKind
  const definition = { kind, type, durable, autoDelete, internal, arguments: table }
  if (!exchangeKinds.has(type) && type !== DELAYED_TYPE) throw new AmqpFault(503, `unknown exchange type '${type}'`)
  if (!exchangeKinds.has(kind)) {
    throw preconditionFailed(`Invalid argument, 'x-delayed-type' must be an existing exchange type`)
  }
  const alternate = table.get('alternate-exchange')
  if (alternate !== undefined && alternate.type !== 'S') {
    throw preconditionFailed(
      `invalid arg 'alternate-exchange' for ${resource('exchange', exchange, vhost)}: must be a string`,
    )
  }
  return definition
}

function kindOf({ type, arguments: table }: Pick<ExchangeDefinition, 'type' | 'arguments'>): string {
  return type === DELAYED_TYPE ? (textOf(table.get('x-delayed-type')) ?? '') : type
}

function checkEquivalent(name: string, vhost: string, wanted: ExchangeDefinition, current: ExchangeDefinition): void {
  const differs = (arg: string, received: string, is: string): never => {
    const which = `inequivalent arg '${arg}' for ${resource('exchange', name, vhost)}`
    throw preconditionFailed(`${which}: received ${received} but current is ${is}`)
  }
  if (wanted.type !== current.type) differs('type', `'${wanted.type}'`, `'${current.type}'`)
  if (wanted.durable !== current.durable) differs('durable', `'${wanted.durable}'`, `'${current.durable}'`)
  if (wanted.autoDelete !== current.autoDelete) {
    differs('auto_delete', `'${wanted.autoDelete}'`, `'${current.autoDelete}'`)
  }
  if (wanted.internal !== current.internal) differs('internal', `'${wanted.internal}'`, `'${current.internal}'`)
  for (const arg of ['alternate-exchange', 'x-delayed-type']) {
    const [received, is] = [textOf(wanted.arguments.get(arg)), textOf(current.arguments.get(arg))]
    if (received !== is) differs(arg, shown(received), shown(is))
  }
}

function shown(value: string | undefined): string {
  return value === undefined ? 'none' : `the value '${value}' of type 'longstr'`
}

async function remove(channel: Channel, { exchange, ifUnused, noWait }: Arguments<'exchange.delete'>): Promise<void> {
  const { hub, vhost, identity } = channel.session
  if (exchange === '') throw refusedDefault()
  refuseReserved('exchange', exchange)
  const stored = storeName(vhost, exchange)
  checkAccess(identity, 'configure', 'exchange', stored, exchange, vhost)
  try {
    // Deleting what is not there is no fault (RabbitMQ since 3.2).
    await hub.parts.port.deleteExchange(stored, ifUnused ? { ifUnused } : {})
  } catch (fault) {
    if (!isFault(fault, 'exchange-in-use')) throw fault
    throw preconditionFailed(`${resource('exchange', exchange, vhost)} in use`)
  }
  audited(channel.session, `exchange.delete ${stored}`)
  hub.exchanges.changed()
  if (!noWait) channel.send('exchange.delete-ok', {})
}

async function bind(channel: Channel, args: Arguments<'exchange.bind'>): Promise<void> {
  const { hub } = channel.session
  const { source, words } = await ends(channel, args)
  await hub.parts.port.putBinding({ exchange: source, id: bindingId(words), ...words })
  if (!args.noWait) channel.send('exchange.bind-ok', {})
}

async function unbind(channel: Channel, args: Arguments<'exchange.unbind'>): Promise<void> {
  const { hub } = channel.session
  const { source, words } = await ends(channel, args)
  await hub.parts.port.removeBinding(source, bindingId(words))
  // An exchange that deletes itself may have gone with it.
  hub.exchanges.changed()
  if (!args.noWait) channel.send('exchange.unbind-ok', {})
}

async function ends(channel: Channel, args: Arguments<'exchange.bind'>) {
  const { hub, vhost, identity } = channel.session
  const { source, destination, routingKey, arguments: table } = args
  if (source === '' || destination === '') throw refusedDefault()
  const [from, to] = [storeName(vhost, source), storeName(vhost, destination)]
  checkAccess(identity, 'write', 'exchange', to, destination, vhost)
  checkAccess(identity, 'read', 'exchange', from, source, vhost)
  const definition = await hub.exchanges.find(vhost, source)
  if (definition === undefined) throw notFound('exchange', source, vhost)
  if ((await hub.exchanges.find(vhost, destination)) === undefined) throw notFound('exchange', destination, vhost)
  const words = bindingWords({ kind: 'exchange', name: to }, routingKey, table, definition.kind)
  return { source: from, words }
}

export function refusedDefault(): AmqpFault {
  return new AmqpFault(403, 'operation not permitted on the default exchange')
}
