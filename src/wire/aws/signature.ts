/**
 * The signature that a request carries, parsed: in its `Authorization` header, or in the query of a presigned URL.
 *
 *   Authorization: AWS4-HMAC-SHA256 Credential=KEY/20260101/REGION/SERVICE/aws4_request, SignedHeaders=host;x-amz-date, Signature=HEX
 *   ?X-Amz-Algorithm=…&X-Amz-Credential=…&X-Amz-Date=…&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=HEX
 *
 * Nothing is verified here but the form.
 */
import { AwsError, malformedQuery } from './error.ts'
import { type FormField, readForm } from './form.ts'
import { ALGORITHM, type SignedHeaders, type SigningScope, TERMINATOR } from './sigv4.ts'

export interface Signature {
  readonly accessKey: string
  readonly scope: SigningScope
  readonly amzDate: string
  /** Lower case, sorted, without repeats. */
  readonly signedHeaders: readonly string[]
  /** 64 lower-case hex digits. */
  readonly hex: string
  /** What the client says the body's hash is; undefined: it does not say. */
  readonly payloadHash: string | undefined
  /** Of a presigned URL: how long it is good for, from its date; undefined: signed in a header. */
  readonly expiresMs: number | undefined
}

const AUTHORIZATION_CHARACTERS_MAX = 4_096
const SIGNED_HEADERS_MAX = 128
/** Seven days. */
const EXPIRES_SECONDS_MAX = 604_800
const HEX = /^[0-9a-f]{64}$/
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const DAY = /^[0-9]{8}$/

/** undefined: it carries none. Throws `IncompleteSignature` for one that cannot be read. */
export function readSignature(request: {
  readonly headers: SignedHeaders
  readonly query: string
}): Signature | undefined {
  const authorization = single(request.headers['authorization'])
  const presigned = /(?:^|&)X-Amz-(?:Algorithm|Credential|Signature)=/.test(request.query)
  if (authorization !== undefined && presigned) {
    throw incomplete('A request may be signed in its Authorization header or in its query, not in both.')
  }
  if (authorization !== undefined) return fromHeader(authorization, request.headers)
  return presigned ? fromQuery(readForm(request.query)) : undefined
}

function fromHeader(authorization: string, headers: SignedHeaders): Signature {
  if (authorization.length > AUTHORIZATION_CHARACTERS_MAX) throw incomplete('The Authorization header is too long.')
  const space = authorization.indexOf(' ')
  checkAlgorithm(space < 0 ? authorization : authorization.slice(0, space))
  const fields = new Map<string, string>()
  for (const part of authorization.slice(space + 1).split(',')) {
    const equals = part.indexOf('=')
    const name = part.slice(0, Math.max(0, equals)).trim()
    if (fields.has(name)) throw incomplete(`The Authorization header has '${name.slice(0, 40)}' twice.`)
    fields.set(name, part.slice(equals + 1).trim())
  }
  const missing = ['Credential', 'Signature', 'SignedHeaders'].filter((name) => !fields.get(name))
  const amzDate = single(headers['x-amz-date']) ?? amzDateOfHttp(single(headers['date']))
  const why = missing.map((name) => `Authorization header requires '${name}' parameter.`)
  if (amzDate === undefined) {
    why.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
  }
  if (why.length > 0) throw incomplete(why.join(' '))
  return {
    ...readCredential(fields.get('Credential') ?? ''),
    amzDate: amzDate ?? '',
    signedHeaders: readSignedHeaders(fields.get('SignedHeaders') ?? ''),
    hex: readHex(fields.get('Signature') ?? ''),
    payloadHash: single(headers['x-amz-content-sha256']),
    expiresMs: undefined,
  }
}

