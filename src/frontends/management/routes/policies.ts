import { checkPolicyDefinition, type Policy, policyTargets } from '../../amqp/policies/policy.ts'
import { badRequest, notAuthorised, notFound } from '../fault.ts'
import { listPermissions } from '../permission-records.ts'
import {
  CREATED,
  DONE,
  json,
  list,
  type ManagementCall,
  type ManagementParts,
  type ManagementRoute,
  numberField,
  textField,
  vhostOf,
} from '../route.ts'
import { isA } from '../sign-in.ts'

export function policyView({ vhost, name, pattern, applyTo, priority, definition }: Policy) {
  return { vhost, name, pattern, 'apply-to': applyTo, definition, priority }
}

/** Throws 400, or `invalid-argument` with the key's name. */
export function policyFrom(
  body: Readonly<Record<string, unknown>>,
  { vhost, name }: { readonly vhost: string; readonly name: string },
): Policy {
  const applyTo = policyTargets.find((target) => target === (body['apply-to'] ?? 'all'))
  if (applyTo === undefined) throw badRequest(`apply-to should be one of ${policyTargets.join(', ')}`)
  return {
    vhost,
    name,
    pattern: textField(body, 'pattern'),
    applyTo,
    priority: numberField(body, 'priority', { fallback: 0, min: -1_000_000, max: 1_000_000 }),
    definition: checkPolicyDefinition(body['definition']),
  }
}

/** A policy can send a queue's messages elsewhere: who makes one may work in that virtual host, or administers. Throws 401. */
async function needVhost({ identity, name }: ManagementCall, parts: ManagementParts): Promise<void> {
  if (isA(identity, 'administrator')) return
  const permissions = await listPermissions(parts, identity.name)
  if (permissions.some(({ vhost }) => vhost === name('vhost'))) return
  throw notAuthorised(`User '${identity.name}' has no permissions in vhost '${name('vhost')}'`)
}

async function find(call: ManagementCall, parts: ManagementParts): Promise<Policy | undefined> {
  const all = await parts.policies.list(await vhostOf(call, parts))
  return all.find(({ name }) => name === call.name('name'))
}

async function one(call: ManagementCall, parts: ManagementParts) {
  const found = await find(call, parts)
  if (found === undefined) throw notFound()
  return json(policyView(found))
}

async function put(call: ManagementCall, parts: ManagementParts) {
  await needVhost(call, parts)
  const known = await find(call, parts)
  await parts.policies.put(policyFrom(call.body, { vhost: call.name('vhost'), name: call.name('name') }))
  return known === undefined ? CREATED : DONE
}

async function remove(call: ManagementCall, parts: ManagementParts) {
  await needVhost(call, parts)
  const removed = await parts.policies.remove({ vhost: await vhostOf(call, parts), name: call.name('name') })
  if (!removed) throw notFound()
  return DONE
}

export const policyRoutes: readonly ManagementRoute[] = [
  {
    method: 'GET',
    path: '/policies',
    answer: async (_call, { policies }) => list((await policies.list()).map(policyView)),
  },
  {
    method: 'GET',
    path: '/policies/:vhost',
    answer: async (call, parts) => list((await parts.policies.list(await vhostOf(call, parts))).map(policyView)),
  },
  { method: 'GET', path: '/policies/:vhost/:name', answer: one },
  { method: 'PUT', path: '/policies/:vhost/:name', only: 'policymaker', answer: put },
  { method: 'DELETE', path: '/policies/:vhost/:name', only: 'policymaker', answer: remove },
]
