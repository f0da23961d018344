/**
 * AWS Signature Version 4: what is hashed, and with which key. Pure; both the server's verification and the client of
 * `spindle import` are built on it.
 *
 *   canonical request = METHOD \n path \n query \n name:value \n … \n signed names \n SHA-256 of the body
 *   string to sign    = AWS4-HMAC-SHA256 \n 20260101T000000Z \n 20260101/REGION/SERVICE/aws4_request \n SHA-256 of that
 *   signing key       = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, day), region), service), "aws4_request")
 *
 * Source: "Signature Version 4 signing process" of the AWS General Reference, and its published test suite.
 */
import { createHash, createHmac } from 'node:crypto'

export const ALGORITHM = 'AWS4-HMAC-SHA256'
export const TERMINATOR = 'aws4_request'
/** The hash of a request that leaves its body unsigned. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

/** Lower-case names; a list is a header that came several times. */
export type SignedHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

export interface CanonicalParts {
  readonly method: string
  /** As it stands in the request line: still escaped, without the query. */
  readonly path: string
  /** As it stands in the request line, without the `?`. */
  readonly query: string
  readonly headers: SignedHeaders
  /** Lower case, sorted. */
  readonly signedHeaders: readonly string[]
  /** Hex digits, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string
}

export interface SigningScope {
  /** `20260101` */
  readonly day: string
  readonly region: string
  readonly service: string
}

export function canonicalRequest(parts: CanonicalParts): string {
  const { method, path, query, headers, signedHeaders, payloadHash } = parts
  const lines = signedHeaders.map((name) => `${name}:${headerValue(headers[name])}\n`).join('')
  return `${method}\n${canonicalPath(path)}\n${canonicalQuery(query)}\n${lines}\n${signedHeaders.join(';')}\n${payloadHash}`
}

export function stringToSign(canonical: string, amzDate: string, scope: SigningScope): string {
  return `${ALGORITHM}\n${amzDate}\n${scopeText(scope)}\n${sha256Hex(canonical)}`
}

export function scopeText({ day, region, service }: SigningScope): string {
  return `${day}/${region}/${service}/${TERMINATOR}`
}

/** 32 bytes, good for one day. */
export function signingKey(secret: string, { day, region, service }: SigningScope): Uint8Array {
  let key: Uint8Array = Buffer.from(`AWS4${secret}`, 'utf8')
  for (const part of [day, region, service, TERMINATOR]) key = hmac(key, part)
  return key
}

/** The signature's 32 bytes; on the wire they are lower-case hex. */
export function signatureOf(key: Uint8Array, text: string): Uint8Array {
  return hmac(key, text)
}

export function sha256Hex(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** `20260101T000000Z` */
export function amzDateOf(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

const AMZ_DATE = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/

/** Milliseconds since 1970; undefined for what is not of this form or no instant. */
export function instantOf(amzDate: string): number | undefined {
  const [, year, month, day, hour, minute, second] = AMZ_DATE.exec(amzDate)?.map(Number) ?? []
  if (year === undefined) return undefined
  const wallMs = Date.UTC(year, (month ?? 0) - 1, day, hour, minute, second)
  // The 31st of February would be some day of March.
  return amzDateOf(wallMs) === amzDate ? wallMs : undefined
}

/** Dot segments resolved, doubled slashes gone, and escaped once more than it was (for every service but S3). */
function canonicalPath(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(escapeUri(segment))
  }
  const slash = kept.length > 0 && /\/\.{0,2}$/.test(path) ? '/' : ''
  return `/${kept.join('/')}${slash}`
}

/** Pairs sorted by escaped name, then value; the signature of a presigned URL is no part of it. */
function canonicalQuery(query: string): string {
  if (query === '') return ''
  const pairs: (readonly [string, string])[] = []
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = equals < 0 ? pair : pair.slice(0, equals)
    if (name === 'X-Amz-Signature') continue
    pairs.push([normalised(name), equals < 0 ? '' : normalised(pair.slice(equals + 1))])
  }
  pairs.sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}

/** However the client escaped it, it is signed escaped one way; a percent sign that escapes nothing stands for itself. */
function normalised(text: string): string {
  const spaced = text.replaceAll('+', ' ')
  try {
    return escapeUri(decodeURIComponent(spaced))
  } catch {
    return escapeUri(spaced)
  }
}

/** All but `A-Z a-z 0-9 - _ . ~`, as UTF-8 and in upper-case hex. */
export function escapeUri(text: string): string {
  return encodeURIComponent(wellFormed(text)).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Half a surrogate pair has no UTF-8: it becomes U+FFFD, where encodeURIComponent would throw. */
function wellFormed(text: string): string {
  return /\p{Cs}/u.test(text) ? Buffer.from(text, 'utf8').toString('utf8') : text
}

function headerValue(value: string | readonly string[] | undefined): string {
  if (typeof value === 'string') return trimmed(value)
  return value === undefined ? '' : value.map(trimmed).join(',')
}

function trimmed(value: string): string {
  return value.trim().replaceAll(/ {2,}/g, ' ')
}

function hmac(key: Uint8Array, text: string): Uint8Array {
  return createHmac('sha256', key).update(text, 'utf8').digest()
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
