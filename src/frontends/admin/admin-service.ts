/** The admin API without its transport: HTTP calls it, and so does a command that opened the store itself. */
import type { Identity } from '../../model/access.ts'
import { isFault } from '../../model/errors.ts'
import type { Log } from '../../runtime/log.ts'
import type { AdminParts } from './admin-parts.ts'
import { Bulks } from './bulk.ts'
import { History } from './history.ts'
import { HttpFault } from './problem.ts'
import { type AdminAnswer, accessOf, ok, type Route, type RouteParts, router } from './route.ts'
import { auditRoutes } from './routes/audit.ts'
import { bulkRoutes } from './routes/bulks.ts'
import { connectionRoutes } from './routes/connections.ts'
import { deadRoutes } from './routes/dead.ts'
import { exchangeRoutes } from './routes/exchanges.ts'
import { messageRoutes } from './routes/messages.ts'
import { queueRoutes } from './routes/queues.ts'
import { redriveRoutes } from './routes/redrives.ts'
import { searchRoutes } from './routes/search.ts'
import { taskRoutes } from './routes/tasks.ts'
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
  /** Refuses whatever would change something. Default false. */
  readonly readOnly?: boolean
}

export interface AdminService {
  /** Rejects with `HttpFault` or `SpindleError`. */
  answer(request: AdminRequest): Promise<AdminAnswer>
  /** Begins to take samples for `/history`. */
  start(): void
  /** Ends what goes on in the background. */
  close(): void
}

const stats: Route = {
  method: 'GET',
  path: '/stats',
  answer: async ({ may }, parts) => ok(await statsOf(parts, (queue) => may('read', queue))),
}

const history: Route = {
  method: 'GET',
  path: '/history',
  // Sums over everything are for those who may see everything.
  answer: async ({ may }, parts) => ok({ items: may('read', '*') ? parts.history.samples() : [], next: null }),
}

export const adminRoutes: readonly Route[] = [
  ...queueRoutes,
  ...messageRoutes,
  ...searchRoutes,
  ...deadRoutes,
  ...bulkRoutes,
  ...exchangeRoutes,
  ...redriveRoutes,
  ...taskRoutes,
  ...connectionRoutes,
  ...userRoutes,
  ...auditRoutes,
  stats,
  history,
]

export function adminService(adminParts: AdminParts, log: Log): AdminService {
  const find = router(adminRoutes)
  const bulks = new Bulks(adminParts)
  const samples = new History(adminParts, log)
  const parts: RouteParts = { ...adminParts, bulks, history: samples }
  return {
    async answer({ method, path, query, body, identity, from, signal, readOnly }) {
      const { route, names } = find(method, path)
      const call = { query, body, signal, name: (of: string) => names.get(of) ?? '', ...accessOf(identity) }
      if (method === 'GET' || route.readsOnly === true) return route.answer(call, parts)
      if (readOnly === true) throw new HttpFault(403, 'The dashboard of this server is for reading only.')
      if (route.audited === false) return route.answer(call, parts)
      const record = (outcome: 'done' | 'refused' | 'failed') => {
        const via = from === null ? 'folder' : 'admin'
        return parts.audit.record({ by: identity?.name ?? null, from, via, act: `${method} ${path}`, outcome })
      }
      try {
        const answered = await route.answer(call, parts)
        await record('done')
        return answered
      } catch (fault) {
        await record(isFault(fault, 'access-denied') ? 'refused' : 'failed')
        throw fault
      }
    },
    start: () => samples.start(),
    close() {
      bulks.close()
      samples.close()
    },
  }
}
