/** The region, service and access key that a request names in its SigV4 credential. Read, not verified: `authorize` does that. */

export interface CredentialScope {
  readonly accessKey: string
  readonly region: string
  readonly service: string
}

/** `Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`, or `X-Amz-Credential` of a presigned URL. */
export function credentialScope(authorization: string | undefined, url: string): CredentialScope | undefined {
  if (authorization !== undefined) {
    const from = authorization.indexOf('Credential=')
    return from < 0 ? undefined : scopeOf(authorization.slice(from + 11, endOf(authorization, from + 11)))
  }
  const from = url.indexOf('X-Amz-Credential=')
  if (from < 0) return undefined
  const to = url.indexOf('&', from)
  const text = url.slice(from + 17, to < 0 ? undefined : to)
  return scopeOf(text.replaceAll(/%2f/gi, '/'))
}

function endOf(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 44 || code === 32) return at
  }
  return text.length
}

/** A region becomes part of names, so only what could be one is taken. */
const REGION = /^[a-z0-9-]{1,32}$/

/** One client's requests follow each other, all day with one credential. */
let latest: { readonly credential: string; readonly scope: CredentialScope | undefined } = {
  credential: '',
  scope: undefined,
}

function scopeOf(credential: string): CredentialScope | undefined {
  if (credential !== latest.credential) latest = { credential, scope: readScope(credential) }
  return latest.scope
}

function readScope(credential: string): CredentialScope | undefined {
  const parts = credential.split('/')
  if (parts.length < 5) return undefined
  // From the end: an access key may hold slashes.
  const region = parts[parts.length - 3] ?? ''
  const service = parts[parts.length - 2] ?? ''
  if (!REGION.test(region)) return undefined
  return { accessKey: parts.slice(0, -4).join('/'), region, service }
}
