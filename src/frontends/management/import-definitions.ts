/**
 * RabbitMQ's `definitions.json`. Everything is read and checked before anything is made; then virtual hosts, policies, exchanges, queues
 * and bindings are made, and users last, since the first user ends the open access by which this may be called. What is there already
 * stays, if it is the same; if not, the import stops there with its name, and can be repeated.
 */
import { createHash } from 'node:crypto'
import type { UserFields } from '../../broker/users.ts'
import type { FieldTable } from '../../wire/amqp/field-table.ts'
import { DEFAULT_VHOST, storeName } from '../amqp/names.ts'
import { compileNamePattern } from '../amqp/policies/name-pattern.ts'
import { inertPolicyKeys, type Policy } from '../amqp/policies/policy.ts'
import { checkQueueArguments } from '../amqp/queue-arguments.ts'
import { putVhost, vhostExists } from '../amqp/vhosts.ts'
import { badRequest } from './fault.ts'
import { tableFromJson } from './field-json.ts'
import { grantsOf, type Permission, putPermission } from './permission-records.ts'
import { flagField, type ManagementParts, objectField, textField } from './route.ts'
import { permissionFrom } from './routes/permissions.ts'
import { policyFrom } from './routes/policies.ts'
import { refuseLockOut, userFrom } from './routes/users.ts'
import {
  declareExchange,
  declareQueue,
  kindOf,
  type Place,
  putBinding,
  type WantedBinding,
  type WantedExchange,
} from './topology.ts'

export interface Ignored {
  readonly what: string
  readonly why: string
}

type Json = Readonly<Record<string, unknown>>

const ITEMS_MAX = 200_000
/** Declarations at one time: they share their syncs. */
const BATCH = 256

interface Definitions {
  readonly vhosts: readonly { readonly name: string; readonly description: string }[]
  readonly users: readonly { readonly name: string; readonly fields: UserFields }[]
  readonly permissions: readonly Permission[]
  readonly policies: readonly Policy[]
  readonly exchanges: readonly (Place & { readonly wanted: WantedExchange })[]
  readonly queues: readonly (Place & {
    readonly durable: boolean
    readonly autoDelete: boolean
    readonly arguments: FieldTable
  })[]
  readonly bindings: readonly WantedBinding[]
}

/** `vhost`: where items belong that say none. Resolves to what has no counterpart and was left out. Throws 400 before anything is made. */
export async function importDefinitions(
  parts: ManagementParts,
  body: Json,
  vhost?: string,
): Promise<readonly Ignored[]> {
  const ignored: Ignored[] = []
  const wanted = readDefinitions(body, { vhost, ignored })
  const known = new Set(wanted.vhosts.map(({ name }) => name))
  for (const { vhost: used } of [...wanted.policies, ...wanted.exchanges, ...wanted.queues, ...wanted.permissions]) {
    if (known.has(used)) continue
    if (!(await vhostExists(parts.port, used))) throw badRequest(`there is no vhost '${used}'`)
    known.add(used)
  }
  refuseLockOut(
    parts.users,
    wanted.users.map(({ fields }) => fields),
  )
  for (const { user } of wanted.permissions) {
    const isNamed = wanted.users.some(({ name }) => name === user) || parts.users.find(user) !== undefined
    if (!isNamed) throw badRequest(`permissions name the user '${user}', who is not there`)
  }
  await make(parts, wanted)
  return ignored
}

async function make(parts: ManagementParts, wanted: Definitions): Promise<void> {
  const { port, policies, users } = parts
  for (const one of wanted.vhosts) if (one.name !== DEFAULT_VHOST) await putVhost(port, one)
  for (const policy of wanted.policies) await policies.put(policy)
  await inBatches(wanted.exchanges, ({ wanted: exchange, ...place }) => declareExchange(parts, place, exchange))
  await inBatches(wanted.queues, ({ durable, autoDelete, arguments: args, ...place }) =>
    declareQueue(parts, place, { durable, autoDelete, arguments: args }),
  )
  await inBatches(wanted.bindings, (binding) => putBinding(parts, binding))
  // Who can administer comes first: from then on it takes a user to repeat this.
  const isAdministrator = ({ fields }: { readonly fields: UserFields }): boolean =>
    fields.tags?.includes('administrator') === true
  for (const { name, fields } of [...wanted.users].sort(
    (a, b) => Number(isAdministrator(b)) - Number(isAdministrator(a)),
  )) {
    await users.put(name, fields)
  }
  for (const permission of wanted.permissions) await putPermission(parts, permission)
}

async function inBatches<T>(items: readonly T[], make: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += BATCH) await Promise.all(items.slice(at, at + BATCH).map(make))
}

