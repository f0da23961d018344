/** The admin API without its transport: HTTP calls it, and so does a command that opened the store itself. */
import type { Identity } from '../../model/access.ts'
import { SpindleError } from '../../model/errors.ts'
import { type AdminAnswer, type AdminParts, accessOf, ok, type Route, router } from './route.ts'
import { auditRoutes } from './routes/audit.ts'
import { exchangeRoutes } from './routes/exchanges.ts'
import { messageRoutes } from './routes/messages.ts'
import { queueRoutes } from './routes/queues.ts'
import { redriveRoutes } from './routes/redrives.ts'
import { userRoutes } from './routes/users.ts'
import { statsOf } from './stats.ts'

export interface AdminRequest {
  readonly method: string
  /** After `/api/v1`: `/queues/mail`. */
  readonly path: string
  readonly query: URLSearchParams
  /** Parsed; undefined: there was none. */
  readonly body?: unknown
  /** undefined: everything is allowed (there are no users, or the caller owns the folder). */
  readonly identity?: Identity | undefined
  /** Address of the client; null: a command on the folder itself. */
  readonly from: string | null
  /** Aborted when the caller went away. */
  readonly signal?: AbortSignal | undefined
}

/** Rejects with `HttpFault` or `SpindleError`. */
export type AdminService = (request: AdminRequest) => Promise<AdminAnswer>

const stats: Route = {
  method: 'GET',
  path: '/stats',
  answer: async ({ may }, parts) => ok(await statsOf(parts, (queue) => may('read', queue))),
}

export const adminRoutes: readonly Route[] = [
  ...queueRoutes,
  ...messageRoutes,
  ...exchangeRoutes,
  ...redriveRoutes,
  ...userRoutes,
  ...auditRoutes,
  stats,
]

export function adminService(parts: AdminParts): AdminService {
  const find = router(adminRoutes)
  return async ({ method, path, query, body, identity, from, signal }) => {
    const { route, names } = find(method, path)
    const call = { query, body, signal, name: (of: string) => names.get(of) ?? '', ...accessOf(identity) }
    if (method === 'GET' || route.audited === false) return route.answer(call, parts)
    const record = (outcome: 'done' | 'refused' | 'failed') => {
      const via = from === null ? 'folder' : 'admin'
      return parts.audit.record({ by: identity?.name ?? null, from, via, act: `${method} ${path}`, outcome })
    }
    try {
      const answered = await route.answer(call, parts)
      await record('done')
      return answered
    } catch (fault) {
      await record(fault instanceof SpindleError && fault.code === 'access-denied' ? 'refused' : 'failed')
      throw fault
    }
  }
}
