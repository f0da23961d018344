/** The admin API over HTTP: `/api/v1/…` as JSON, `/api/v1/events` as server-sent events, `/metrics` for Prometheus. */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Sessions } from '../../broker/sessions.ts'
import type { Credentials } from '../../broker/users.ts'
import type { Identity } from '../../model/access.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { readBody } from '../aws/request-body.ts'
import type { AdminParts } from './admin-parts.ts'
import { adminService } from './admin-service.ts'
import type { ServerFigures, SessionInfo } from './api.ts'
import { EVENT_HEADERS, type EventSink, EventStream } from './event-stream.ts'
import { authenticate, type Caller, type GuardParts, isFromPage, mayLogIn } from './guard.ts'
import { METRICS_TYPE, prometheusText } from './metrics.ts'
import { credentialsOf } from './orders.ts'
import { HttpFault, problemOf } from './problem.ts'
import { endedSessionCookie, sessionCookie, sessionIdOf } from './session-cookie.ts'
import { accessTo } from './visibility.ts'

const BODY_BYTES_MAX = 16 * 1_048_576
const PREFIX = '/api/v1'
const SESSION = `${PREFIX}/session`
/** Whoever guesses must not push what others did out of the audit log: refusals in between are in the server's log only. */
const REFUSALS_EVERY_MS = 60_000
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
  readonly serverFigures: () => Promise<ServerFigures>
  /** Refuses what pages would change; programs go on. Default false. */
  readonly readOnly?: boolean
}

export function adminFrontend(parts: AdminFrontendParts): AdminFrontend {
  const { log, users, port, clock, random, audit, allowedHosts } = parts
  const service = adminService(parts, log)
  service.start()
  const events = new EventStream(parts, log)
  const sessions = new Sessions(parts)
  const writeToken = Buffer.from(random.bytes(24)).toString('base64url')
  let refusalKeptMs = Number.NEGATIVE_INFINITY
  const guard: GuardParts = { users, sessions, allowedHosts, writeToken }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    if (method === 'POST' && path === SESSION) return logIn(request, response)
    const caller = await authenticate({ method, headers }, guard)
    const { identity } = caller
    if (method === 'GET' && path === '/metrics') return metrics(response, identity)
    if (method === 'GET' && path === SESSION) return sendJson(response, 200, session(caller))
    if (method === 'DELETE' && path === SESSION) return logOut(request, response)
    if (method === 'GET' && path === `${PREFIX}/events`) return events.add(() => sinkOf(response), caller)
    if (!path.startsWith(`${PREFIX}/`)) throw new HttpFault(404, `The admin API is under ${PREFIX}/.`)
    const hangUp = new AbortController()
    response.once('close', () => hangUp.abort())
    const answered = await service.answer({
      method,
      path: path.slice(PREFIX.length),
      query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
      body: await bodyOf(request),
      identity,
      from: addressOf(request),
      signal: hangUp.signal,
      readOnly: parts.readOnly === true && isFromPage(headers),
    })
    if (answered.status === 204) {
      response.writeHead(204, COMMON_HEADERS)
      response.end()
    } else sendJson(response, answered.status, answered.body)
  }

  function session({ identity, writeToken: token }: Pick<Caller, 'identity' | 'writeToken'>): SessionInfo {
    const { version } = parts.processFigures()
    return {
      user: identity?.name ?? null,
      open: !users.configured(),
      version,
      writeToken: token,
      readOnly: parts.readOnly ?? false,
    }
  }

  async function logIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    mayLogIn({ method: 'POST', headers: request.headers }, guard)
    if (!users.configured()) throw new HttpFault(409, 'There are no users, so there is nobody to log in as.')
    const credentials = credentialsOf(await bodyOf(request))
    const from = addressOf(request)
    const login = { from, via: 'admin', act: 'login' } as const
    try {
      const { id, ...opened } = await sessions.open(credentials, from)
      await audit.record({ ...login, by: opened.identity.name, outcome: 'done' })
      const headers = { 'Set-Cookie': sessionCookie(id, cameOverTls(request)) }
      send(response, { status: 201, type: 'application/json', body: JSON.stringify(session(opened)), headers })
    } catch (fault) {
      log.warn('a login was refused', { from })
      if (clock.monotonicMs() - refusalKeptMs >= REFUSALS_EVERY_MS) {
        refusalKeptMs = clock.monotonicMs()
        await audit.record({ ...login, by: nameIn(credentials), outcome: 'refused' })
      }
      throw fault
    }
  }

  async function logOut(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = sessionIdOf(request.headers)
    if (id !== undefined) await sessions.end(id)
    response.writeHead(204, { ...COMMON_HEADERS, 'Set-Cookie': endedSessionCookie(cameOverTls(request)) })
    response.end()
  }

  async function metrics(response: ServerResponse, identity: Identity | undefined): Promise<void> {
    const visible = accessTo(identity)
    const measures = (await port.measure()).filter(({ queue }) => visible(queue))
    const [process, server] = [parts.processFigures(), await parts.serverFigures()]
    const body = prometheusText(measures, { nowMs: clock.wallMs(), process, server })
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
    close() {
      events.close()
      service.close()
    },
  }
}

function sinkOf(response: ServerResponse): EventSink {
  response.writeHead(200, EVENT_HEADERS)
  return {
    write: (text) => void (response.writableEnded || response.write(text)),
    busy: () => response.writableNeedDrain || response.destroyed,
    end: () => void response.end(),
    onClose: (gone) => void response.once('close', gone),
  }
}

/** Whoever failed to log in may have typed the password as the name: only names that could be one are told. */
function nameIn(credentials: Credentials): string | null {
  return credentials.kind === 'password' && /^[\w.@-]{1,64}$/.test(credentials.name) ? credentials.name : null
}

function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? ''
}

/** A proxy may say so of the browser before it. Whoever says so untruly only gets a cookie that it will not send back. */
function cameOverTls({ socket, headers }: IncomingMessage): boolean {
  return 'encrypted' in socket || headers['x-forwarded-proto'] === 'https'
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
