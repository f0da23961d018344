/** The dashboard inside an application: a fetch-style handler for any web framework, over a store that the application has open. */
import { StoredAudit } from '../broker/audit.ts'
import { StoredUsers } from '../broker/users.ts'
import { adminService } from '../frontends/admin/admin-service.ts'
import type { Problem, SessionInfo } from '../frontends/admin/api.ts'
import { EVENT_HEADERS, type EventSink, EventStream } from '../frontends/admin/event-stream.ts'
import { isKnownHost, refuseForeignPages } from '../frontends/admin/guard.ts'
import { HttpFault, problemOf } from '../frontends/admin/problem.ts'
import { fileAnswer } from '../frontends/dashboard/files.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type Log, silentLog } from '../runtime/log.ts'
import { type Random, systemRandom } from '../runtime/random.ts'
import { dashboardFiles } from '../server/dashboard-files.ts'
import { processFigures } from '../server/process-figures.ts'
import { taskDesk } from '../server/task-desk.ts'
import { packageVersion } from '../server/version.ts'
import type { Spindle } from '../spindle.ts'

const BODY_BYTES_MAX = 16 * 1_048_576
const API = '/api/v1'

/** `all`: it may do everything; `read`: it may look; null: it may not even look (answered with 403). */
export type DashboardAccess = 'all' | 'read' | null

export interface DashboardOptions {
  /** Where it is mounted: `/admin/queues`. Default: the root. */
  readonly base?: string
  /** Who may do what. There is no default: whoever sees the dashboard sees every message. */
  readonly access: (request: Request) => DashboardAccess | Promise<DashboardAccess>
  /** Host names by which it may be called besides addresses, names without a dot, *.localhost and *.internal. */
  readonly allowedHosts?: readonly string[]
  /** Default: nowhere. */
  readonly log?: Log
}

export interface Dashboard {
  /** Answers what is below `base`; anything else with 404. Never rejects. */
  fetch(request: Request): Promise<Response>
  /** Ends event streams and what goes on in the background. The store stays open. Idempotent. */
  close(): void
}

/** Resolves once it can answer. Who may do what is the application's matter, and cookies are its own; only pages of the same origin may write. */
export async function dashboard(spindle: Spindle, options: DashboardOptions): Promise<Dashboard> {
  const { access, allowedHosts = [], log = silentLog } = options
  const base = (options.base ?? '').replace(/\/+$/, '')
  const { port } = spindle
  const outside: { clock: Clock; random: Random; log: Log } = { clock: systemClock, random: systemRandom, log }
  const users = await StoredUsers.open({ port, ...outside })
  const parts = {
    port,
    users,
    clock: systemClock,
    audit: new StoredAudit({ port, clock: systemClock, log }),
    processFigures: () => processFigures(packageVersion),
    desk: taskDesk(spindle),
  }
  const service = adminService(parts, log)
  service.start()
  const events = new EventStream(parts, log)
  const writeToken = Buffer.from(systemRandom.bytes(24)).toString('base64url')

  async function answer(request: Request): Promise<Response> {
    const url = new URL(request.url)
    const { method, headers } = request
    const host = headers.get('host') ?? url.host
    const known = isKnownHost(host, allowedHosts)
    const allowed = known ? await access(request) : null
    if (allowed === null) throw new HttpFault(403, 'This is not yours to see.')
    const below = url.pathname === base ? undefined : within(url.pathname, base)
    if (below?.startsWith(`${API}/`) !== true) return fileResponse(request, { path: below, base, known })
    refuseForeignPages({
      host,
      ...(headers.has('origin') ? { origin: headers.get('origin') ?? '' } : {}),
      ...(headers.has('sec-fetch-site') ? { 'sec-fetch-site': headers.get('sec-fetch-site') ?? '' } : {}),
    })
    const path = below.slice(API.length)
    const readOnly = allowed === 'read'
    if (method === 'GET' && path === '/session') {
      const session: SessionInfo = { user: null, open: true, version: packageVersion, writeToken, readOnly }
      return json(200, session)
    }
    if (method === 'GET' && path === '/events') return eventResponse(request)
    if (method !== 'GET' && headers.get('x-spindle-token') !== writeToken) {
      throw new HttpFault(403, 'A page that writes sends the token of GET /api/v1/session as X-Spindle-Token.')
    }
    const answered = await service.answer({
      method,
      path,
      query: url.searchParams,
      body: await bodyOf(request),
      from: null,
      signal: request.signal,
      readOnly,
    })
    return answered.status === 204 ? new Response(null, { status: 204 }) : json(answered.status, answered.body)
  }

  function eventResponse(request: Request): Response {
    const encoder = new TextEncoder()
    let gone = (): void => {}
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        const open = (): EventSink => ({
          write: (text) => controller.enqueue(encoder.encode(text)),
          busy: () => (controller.desiredSize ?? 0) <= 0,
          end: () => controller.close(),
          onClose(told) {
            gone = told
          },
        })
        const renew = async () => ((await access(request)) === null ? undefined : caller)
        const caller = { identity: undefined, writeToken, renew }
        events.add(open, caller)
      },
      cancel: () => gone(),
    })
    return new Response(stream, { headers: EVENT_HEADERS })
  }

  return {
    async fetch(request) {
      try {
        return await answer(request)
      } catch (fault) {
        const problem: Problem = problemOf(fault, log)
        return json(problem.status, problem, 'application/problem+json')
      }
    },
    close() {
      events.close()
      service.close()
      users.close()
    },
  }
}

function within(path: string, base: string): string {
  if (!path.startsWith(`${base}/`)) throw new HttpFault(404, 'The dashboard is not here.')
  return path.slice(base.length)
}

function fileResponse(
  request: Request,
  { path, base, known }: { readonly path: string | undefined; readonly base: string; readonly known: boolean },
): Response {
  const { method } = request
  const header = (name: string): string | undefined => request.headers.get(name) ?? undefined
  const { status, headers, body } = fileAnswer({ files: dashboardFiles(), method, path, base, known, header })
  const empty = method === 'HEAD' || status === 304 || status === 302
  return new Response(empty ? null : body, { status, headers })
}

async function bodyOf(request: Request): Promise<unknown> {
  if (request.method === 'GET' || request.body === null) return undefined
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new HttpFault(413, `The body is over ${BODY_BYTES_MAX} bytes.`)
    chunks.push(chunk)
  }
  if (bytes === 0) return undefined
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers.get('content-type') ?? '')) {
    throw new HttpFault(415, 'The body must be application/json.')
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new HttpFault(400, 'The body is not JSON.')
  }
}

function json(status: number, body: unknown, type = 'application/json'): Response {
  const headers = { 'Content-Type': type, 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' }
  return new Response(JSON.stringify(body), { status, headers })
}
