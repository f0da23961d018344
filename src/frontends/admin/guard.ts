/**
 * Who may call the admin API.
 *
 * - Where there are users: `Authorization: Bearer TOKEN`, which a page cannot make a browser send by itself, so nothing more is asked;
 *   or the cookie of a login (`POST /api/v1/session`), which a browser does send by itself: then a write also shows the session's
 *   `writeToken`, which only a page of this origin could read.
 * - While there are none: everybody who reaches the port, but no page of another site. A page that writes shows the `writeToken` too.
 *
 * A name that an attacker points at this server (DNS rebinding) is refused by its Host header wherever no bearer token is sent; requests of
 * other origins by Origin and Sec-Fetch-Site everywhere.
 */
import { timingSafeEqual } from 'node:crypto'
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingHttpHeaders } from 'node:http'
// biome-ignore lint/style/noRestrictedImports: a question about a text; nothing is connected
import { isIP } from 'node:net'
import type { Sessions } from '../../broker/sessions.ts'
import type { Users } from '../../broker/users.ts'
import type { Identity } from '../../model/access.ts'
import { SpindleError } from '../../model/errors.ts'
import { HttpFault } from './problem.ts'
import { sessionIdOf } from './session-cookie.ts'

export interface GuardParts {
  readonly users: Users
  readonly sessions: Sessions
  readonly allowedHosts: readonly string[]
  /** Of this process, for pages while there are no users. */
  readonly writeToken: string
}

export interface AskingRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
}

/** Who asks. `identity` undefined: there are no users. */
export interface Caller {
  readonly identity: Identity | undefined
  /** What a page sends as `X-Spindle-Token` with each write; null: it has a bearer token, and nothing more is asked. */
  readonly writeToken: string | null
  /** Who it is now; undefined: nobody any more. Asked by what goes on for long. */
  readonly renew: () => Promise<Caller | undefined>
}

const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i
const READS = new Set(['GET', 'HEAD'])

/** Rejects `HttpFault` 403, or `not-authenticated`. */
export async function authenticate(request: AskingRequest, parts: GuardParts): Promise<Caller> {
  const { users, sessions } = parts
  const { headers } = request
  const renew = (): Promise<Caller | undefined> => authenticate(request, parts).catch(() => undefined)
  refuseForeignPages(headers)
  const bearer = BEARER.exec(headers.authorization ?? '')?.[1]
  if (users.configured() && bearer !== undefined) {
    const identity = users.withToken(bearer)
    if (identity === undefined) throw new SpindleError('not-authenticated', 'call the admin API')
    return { identity, writeToken: null, renew }
  }
  refuseUnknownHost(headers, parts.allowedHosts)
  if (!users.configured()) {
    refuseForgedWrite(request, parts.writeToken)
    return { identity: undefined, writeToken: parts.writeToken, renew }
  }
  const id = sessionIdOf(headers)
  const session = id === undefined ? undefined : await sessions.find(id)
  if (session === undefined) throw new SpindleError('not-authenticated', 'call the admin API')
  refuseForgedWrite(request, session.writeToken, { always: true })
  return { ...session, renew }
}

/** Throws `HttpFault` 403. What it lets pass may try to log in. */
export function mayLogIn({ headers }: AskingRequest, { allowedHosts }: GuardParts): void {
  refuseForeignPages(headers)
  refuseUnknownHost(headers, allowedHosts)
}

function refuseUnknownHost({ host }: IncomingHttpHeaders, allowedHosts: readonly string[]): void {
  if (isKnownHost(host, allowedHosts)) return
  throw new HttpFault(403, `The host name ${shown(host)} is not one of this server (allowedHosts, --allow-host).`)
}

/** `always`: also of what does not look like a page; a cookie is sent by browsers alone. */
function refuseForgedWrite({ method, headers }: AskingRequest, writeToken: string, { always = false } = {}): void {
  if (READS.has(method) || !(always || isFromPage(headers))) return
  if (sameText(headers['x-spindle-token'], writeToken)) return
  throw new HttpFault(403, 'A page that writes sends the token of GET /api/v1/session as X-Spindle-Token.')
}

/** Browsers say where a page comes from; anything else than this origin, or the address bar, is refused. */
export function refuseForeignPages(headers: IncomingHttpHeaders): void {
  const site = headers['sec-fetch-site']
  const foreign = site !== undefined && site !== 'same-origin' && site !== 'none'
  const { origin } = headers
  if (foreign || (origin !== undefined && hostOf(origin) !== headers.host)) {
    throw new HttpFault(403, 'Pages of other origins may not call this.')
  }
}

/** Browsers say so themselves. */
export function isFromPage(headers: IncomingHttpHeaders): boolean {
  return headers.origin !== undefined || headers['sec-fetch-site'] !== undefined
}

/**
 * Addresses, names without a dot (a container's, say) and *.localhost and *.internal cannot be had from a public name server; other
 * names must be configured.
 */
export function isKnownHost(host: string | undefined, allowed: readonly string[]): boolean {
  if (host === undefined) return false
  const name = (/^\[([^\]]*)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d+$/, '')).toLowerCase().replace(/\.$/, '')
  if (name === '') return false
  if (isIP(name) !== 0 || !name.includes('.')) return true
  return name.endsWith('.localhost') || name.endsWith('.internal') || allowed.includes(name)
}

function hostOf(origin: string): string | undefined {
  return /^https?:\/\/(.+)$/.exec(origin)?.[1]
}

function sameText(sent: string | readonly string[] | undefined, expected: string): boolean {
  const given = Buffer.from(typeof sent === 'string' ? sent : '')
  const wanted = Buffer.from(expected)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

function shown(host: string | undefined): string {
  return JSON.stringify((host ?? '').slice(0, 100))
}
