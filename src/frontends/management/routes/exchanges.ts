import { isFault } from '../../../model/errors.ts'
import { EXCHANGES_CHANGED } from '../../amqp/exchanges.ts'
import { AmqpFault, preconditionFailed, resource } from '../../amqp/fault.ts'
import { refuseReserved, storeName } from '../../amqp/names.ts'
import { listVhosts } from '../../amqp/vhosts.ts'
import { exchangeViewOf, exchangeViews } from '../exchange-view.ts'
import { notFound } from '../fault.ts'
import { tableFromJson } from '../field-json.ts'
import {
  CREATED,
  DONE,
  flagField,
  json,
  list,
  type ManagementCall,
  type ManagementParts,
  type ManagementRoute,
  need,
  objectField,
  sees,
  storedOf,
  textField,
  vhostOf,
} from '../route.ts'
import { declareExchange } from '../topology.ts'

/** How a path names the default exchange. */
export const DEFAULT_EXCHANGE = 'amq.default'

async function listed({ identity }: ManagementCall, { port }: ManagementParts, vhosts: readonly string[]) {
  const views = await exchangeViews(port, vhosts)
  return list(views.filter(({ vhost, name }) => name === '' || sees(identity, storeName(vhost, name))))
}

async function one(call: ManagementCall, { port, ...parts }: ManagementParts) {
  const vhost = await vhostOf(call, { port, ...parts })
  const name = call.name('name') === DEFAULT_EXCHANGE ? '' : call.name('name')
  const view = await exchangeViewOf(port, vhost, name)
  if (view === undefined || (name !== '' && !sees(call.identity, storeName(vhost, name)))) throw notFound()
  return json({ ...view, incoming: [], outgoing: [] })
}

async function put(call: ManagementCall, parts: ManagementParts) {
  const { body } = call
  const vhost = await vhostOf(call, parts)
  need(call, 'configure', await storedOf(call, parts))
  const made = await declareExchange(
    parts,
    { vhost, name: call.name('name') },
    {
      type: textField(body, 'type', 'direct'),
      durable: flagField(body, 'durable', true),
      autoDelete: flagField(body, 'auto_delete', false),
      internal: flagField(body, 'internal', false),
      arguments: tableFromJson(objectField(body, 'arguments')),
    },
  )
  return made ? CREATED : DONE
}

async function remove(call: ManagementCall, parts: ManagementParts) {
  const { port } = parts
  const name = call.name('name')
  const stored = await storedOf(call, parts)
  need(call, 'configure', stored)
  if (name === DEFAULT_EXCHANGE) throw new AmqpFault(403, 'operation not permitted on the default exchange')
  refuseReserved('exchange', name)
  try {
    const deleted = await port.deleteExchange(stored, call.query.get('if-unused') === 'true' ? { ifUnused: true } : {})
    if (!deleted) throw notFound()
  } catch (fault) {
    if (!isFault(fault, 'exchange-in-use')) throw fault
    throw preconditionFailed(`${resource('exchange', name, call.name('vhost'))} in use`)
  }
  port.announce(EXCHANGES_CHANGED, new Uint8Array(0))
  return DONE
}

export const exchangeRoutes: readonly ManagementRoute[] = [
  {
    method: 'GET',
    path: '/exchanges',
    answer: async (call, parts) =>
      listed(
        call,
        parts,
        (await listVhosts(parts.port)).map(({ name }) => name),
      ),
  },
  {
    method: 'GET',
    path: '/exchanges/:vhost',
    answer: async (call, parts) => listed(call, parts, [await vhostOf(call, parts)]),
  },
  { method: 'GET', path: '/exchanges/:vhost/:name', answer: one },
  { method: 'PUT', path: '/exchanges/:vhost/:name', answer: put },
  { method: 'DELETE', path: '/exchanges/:vhost/:name', answer: remove },
]
