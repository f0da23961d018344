/** The admin API over HTTP: `/api/v1/…` as JSON, `/api/v1/events` as server-sent events, `/metrics` for Prometheus. */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../../model/access.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { readBody } from '../aws/request-body.ts'
import { adminService } from './admin-service.ts'
import type { SessionInfo } from './api.ts'
import { EventStream } from './event-stream.ts'
import { authenticate, type GuardParts } from './guard.ts'
import { METRICS_TYPE, prometheusText } from './metrics.ts'
import { HttpFault, problemOf } from './problem.ts'
import type { AdminParts } from './route.ts'

const BODY_BYTES_MAX = 16 * 1_048_576
const PREFIX = '/api/v1'
const JSON_TYPE = /^application\/json\s*(?:;|$)/i

export interface AdminFrontend {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  /** Ends the event streams; other calls end by themselves. */
  close(): void
}

export interface AdminFrontendParts extends AdminParts {
  readonly random: Random
  readonly log: Log
  readonly allowedHosts: readonly string[]
}

export function adminFrontend(parts: AdminFrontendParts): AdminFrontend {
  const { log, users, port, clock, random, allowedHosts } = parts
  const service = adminService(parts)
  const events = new EventStream(parts, log)
  const guard: GuardParts = { users, allowedHosts, writeToken: Buffer.from(random.bytes(24)).toString('base64url') }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const identity = authenticate({ method, headers }, guard)
    if (method === 'GET' && path === '/metrics') return metrics(response, identity)
    if (method === 'GET' && path === `${PREFIX}/session`) return sendJson(response, 200, session(identity))
    if (method === 'GET' && path === `${PREFIX}/events`) return events.add(response, accessTo(identity))
    if (!path.startsWith(`${PREFIX}/`)) throw new HttpFault(404, `The admin API is under ${PREFIX}/.`)
    const hangUp = new AbortController()
    response.once('close', () => hangUp.abort())
    const answered = await service({
      method,
      path: path.slice(PREFIX.length),
      query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
      body: await bodyOf(request),
      identity,
      signal: hangUp.signal,
    })
    if (isAdministrative(method, path)) log.info('administered', { by: identity?.name ?? 'anybody', method, path })
    if (answered.status === 204) {
      response.writeHead(204, COMMON_HEADERS)
      response.end()
    } else sendJson(response, answered.status, answered.body)
  }

  function session(identity: Identity | undefined): SessionInfo {
    const open = !users.configured()
    const { version } = parts.processFigures()
    return { user: identity?.name ?? null, open, version, writeToken: open ? guard.writeToken : null }
  }

  async function metrics(response: ServerResponse, identity: Identity | undefined): Promise<void> {
    const visible = accessTo(identity)
    const measures = (await port.measure()).filter(({ queue }) => visible(queue))
    const body = prometheusText(measures, { nowMs: clock.wallMs(), figures: parts.processFigures() })
    send(response, { status: 200, type: METRICS_TYPE, body })
  }

  return {
    handle(request, response) {
      answer(request, response).catch((fault: unknown) => {
        if (response.destroyed || response.headersSent) {
          response.destroy()
          return
        }
        const problem = problemOf(fault, log)
        const more = fault instanceof HttpFault ? fault.headers : {}
        const challenge = problem.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}
        // What was not read of a refused body must not be taken for the next request.
        if (!request.complete) response.shouldKeepAlive = false
        send(response, {
          status: problem.status,
          type: 'application/problem+json',
          body: JSON.stringify(problem),
          headers: { ...more, ...challenge },
        })
      })
    },
    close: () => events.close(),
  }
}

/** What changes more than messages: the audit log names it. Never a body, which may hold secrets. */
function isAdministrative(method: string, path: string): boolean {
  if (method === 'GET') return false
  return !/\/(?:messages|receive|settle|extend)$/.test(path)
}

const EVERYTHING = (): boolean => true
const visibleTo = new WeakMap<Identity, (queue: string) => boolean>()

/** One function for each who asks, so that streams of the same user share one measurement. */
function accessTo(identity: Identity | undefined): (queue: string) => boolean {
  if (identity === undefined) return EVERYTHING
  let visible = visibleTo.get(identity)
  if (visible === undefined) {
    visible = (queue) => identity.may('read', queue)
    visibleTo.set(identity, visible)
  }
  return visible
}

/** Never settles when the client hangs up first: then there is nobody to answer. */
function bodyOf(request: IncomingMessage): Promise<unknown> {
  return new Promise((resolve, reject) => {
    readBody(request, BODY_BYTES_MAX, (outcome) => {
      switch (outcome.kind) {
        case 'tooLarge':
          reject(new HttpFault(413, `The body is over ${BODY_BYTES_MAX} bytes.`))
          return
        case 'read':
          if (outcome.body.length === 0) resolve(undefined)
          // A form of another site can send text, but not this type without being asked for leave.
          else if (!JSON_TYPE.test(request.headers['content-type'] ?? '')) {
            reject(new HttpFault(415, 'The body must be application/json.'))
          } else {
            try {
              resolve(JSON.parse(outcome.body.toString('utf8')))
            } catch {
              reject(new HttpFault(400, 'The body is not JSON.'))
            }
          }
          return
        default:
          outcome satisfies never
      }
    })
  })
}

const COMMON_HEADERS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, { status, type: 'application/json', body: JSON.stringify(body) })
}

function send(
  response: ServerResponse,
  answer: {
    readonly status: number
    readonly type: string
    readonly body: string
    readonly headers?: Readonly<Record<string, string>>
  },
): void {
  const { status, type, body, headers } = answer
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...COMMON_HEADERS,
    ...headers,
  })
  response.end(body)
}