function fromQuery(fields: readonly FormField[]): Signature {
  const values = new Map<string, string>()
  for (const [name, value] of fields) {
    if (!name.startsWith('X-Amz-')) continue
    if (values.has(name)) throw incomplete(`The query has '${name.slice(0, 40)}' twice.`)
    values.set(name, value)
  }
  const required = ['Algorithm', 'Credential', 'Signature', 'SignedHeaders', 'Date', 'Expires']
  const missing = required.filter((name) => !values.get(`X-Amz-${name}`))
  if (missing.length > 0) {
    throw incomplete(missing.map((name) => `AWS query-string parameters must include 'X-Amz-${name}'.`).join(' '))
  }
  checkAlgorithm(values.get('X-Amz-Algorithm') ?? '')
  const expires = values.get('X-Amz-Expires') ?? ''
  if (!/^[0-9]{1,6}$/.test(expires) || Number(expires) < 1 || Number(expires) > EXPIRES_SECONDS_MAX) {
    throw incomplete(`X-Amz-Expires must be a number of seconds from 1 to ${EXPIRES_SECONDS_MAX}.`)
  }
  return {
    ...readCredential(values.get('X-Amz-Credential') ?? ''),
    amzDate: values.get('X-Amz-Date') ?? '',
    signedHeaders: readSignedHeaders(values.get('X-Amz-SignedHeaders') ?? ''),
    hex: readHex(values.get('X-Amz-Signature') ?? ''),
    payloadHash: values.get('X-Amz-Content-Sha256'),
    expiresMs: Number(expires) * 1_000,
  }
}

function checkAlgorithm(algorithm: string): void {
  if (algorithm === ALGORITHM) return
  throw incomplete(`The signing algorithm '${algorithm.slice(0, 40)}' is not supported; use ${ALGORITHM}.`)
}

function readCredential(credential: string): { readonly accessKey: string; readonly scope: SigningScope } {
  const parts = credential.split('/')
  // From the end: an access key may hold slashes.
  const [day = '', region = '', service = '', terminator = ''] = parts.slice(-4)
  const accessKey = parts.slice(0, -4).join('/')
  if (accessKey === '' || region === '' || service === '' || !DAY.test(day)) {
    throw incomplete(`Credential must be KEY/YYYYMMDD/REGION/SERVICE/${TERMINATOR}.`)
  }
  if (terminator !== TERMINATOR) {
    throw mismatch(`Credential should be scoped with a valid terminator: '${TERMINATOR}'.`)
  }
  return { accessKey, scope: { day, region, service } }
}

function readSignedHeaders(text: string): readonly string[] {
  const names = text.split(';').map((name) => name.toLowerCase())
  if (names.length > SIGNED_HEADERS_MAX) throw incomplete(`At most ${SIGNED_HEADERS_MAX} headers may be signed.`)
  if (!names.every((name) => HEADER_NAME.test(name))) {
    throw incomplete("The value of 'SignedHeaders' is not a list of header names divided by semicolons.")
  }
  return [...new Set(names)].sort()
}

function readHex(text: string): string {
  if (!HEX.test(text)) throw incomplete("The value of 'Signature' is not 64 lower-case hex digits.")
  return text
}

/** Old signers send `Date: Thu, 01 Jan 2026 00:00:00 GMT`, some of them in the form of X-Amz-Date. */
function amzDateOfHttp(date: string | undefined): string | undefined {
  if (date === undefined || /^\d{8}T\d{6}Z$/.test(date)) return date
  const wallMs = Date.parse(date)
  if (Number.isNaN(wallMs)) return undefined
  return `${new Date(wallMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

function single(value: string | readonly string[] | undefined): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  if (value.length > 1) throw malformedQuery('A header of the signature came more than once.')
  return value[0]
}

/** 400, as AWS words it: the signature lacks something, so nothing was compared. */
export function incomplete(message: string): AwsError {
  return new AwsError({ type: 'IncompleteSignatureException', code: 'IncompleteSignature', message })
}

/** 403: signed, but not by somebody this server knows, or not for this request. */
export function mismatch(message: string): AwsError {
  return new AwsError({ type: 'InvalidSignatureException', code: 'SignatureDoesNotMatch', status: 403, message })
}
