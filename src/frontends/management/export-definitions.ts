/** What `GET /api/definitions` answers: everything that outlives its connection, in the form that RabbitMQ imports and exports. */

import { exchangeDefinition } from '../amqp/definitions.ts'
import { wireName } from '../amqp/names.ts'
import { listVhosts } from '../amqp/vhosts.ts'
import { foundBindings } from './binding-view.ts'
import { exchangeView } from './exchange-view.ts'
import { tableToJson } from './field-json.ts'
import { listPermissions } from './permission-records.ts'
import { foundQueues } from './queue-view.ts'
import type { ManagementParts } from './route.ts'
import { COMPATIBLE_VERSION } from './routes/overview.ts'
import { policyView } from './routes/policies.ts'
import { userView } from './routes/users.ts'

type Item = Readonly<Record<string, unknown>> & { readonly vhost: string }

/** Of one virtual host (then without its name in each item), or of all. */
export async function exportDefinitions(parts: ManagementParts, vhost?: string): Promise<object> {
  const { port, users, policies, version } = parts
  const scoped = (items: readonly Item[]): readonly object[] =>
    vhost === undefined ? items : items.filter((item) => item.vhost === vhost).map(({ vhost: _, ...rest }) => rest)
  const queues = (await foundQueues(port, vhost)).filter(({ definition }) => definition.owner === undefined)
  const kept = new Set(queues.filter(({ definition }) => definition.durable).map(({ measured }) => measured.queue))
  const exchanges = (await port.listExchanges()).filter(
    ({ exchange, settings }) => exchangeDefinition(settings).durable && !wireName(exchange).name.startsWith('amq.'),
  )
  const bindings = (await foundBindings(port)).filter(
    ({ binding: { target } }) => target.kind === 'exchange' || kept.has(target.name),
  )
  const things = {
    policies: scoped((await policies.list()).map(policyView)),
    queues: scoped(
      queues
        .filter(({ definition }) => definition.durable)
        .map(({ measured: { queue }, definition: { durable, autoDelete, arguments: args } }) => ({
          ...wireName(queue),
          durable,
          auto_delete: autoDelete,
          arguments: tableToJson(args),
        })),
    ),
    exchanges: scoped(exchanges.map(exchangeView).map(({ user_who_performed_action: _, ...rest }) => rest)),
    bindings: scoped(bindings.map(({ view: { properties_key: _, ...rest } }) => rest)),
  }
  const about = { rabbit_version: COMPATIBLE_VERSION, product_name: 'Spindle', product_version: version }
  if (vhost !== undefined) return { ...about, parameters: [], ...things }
  return {
    ...about,
    rabbitmq_version: COMPATIBLE_VERSION,
    users: users.list().map(userView),
    vhosts: (await listVhosts(port)).map(({ name }) => ({ name })),
    permissions: await listPermissions(parts),
    topic_permissions: [],
    parameters: [],
    global_parameters: [],
    ...things,
  }
}
