import { badRequest, notFound } from '../fault.ts'
import { tableFromJson } from '../field-json.ts'
import { consumersByQueue, foundQueue, foundQueues, queueView } from '../queue-view.ts'
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
  vhostOf,
} from '../route.ts'
import { declareQueue, deleteQueue } from '../topology.ts'
import { consumerViews } from './connections.ts'

async function listed(call: ManagementCall, parts: ManagementParts, vhost?: string) {
  const consumers = consumersByQueue(parts.registry?.connections() ?? [])
  const found = (await foundQueues(parts.port, vhost)).filter(({ measured }) => sees(call.identity, measured.queue))
  return list(await Promise.all(found.map((one) => queueView(one, parts, consumers.get(one.measured.queue)))))
}

async function one(call: ManagementCall, parts: ManagementParts) {
  const stored = await storedOf(call, parts)
  const found = await foundQueue(parts.port, stored)
  if (found === undefined || !sees(call.identity, stored)) throw notFound()
  const connections = parts.registry?.connections() ?? []
  const view = await queueView(found, parts, consumersByQueue(connections).get(stored))
  const details = consumerViews(connections).filter(
    ({ queue }) => queue.name === view.name && queue.vhost === view.vhost,
  )
  return json({ ...view, consumer_details: details, incoming: [], deliveries: [] })
}

async function put(call: ManagementCall, parts: ManagementParts) {
  const { body } = call
  const vhost = await vhostOf(call, parts)
  need(call, 'configure', await storedOf(call, parts))
  if (body['exclusive'] === true || body['exclusive'] === 'true') {
    throw badRequest('an exclusive queue belongs to a connection, and this one has none')
  }
  const made = await declareQueue(
    parts,
    { vhost, name: call.name('name') },
    {
      durable: flagField(body, 'durable', true),
      autoDelete: flagField(body, 'auto_delete', false),
      arguments: tableFromJson(objectField(body, 'arguments')),
    },
  )
  return made ? CREATED : DONE
}

async function remove(call: ManagementCall, parts: ManagementParts) {
  const stored = await storedOf(call, parts)
  need(call, 'configure', stored)
  const ifEmpty = call.query.get('if-empty') === 'true'
  const ifUnused = call.query.get('if-unused') === 'true'
  if (!(await deleteQueue(parts, stored, { ifEmpty, ifUnused }))) throw notFound()
  return DONE
}

async function purge(call: ManagementCall, parts: ManagementParts) {
  const stored = await storedOf(call, parts)
  need(call, 'read', stored)
  if ((await parts.port.measure([stored])).length === 0) throw notFound()
  await parts.port.purge(stored)
  return DONE
}

export const queueRoutes: readonly ManagementRoute[] = [
  { method: 'GET', path: '/queues', answer: (call, parts) => listed(call, parts) },
  {
    method: 'GET',
    path: '/queues/:vhost',
    answer: async (call, parts) => listed(call, parts, await vhostOf(call, parts)),
  },
  { method: 'GET', path: '/queues/:vhost/:name', answer: one },
  { method: 'PUT', path: '/queues/:vhost/:name', answer: put },
  { method: 'DELETE', path: '/queues/:vhost/:name', answer: remove },
  { method: 'DELETE', path: '/queues/:vhost/:name/contents', answer: purge },
]
