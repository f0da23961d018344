import type { MeasuredQueue } from '../../../broker/port.ts'
import { DEFAULT_VHOST, wireName } from '../../amqp/names.ts'
import { forgetVhost, listVhosts, putVhost, type Vhost, vhostExists } from '../../amqp/vhosts.ts'
import { badRequest, notFound } from '../fault.ts'
import { forgetPermissions } from '../permission-records.ts'
import {
  CREATED,
  DONE,
  json,
  list,
  type ManagementCall,
  type ManagementParts,
  type ManagementRoute,
  NODE,
  textField,
} from '../route.ts'
import { deleteQueue } from '../topology.ts'

function vhostView({ name, description }: Vhost, measures: readonly MeasuredQueue[]) {
  const own = measures.filter(({ queue }) => wireName(queue).vhost === name)
  const ready = own.reduce((sum, one) => sum + one.ready, 0)
  const unacknowledged = own.reduce((sum, one) => sum + one.leased, 0)
  return {
    name,
    description,
    metadata: { description, tags: [] },
    tags: [],
    tracing: false,
    default_queue_type: 'classic',
    cluster_state: { [NODE]: 'running' },
    messages: ready + unacknowledged,
    messages_ready: ready,
    messages_unacknowledged: unacknowledged,
  }
}

async function listed(_call: ManagementCall, { port }: ManagementParts) {
  const measures = await port.measure()
  return list((await listVhosts(port)).map((vhost) => vhostView(vhost, measures)))
}

async function one({ name }: ManagementCall, { port }: ManagementParts) {
  const found = (await listVhosts(port)).find((vhost) => vhost.name === name('vhost'))
  if (found === undefined) throw notFound()
  return json(vhostView(found, await port.measure()))
}

async function put({ name, body }: ManagementCall, { port }: ManagementParts) {
  const vhost = name('vhost')
  const isThere = await vhostExists(port, vhost)
  await putVhost(port, { name: vhost, description: textField(body, 'description', '') })
  return isThere ? DONE : CREATED
}

/** With everything in it. */
async function remove({ name }: ManagementCall, parts: ManagementParts) {
  const { port, registry, policies } = parts
  const vhost = name('vhost')
  if (vhost === DEFAULT_VHOST) throw badRequest("the vhost '/' is the store's own namespace, and stays")
  if (!(await vhostExists(port, vhost))) throw notFound()
  // Nobody may connect to it from here on; then those who are connected leave.
  await forgetVhost(port, vhost)
  for (const connection of registry?.connections() ?? []) {
    if (connection.vhost === vhost) registry?.close(connection.name, `vhost '${vhost}' is deleted`)
  }
  for (const policy of await policies.list(vhost)) await policies.remove(policy)
  for (const { queue } of await port.measure()) if (wireName(queue).vhost === vhost) await deleteQueue(parts, queue)
  for (const { exchange } of await port.listExchanges()) {
    if (wireName(exchange).vhost === vhost) await port.deleteExchange(exchange)
  }
  await forgetPermissions(parts, { vhost })
  return DONE
}

export const vhostRoutes: readonly ManagementRoute[] = [
  { method: 'GET', path: '/vhosts', answer: listed },
  { method: 'GET', path: '/vhosts/:vhost', answer: one },
  { method: 'PUT', path: '/vhosts/:vhost', only: 'administrator', answer: put },
  { method: 'DELETE', path: '/vhosts/:vhost', only: 'administrator', answer: remove },
]
