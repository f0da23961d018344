/**
 * Who signed a request: AWS Signature Version 4, verified against the access keys of the users.
 *
 * An unknown key and a wrong signature get the same answer after the same work, so that nobody learns which keys exist. A session
 * token is signed like any other header and otherwise ignored: keys here are permanent ones.
 */
import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../runtime/clock.ts'
import { AwsError } from '../../wire/aws/error.ts'
import { readForm } from '../../wire/aws/form.ts'
import { mismatch, readSignature, type Signature } from '../../wire/aws/signature.ts'
import {
  amzDateOf,
  canonicalRequest,
  instantOf,
  type SigningScope,
  sha256Hex,
  signatureOf,
  signingKey,
  stringToSign,
  UNSIGNED_PAYLOAD,
} from '../../wire/aws/sigv4.ts'
import type { Authorize, SignedRequest } from './authorize.ts'
import type { AwsIdentity } from './call.ts'

/** What is asked of the users (broker/users.ts). */
export interface AccessKeys {
  /** false: nobody has been given access, so everybody may. */
  configured(): boolean
  accessKey(id: string): { readonly secret: string; readonly identity: AwsIdentity } | undefined
}

const MINUTE_MS = 60_000
/** How far a client's clock may be off, minutes: five, where AWS says five for SQS and fifteen elsewhere. */
export const CLOCK_SKEW_MINUTES = 5
/** Derived keys kept; each is one key, day, region and service. */
const KEYS_MAX = 1_024
/** Signs in the place of a key that does not exist. */
const NOBODY = 'no access key has this secret'

const WRONG =
  'The request signature we calculated does not match the signature you provided. ' +
  'Check your AWS Secret Access Key and signing method. Consult the service documentation for details.'

/**
 * Throws `AwsError`: `MissingAuthenticationToken`, `IncompleteSignature`, `SignatureDoesNotMatch` (also for clocks that differ and for
 * unknown keys) or `RequestExpired` (a presigned URL that is too old).
 */
export function verifySignatures({ keys, clock }: { readonly keys: AccessKeys; readonly clock: Clock }): Authorize {
  const derived = new Map<string, Uint8Array>()

  return (request) => {
    if (!keys.configured()) return undefined
    const [path, query] = splitUrl(request.url)
    const signature = readSignature({ headers: request.headers, query })
    if (signature === undefined) {
      if (followsLink(request, query)) return nobody
      throw missing()
    }
    checkScope(signature, request.service)
    checkDate(signature, clock.wallMs())
    const payloadHash = checkPayload(signature, request)
    checkHeaders(signature, request)
    const owner = keys.accessKey(signature.accessKey)
    const text = stringToSign(
      canonicalRequest({ ...request, path, query, signedHeaders: signature.signedHeaders, payloadHash }),
      signature.amzDate,
      signature.scope,
    )
    const expected = signatureOf(keyOf(owner?.secret ?? NOBODY, signature.scope), text)
    const same = timingSafeEqual(expected, Buffer.from(signature.hex, 'hex'))
    if (!same || owner === undefined) throw mismatch(WRONG)
    return owner.identity
  }

  /** Four of the five HMACs are the same for a day. */
  function keyOf(secret: string, scope: SigningScope): Uint8Array {
    // By the secret, not by its name: a key that is replaced must not sign on.
    const memoKey = `${scope.day}/${scope.region}/${scope.service}/${secret}`
    let key = derived.get(memoKey)
    if (key === undefined) {
      key = signingKey(secret, scope)
      if (derived.size >= KEYS_MAX) derived.clear()
      derived.set(memoKey, key)
    }
    return key
  }
}

/** May do nothing by itself; what its token allows is the action's to judge. */
const nobody: AwsIdentity = { name: 'anonymous', may: () => false }

/** The links in messages of SNS carry a token instead of a signature. */
function followsLink({ method, service }: SignedRequest, query: string): boolean {
  if (method !== 'GET' || service !== 'sns' || !query.includes('Token=')) return false
  const fields = readForm(query)
  const action = fields.find(([name]) => name === 'Action')?.[1]
  return action === 'ConfirmSubscription' || (action === 'Unsubscribe' && fields.some(([name]) => name === 'Token'))
}

function splitUrl(url: string): readonly [path: string, query: string] {
  const mark = url.indexOf('?')
  return mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)]
}

function checkScope({ scope, amzDate }: Signature, service: string): void {
  if (scope.service !== service) throw mismatch(`Credential should be scoped to correct service: '${service}'. `)
  if (amzDate.slice(0, 8) === scope.day) return
  throw mismatch(
    `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${scope.day}' != '${amzDate.slice(0, 8)}', from '${amzDate.slice(0, 20)}'.`,
  )
}

function checkDate({ amzDate, expiresMs }: Signature, nowMs: number): void {
  const signedMs = instantOf(amzDate)
  if (signedMs === undefined) throw mismatch("The signature's date is not of the form YYYYMMDD'T'HHMMSS'Z'.")
  const skewMs = CLOCK_SKEW_MINUTES * MINUTE_MS
  const bound = (side: -1 | 1): string =>
    `${amzDateOf(nowMs + side * skewMs)} (${amzDateOf(nowMs)} ${side < 0 ? '-' : '+'} ${CLOCK_SKEW_MINUTES} min.)`
  if (signedMs > nowMs + skewMs) {
    throw mismatch(`Signature not yet current: ${amzDate} is still later than ${bound(1)}`)
  }
  if (expiresMs === undefined && signedMs < nowMs - skewMs) {
    throw mismatch(`Signature expired: ${amzDate} is now earlier than ${bound(-1)}`)
  }
  if (expiresMs !== undefined && nowMs > signedMs + expiresMs) {
    throw new AwsError({ type: 'RequestExpired', status: 400, message: 'Request has expired.' })
  }
}

/** The hash that must have been signed. A client may say that its body is unsigned, or what the hash is; that must be true then. */
function checkPayload({ payloadHash }: Signature, { body }: SignedRequest): string {
  if (payloadHash === UNSIGNED_PAYLOAD) return UNSIGNED_PAYLOAD
  const actual = sha256Hex(body)
  if (payloadHash === undefined || payloadHash === actual) return actual
  throw mismatch('The value of X-Amz-Content-Sha256 is not the SHA-256 of the body, nor UNSIGNED-PAYLOAD.')
}

/** Headers that steer the service must be signed, else somebody on the way, or who was given a presigned URL, could add a target. */
function checkHeaders({ signedHeaders }: Signature, { headers }: SignedRequest): void {
  const signed = new Set(signedHeaders)
  if (!signed.has('host')) throw mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
  for (const name of signedHeaders) {
    if (headers[name] === undefined) throw mismatch(WRONG)
  }
  const left = Object.keys(headers).find((name) => name.startsWith('x-amz-') && !signed.has(name))
  if (left === undefined) return
  throw mismatch(`'${left.slice(0, 60)}' must be a 'SignedHeader' in the AWS Authorization.`)
}

function missing(): AwsError {
  return new AwsError({
    type: 'MissingAuthenticationTokenException',
    code: 'MissingAuthenticationToken',
    status: 403,
    message: 'Request is missing Authentication Token',
  })
}
