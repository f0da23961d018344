import { EXCHANGES_CHANGED, predeclaredKind } from '../../amqp/exchanges.ts'
import { storeName } from '../../amqp/names.ts'
import { type BindingView, defaultBinding, foundBindings, propertiesKey } from '../binding-view.ts'
import { notFound } from '../fault.ts'
import { tableFromJson } from '../field-json.ts'
import {
  DONE,
  json,
  list,
  type ManagementCall,
  type ManagementParts,
  type ManagementRoute,
  need,
  objectField,
  sees,
  textField,
  vhostOf,
} from '../route.ts'
import { putBinding } from '../topology.ts'
import { DEFAULT_EXCHANGE } from './exchanges.ts'

async function visible({ identity }: ManagementCall, { port }: ManagementParts): Promise<BindingView[]> {
  const queues = (await port.measure()).map(({ queue }) => defaultBinding(queue))
  const all = [...queues, ...(await foundBindings(port)).map(({ view }) => view)]
  return all.filter(({ vhost, destination }) => sees(identity, storeName(vhost, destination)))
}

/** The default exchange is named '' in answers and `amq.default` in paths. */
function exchangeOf(call: ManagementCall, part: string): string {
  return call.name(part) === DEFAULT_EXCHANGE ? '' : call.name(part)
}

async function ofVhost(call: ManagementCall, parts: ManagementParts): Promise<BindingView[]> {
  const vhost = await vhostOf(call, parts)
  return (await visible(call, parts)).filter((view) => view.vhost === vhost)
}

async function ofQueue(call: ManagementCall, parts: ManagementParts) {
  const name = call.name('name')
  const stored = storeName(await vhostOf(call, parts), name)
  if ((await parts.port.measure([stored])).length === 0) throw notFound()
  return list(
    (await ofVhost(call, parts)).filter((view) => view.destination_type === 'queue' && view.destination === name),
  )
}

async function ofExchange(call: ManagementCall, parts: ManagementParts, side: 'source' | 'destination') {
  const name = exchangeOf(call, 'name')
  const stored = storeName(await vhostOf(call, parts), name)
  const isThere =
    name === '' || predeclaredKind(name) !== undefined || (await parts.port.listExchanges([stored])).length > 0
  if (!isThere) throw notFound()
  const all = await ofVhost(call, parts)
  const isMeant = (view: BindingView): boolean =>
    side === 'source' ? view.source === name : view.destination_type === 'exchange' && view.destination === name
  return list(all.filter(isMeant))
}

type Kind = 'queue' | 'exchange'

async function between(call: ManagementCall, parts: ManagementParts, kind: Kind): Promise<BindingView[]> {
  const [source, destination] = [exchangeOf(call, 'source'), call.name('target')]
  return (await ofVhost(call, parts)).filter(
    (view) => view.source === source && view.destination === destination && view.destination_type === kind,
  )
}

async function put(call: ManagementCall, parts: ManagementParts, kind: Kind) {
  const vhost = await vhostOf(call, parts)
  const [source, target] = [exchangeOf(call, 'source'), call.name('target')]
  need(call, 'write', storeName(vhost, target))
  need(call, 'read', storeName(vhost, source))
  const routingKey = textField(call.body, 'routing_key', '')
  const args = tableFromJson(objectField(call.body, 'arguments'))
  await putBinding(parts, { vhost, source, target: { kind, name: target }, routingKey, arguments: args })
  const location = `${encodeURIComponent(target)}/${encodeURIComponent(propertiesKey(routingKey, args))}`
  return { kind: 'created', location } as const
}

async function one(call: ManagementCall, parts: ManagementParts, kind: Kind): Promise<BindingView> {
  const wanted = call.name('properties')
  const found = (await between(call, parts, kind)).find(
    // A client may send it as it stood in an answer, or encoded once more.
    ({ properties_key: key }) => key === wanted || key === encodeURIComponent(wanted),
  )
  if (found === undefined) throw notFound()
  return found
}

async function remove(call: ManagementCall, parts: ManagementParts, kind: Kind) {
  const { port } = parts
  const view = await one(call, parts, kind)
  const { vhost, source, destination, properties_key: key } = view
  need(call, 'write', storeName(vhost, destination))
  need(call, 'read', storeName(vhost, source))
  const found = (await foundBindings(port)).find(
    ({ view: other }) =>
      other.vhost === vhost &&
      other.source === source &&
      other.destination === destination &&
      other.destination_type === kind &&
      other.properties_key === key,
  )
  if (found === undefined) throw notFound()
  await port.removeBinding(found.binding.exchange, found.binding.id)
  port.announce(EXCHANGES_CHANGED, new Uint8Array(0))
  return DONE
}

function routesBetween(kind: Kind, path: string): ManagementRoute[] {
  return [
    { method: 'GET', path, answer: async (call, parts) => list(await between(call, parts, kind)) },
    { method: 'POST', path, answer: (call, parts) => put(call, parts, kind) },
    { method: 'GET', path: `${path}/:properties`, answer: async (call, parts) => json(await one(call, parts, kind)) },
    { method: 'DELETE', path: `${path}/:properties`, answer: (call, parts) => remove(call, parts, kind) },
  ]
}

export const bindingRoutes: readonly ManagementRoute[] = [
  { method: 'GET', path: '/bindings', answer: async (call, parts) => list(await visible(call, parts)) },
  { method: 'GET', path: '/bindings/:vhost', answer: async (call, parts) => list(await ofVhost(call, parts)) },
  ...routesBetween('queue', '/bindings/:vhost/e/:source/q/:target'),
  ...routesBetween('exchange', '/bindings/:vhost/e/:source/e/:target'),
  { method: 'GET', path: '/queues/:vhost/:name/bindings', answer: ofQueue },
  {
    method: 'GET',
    path: '/exchanges/:vhost/:name/bindings/source',
    answer: (call, parts) => ofExchange(call, parts, 'source'),
  },
  {
    method: 'GET',
    path: '/exchanges/:vhost/:name/bindings/destination',
    answer: (call, parts) => ofExchange(call, parts, 'destination'),
  },
]
