/**
 * What users may do in each virtual host, as RabbitMQ says it: records `spindle/amqp/permission/USER/VHOST` (both percent-encoded) with
 * the three patterns as they came. The user's grants are made of them; grants that nobody made so stay as they are.
 */
import type { StoredRecord } from '../../broker/port.ts'
import type { Grant } from '../../model/access.ts'
import { DEFAULT_VHOST, storeName } from '../amqp/names.ts'
import { globsOf } from './permission-globs.ts'
import type { ManagementParts } from './route.ts'

const PREFIX = 'spindle/amqp/permission/'
const PAGE = 1_000

export interface Permission {
  readonly user: string
  readonly vhost: string
  readonly configure: string
  readonly write: string
  readonly read: string
}

type Parts = Pick<ManagementParts, 'port' | 'users'>

export async function listPermissions({ port }: Pick<Parts, 'port'>, user?: string): Promise<Permission[]> {
  const prefix = user === undefined ? PREFIX : `${PREFIX}${encodeURIComponent(user)}/`
  const found: Permission[] = []
  let after: string | undefined
  for (;;) {
    const page = await port.scan(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    found.push(...page.map(decoded))
    after = page.at(-1)?.key
    if (page.length < PAGE) return found
  }
}

/** The user's grants of that virtual host are replaced. Throws 400 for a pattern that no grant can say, and then changes nothing. */
export async function putPermission(parts: Parts, permission: Permission): Promise<void> {
  const grants = grantsOf(permission)
  const { user, vhost, configure, write, read } = permission
  const before = (await listPermissions(parts, user)).find((one) => one.vhost === vhost)
  const value = Buffer.from(JSON.stringify({ configure, write, read }))
  await parts.port.transact([{ kind: 'record', key: keyOf(permission), value }])
  const kept = withoutGrants(parts, user, before)
  await parts.users.put(user, { grants: [...kept, ...grants] })
}

/** Of one user in one virtual host, or of one of the two. Grants go before the record: what is told is never less than what is allowed. */
export async function forgetPermissions(
  parts: Parts,
  { user, vhost }: { readonly user?: string; readonly vhost?: string },
): Promise<number> {
  const found = (await listPermissions(parts, user)).filter((one) => vhost === undefined || one.vhost === vhost)
  for (const permission of found) {
    if (parts.users.find(permission.user) !== undefined) {
      await parts.users.put(permission.user, { grants: withoutGrants(parts, permission.user, permission) })
    }
    await parts.port.transact([{ kind: 'record', key: keyOf(permission), value: null }])
  }
  return found.length
}

/** Throws 400 for a pattern that cannot be kept. */
export function grantsOf({ vhost, configure, write, read }: Omit<Permission, 'user'>): Grant[] {
  // `*` in `/` means the names of that virtual host, not those that other virtual hosts and accounts have in the store.
  const isDefault = vhost === DEFAULT_VHOST
  const except = isDefault ? { except: ['vhost:*', 'sqs:*'] } : {}
  const grants: Grant[] = []
  for (const [verb, pattern] of [
    ['configure', configure],
    ['write', write],
    ['read', read],
  ] as const) {
    const globs = globsOf(verb, pattern)
    const resources = isDefault ? globs : globs.map((glob) => storeName(vhost, glob))
    if (resources.length > 0) grants.push({ verbs: [verb], resources, ...except })
  }
  return grants
}

function withoutGrants({ users }: Parts, user: string, permission: Permission | undefined): readonly Grant[] {
  const grants = users.find(user)?.grants ?? []
  if (permission === undefined) return grants
  const made = new Set(grantsOf(permission).map(described))
  return grants.filter((grant) => !made.has(described(grant)))
}

function described({ verbs, resources, except = [] }: Grant): string {
  return JSON.stringify([verbs, resources, except])
}

function keyOf({ user, vhost }: Pick<Permission, 'user' | 'vhost'>): string {
  return `${PREFIX}${encodeURIComponent(user)}/${encodeURIComponent(vhost)}`
}

function decoded({ key, value }: StoredRecord): Permission {
  const [user = '', vhost = ''] = key.slice(PREFIX.length).split('/').map(decodeURIComponent)
  const { configure, write, read } = JSON.parse(Buffer.from(value).toString('utf8')) as Omit<
    Permission,
    'user' | 'vhost'
  >
  return { user, vhost, configure, write, read }
}
