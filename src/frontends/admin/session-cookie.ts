/** The cookie of a login. No script reads it, no other site sends it, and over TLS it goes over TLS only and to this very host only. */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingHttpHeaders } from 'node:http'
import { SESSION_MS } from '../../broker/sessions.ts'

/** Browsers take the prefix `__Host-` from secure origins alone, and never for a whole domain. */
const PLAIN_NAME = 'spindle_session'
const SECURE_NAME = `__Host-${PLAIN_NAME}`
const ID = /^[A-Za-z0-9_-]{20,100}$/

/** `tls`: did the browser come over TLS, to us or to a proxy before us? */
export function sessionCookie(id: string, tls: boolean): string {
  return cookie(id, tls, SESSION_MS / 1_000)
}

export function endedSessionCookie(tls: boolean): string {
  return cookie('', tls, 0)
}

function cookie(value: string, tls: boolean, seconds: number): string {
  const common = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}`
  return tls ? `${SECURE_NAME}=${value}; ${common}; Secure` : `${PLAIN_NAME}=${value}; ${common}`
}

export function sessionIdOf({ cookie: header = '' }: IncomingHttpHeaders): string | undefined {
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    const name = pair.slice(0, equals).trim()
    const value = pair.slice(equals + 1).trim()
    if ((name === SECURE_NAME || name === PLAIN_NAME) && ID.test(value)) return value
  }
  return undefined
}
