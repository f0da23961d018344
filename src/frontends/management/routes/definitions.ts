import { exportDefinitions } from '../export-definitions.ts'
import { importDefinitions } from '../import-definitions.ts'
import { DONE, json, type ManagementCall, type ManagementParts, type ManagementRoute, vhostOf } from '../route.ts'

const only = 'administrator'

/** 204, or 200 with what was left out and why. */
async function taken(call: ManagementCall, parts: ManagementParts, vhost?: string) {
  const ignored = await importDefinitions(parts, call.body, vhost)
  if (ignored.length === 0) return DONE
  for (const { what, why } of ignored) parts.log.warn('a definition was not imported', { what, why })
  return json({ ignored })
}

export const definitionRoutes: readonly ManagementRoute[] = [
  { method: 'GET', path: '/definitions', only, answer: async (_call, parts) => json(await exportDefinitions(parts)) },
  { method: 'POST', path: '/definitions', only, answer: (call, parts) => taken(call, parts) },
  {
    method: 'GET',
    path: '/definitions/:vhost',
    only,
    answer: async (call, parts) => json(await exportDefinitions(parts, await vhostOf(call, parts))),
  },
  {
    method: 'POST',
    path: '/definitions/:vhost',
    only,
    answer: async (call, parts) => taken(call, parts, await vhostOf(call, parts)),
  },
]