function readDefinitions(
  body: Json,
  { vhost, ignored }: { vhost: string | undefined; ignored: Ignored[] },
): Definitions {
  const each = (name: string): readonly Json[] => itemsOf(body, name)
  const placeOf = (item: Json): Place => ({ vhost: textField(item, 'vhost', vhost), name: textField(item, 'name') })
  if (each('topic_permissions').length > 0) {
    throw badRequest(
      'topic_permissions are not supported; without them their users could do more: take them out to import the rest',
    )
  }
  for (const { component, name } of each('parameters')) {
    ignored.push({
      what: `parameter ${String(component)} '${String(name)}'`,
      why: 'there are no federation links, shovels and limits',
    })
  }
  for (const { name } of each('global_parameters')) {
    if (name !== 'cluster_name' && name !== 'internal_cluster_id') {
      ignored.push({ what: `global parameter '${String(name)}'`, why: 'it has no meaning here' })
    }
  }
  const policies = each('policies').map((item) => policyFrom(item, placeOf(item)))
  for (const { name, pattern, definition } of policies) {
    compileNamePattern(pattern)
    const inert = Object.keys(definition).filter((key) => inertPolicyKeys.has(key))
    if (inert.length > 0)
      ignored.push({ what: `${inert.join(', ')} of policy '${name}'`, why: 'kept, without an effect' })
  }
  const users = vhost === undefined ? usersOf(each('users'), ignored) : []
  const isSkipped = (user: string): boolean =>
    each('users').some(({ name }) => name === user) && users.every(({ name }) => name !== user)
  const permissions =
    vhost === undefined
      ? each('permissions').map((item) =>
          permissionFrom(item, { user: textField(item, 'user'), vhost: textField(item, 'vhost') }),
        )
      : []
  for (const permission of permissions) grantsOf(permission)
  return {
    vhosts:
      vhost === undefined
        ? each('vhosts').map((item) => ({ name: textField(item, 'name'), description: descriptionOf(item) }))
        : [],
    users,
    permissions: permissions.filter(({ user }) => !isSkipped(user)),
    policies,
    exchanges: each('exchanges').map((item) => ({ ...placeOf(item), wanted: exchangeFrom(item) })),
    queues: each('queues').map((item) => queueFrom(item, placeOf(item))),
    bindings: each('bindings').map((item) => bindingFrom(item, textField(item, 'vhost', vhost))),
  }
}

function descriptionOf(item: Json): string {
  const metadata = item['metadata']
  const inner =
    typeof metadata === 'object' && metadata !== null && 'description' in metadata ? metadata.description : ''
  return textField(item, 'description', typeof inner === 'string' ? inner : '')
}

function usersOf(items: readonly Json[], ignored: Ignored[]): Definitions['users'] {
  return items.flatMap((item) => {
    const name = textField(item, 'name')
    if (name === 'guest' && isDefaultPassword(item['password_hash'])) {
      ignored.push({ what: "user 'guest'", why: 'an account with a known password is not taken over' })
      return []
    }
    return [{ name, fields: userFrom(item) }]
  })
}

function isDefaultPassword(hash: unknown): boolean {
  if (typeof hash !== 'string') return false
  const bytes = Buffer.from(hash, 'base64')
  const digest = createHash(bytes.length > 36 ? 'sha512' : 'sha256')
    .update(bytes.subarray(0, 4))
    .update('guest')
    .digest()
  return digest.equals(bytes.subarray(4))
}

function exchangeFrom(item: Json): WantedExchange {
  const wanted = {
    type: textField(item, 'type'),
    durable: flagField(item, 'durable', true),
    autoDelete: flagField(item, 'auto_delete', false),
    internal: flagField(item, 'internal', false),
    arguments: tableFromJson(objectField(item, 'arguments')),
  }
  kindOf(wanted)
  return wanted
}

function queueFrom(item: Json, place: Place): Definitions['queues'][number] {
  const args = tableFromJson(objectField(item, 'arguments'))
  checkQueueArguments(place.name, place.vhost, args)
  storeName(place.vhost, place.name)
  return {
    ...place,
    durable: flagField(item, 'durable', true),
    autoDelete: flagField(item, 'auto_delete', false),
    arguments: args,
  }
}

function bindingFrom(item: Json, vhost: string): WantedBinding {
  const kind = textField(item, 'destination_type', 'queue')
  if (kind !== 'queue' && kind !== 'exchange') throw badRequest('destination_type should be queue or exchange')
  return {
    vhost,
    source: textField(item, 'source'),
    target: { kind, name: textField(item, 'destination') },
    routingKey: textField(item, 'routing_key', ''),
    arguments: tableFromJson(objectField(item, 'arguments')),
  }
}

function itemsOf(body: Json, name: string): readonly Json[] {
  const items = body[name] ?? []
  if (!Array.isArray(items) || items.length > ITEMS_MAX)
    throw badRequest(`${name} should be a list of at most ${ITEMS_MAX}`)
  for (const item of items) {
    if (typeof item !== 'object' || item === null || Array.isArray(item))
      throw badRequest(`${name} should be a list of objects`)
  }
  return items as readonly Json[]
}
