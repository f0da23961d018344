import type { UserFields, Users, UserView } from '../../../broker/users.ts'
import { badRequest, notFound } from '../fault.ts'
import { forgetPermissions } from '../permission-records.ts'
import { CREATED, DONE, json, list, type ManagementCall, type ManagementParts, type ManagementRoute } from '../route.ts'

const only = 'administrator'

/** Hashes are told to nobody, so an export carries users without their passwords. */
export function userView({ name, tags }: UserView) {
  return { name, password_hash: '', hashing_algorithm: 'rabbit_password_hashing_sha256', tags, limits: {} }
}

/** Throws 400. Without a password and a hash, the user has none. */
export function userFrom(body: Readonly<Record<string, unknown>>): UserFields {
  const { password, password_hash: hash, tags } = body
  if (tags === undefined) throw badRequest('tags should be given: a list, or text with commas')
  const listed = typeof tags === 'string' ? tags.split(',').map((tag) => tag.trim()) : tags
  if (!Array.isArray(listed) || listed.some((tag) => typeof tag !== 'string')) throw badRequest('tags should be text')
  const fields = { tags: (listed as string[]).filter((tag) => tag !== '') }
  if (typeof password === 'string' && password !== '') return { ...fields, password }
  if (typeof hash === 'string' && hash !== '') return { ...fields, passwordHash: hash }
  return { ...fields, password: null }
}

/** From the first user on, only users get in: it must be one who can let others in. Throws 400. */
export function refuseLockOut(users: Users, added: readonly UserFields[]): void {
  if (users.configured() || added.length === 0) return
  const canAdminister = added.some(
    ({ tags = [], password, passwordHash }) =>
      tags.includes('administrator') && ((password ?? undefined) !== undefined || passwordHash !== undefined),
  )
  if (canAdminister) return
  throw badRequest('the first user must have the tag administrator and a password: guest ends with the first user')
}

async function put({ name, body }: ManagementCall, { users }: ManagementParts) {
  const user = name('user')
  const isThere = users.find(user) !== undefined
  const fields = userFrom(body)
  refuseLockOut(users, [fields])
  await users.put(user, fields)
  return isThere ? DONE : CREATED
}

async function one({ name }: ManagementCall, { users }: ManagementParts) {
  const found = users.find(name('user'))
  if (found === undefined) throw notFound()
  return json(userView(found))
}

async function remove({ name }: ManagementCall, parts: ManagementParts) {
  await forgetPermissions(parts, { user: name('user') })
  if (!(await parts.users.remove(name('user')))) throw notFound()
  return DONE
}

async function removeMany({ body }: ManagementCall, parts: ManagementParts) {
  const names = body['users']
  if (!Array.isArray(names) || names.length > 10_000) throw badRequest('users should be a list')
  for (const name of names.map(String)) {
    await forgetPermissions(parts, { user: name })
    await parts.users.remove(name)
  }
  return DONE
}

export const userRoutes: readonly ManagementRoute[] = [
  { method: 'GET', path: '/users', only, answer: async (_call, { users }) => list(users.list().map(userView)) },
  { method: 'POST', path: '/users/bulk-delete', only, answer: removeMany },
  { method: 'GET', path: '/users/:user', only, answer: one },
  { method: 'PUT', path: '/users/:user', only, answer: put },
  { method: 'DELETE', path: '/users/:user', only, answer: remove },
]
