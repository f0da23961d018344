import { vhostExists } from '../../amqp/vhosts.ts'
import { badRequest, notFound } from '../fault.ts'
import { forgetPermissions, listPermissions, type Permission, putPermission } from '../permission-records.ts'
import {
  CREATED,
  DONE,
  json,
  list,
  type ManagementCall,
  type ManagementParts,
  type ManagementRoute,
  textField,
  vhostOf,
} from '../route.ts'

const only = 'administrator'

/** Throws 400. */
export function permissionFrom(
  body: Readonly<Record<string, unknown>>,
  { user, vhost }: Pick<Permission, 'user' | 'vhost'>,
): Permission {
  const [configure, write, read] = [textField(body, 'configure'), textField(body, 'write'), textField(body, 'read')]
  return { user, vhost, configure, write, read }
}

async function find(call: ManagementCall, parts: ManagementParts): Promise<Permission | undefined> {
  return (await listPermissions(parts, call.name('user'))).find(({ vhost }) => vhost === call.name('vhost'))
}

async function one(call: ManagementCall, parts: ManagementParts) {
  const found = await find(call, parts)
  if (found === undefined) throw notFound()
  return json(found)
}

async function put(call: ManagementCall, parts: ManagementParts) {
  const [user, vhost] = [call.name('user'), call.name('vhost')]
  if (!(await vhostExists(parts.port, vhost))) throw badRequest('vhost_or_user_not_found')
  if (parts.users.find(user) === undefined) throw badRequest('vhost_or_user_not_found')
  const known = await find(call, parts)
  await putPermission(parts, permissionFrom(call.body, { user, vhost }))
  return known === undefined ? CREATED : DONE
}

async function remove(call: ManagementCall, parts: ManagementParts) {
  const count = await forgetPermissions(parts, { user: call.name('user'), vhost: call.name('vhost') })
  if (count === 0) throw notFound()
  return DONE
}

async function ofUser(call: ManagementCall, parts: ManagementParts) {
  if (parts.users.find(call.name('user')) === undefined) throw notFound()
  return list(await listPermissions(parts, call.name('user')))
}

async function ofVhost(call: ManagementCall, parts: ManagementParts) {
  const vhost = await vhostOf(call, parts)
  return list((await listPermissions(parts)).filter((permission) => permission.vhost === vhost))
}

export const permissionRoutes: readonly ManagementRoute[] = [
  { method: 'GET', path: '/permissions', only, answer: async (_call, parts) => list(await listPermissions(parts)) },
  { method: 'GET', path: '/permissions/:vhost/:user', only, answer: one },
  { method: 'PUT', path: '/permissions/:vhost/:user', only, answer: put },
  { method: 'DELETE', path: '/permissions/:vhost/:user', only, answer: remove },
  { method: 'GET', path: '/users/:user/permissions', only, answer: ofUser },
  { method: 'GET', path: '/vhosts/:vhost/permissions', only, answer: ofVhost },
]
