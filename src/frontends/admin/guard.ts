/**
 * Who may call the admin API.
 *
 * - Where there are users: `Authorization: Bearer TOKEN`. A page cannot make a browser send that by itself, so nothing more is asked.
 * - While there are none: everybody who reaches the port, but no page of another site. A name that an attacker points at loopback (DNS
 *   rebinding) is refused by its Host header; requests of other origins by Origin and Sec-Fetch-Site; and a page that writes shows the
 *   token that only a page of this origin could read (`GET /api/v1/session`).
 */
import { timingSafeEqual } from 'node:crypto'
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingHttpHeaders } from 'node:http'
// biome-ignore lint/style/noRestrictedImports: a question about a text; nothing is connected
import { isIP } from 'node:net'
import type { Users } from '../../broker/users.ts'
import type { Identity } from '../../model/access.ts'
import { SpindleError } from '../../model/errors.ts'
import { HttpFault } from './problem.ts'

export interface GuardParts {
  readonly users: Users
  readonly allowedHosts: readonly string[]
  /** Of this process; pages of this origin read it and send it with writes. */
  readonly writeToken: string
}

const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i
const READS = new Set(['GET', 'HEAD'])

/** Throws `HttpFault` 403, or `not-authenticated`. undefined: there are no users. */
export function authenticate(
  request: { readonly method: string; readonly headers: IncomingHttpHeaders },
  { users, allowedHosts, writeToken }: GuardParts,
): Identity | undefined {
  const { method, headers } = request
  refuseForeignPages(headers)
  const bearer = BEARER.exec(headers.authorization ?? '')?.[1]
  if (users.configured()) {
    const identity = bearer === undefined ? undefined : users.withToken(bearer)
    if (identity === undefined) throw new SpindleError('not-authenticated', 'call the admin API')
    return identity
  }
  if (!isKnownHost(headers.host, allowedHosts)) {
    throw new HttpFault(
      403,
      `The host name ${shown(headers.host)} is not one of this server (allowedHosts, --allow-host).`,
    )
  }
  if (!READS.has(method) && isFromPage(headers) && !sameText(headers['x-spindle-token'], writeToken)) {
    throw new HttpFault(403, 'A page that writes sends the token of GET /api/v1/session as X-Spindle-Token.')
  }
  return undefined
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

function isFromPage(headers: IncomingHttpHeaders): boolean {
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
