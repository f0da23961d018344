/** What every request and answer of the web process has in common. */
import type { IncomingMessage, ServerResponse } from 'node:http'

const BODY_BYTES_MAX = 16 * 1024

export class HttpError extends Error {
  readonly status: number
  readonly more: Readonly<Record<string, unknown>>

  constructor(status: number, message: string, more: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.status = status
    this.more = more
  }
}

/** Nothing from elsewhere runs or loads in the page, and no page elsewhere may frame it. */
export function guardHeaders(response: ServerResponse): void {
  response.setHeader(
    'content-security-policy',
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
      "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  )
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('cross-origin-opener-policy', 'same-origin')
  response.setHeader('cross-origin-resource-policy', 'same-origin')
  response.setHeader('cache-control', 'no-store')
}

/**
 * The site listens on loopback, but any page in the same browser can send requests there. A foreign name in `Host` is
 * DNS rebinding; a foreign `Origin` is another site.
 */
export function assertOurOwn({ headers, method }: IncomingMessage): void {
  const host = headers.host ?? ''
  if (!/^(127\.0\.0\.1|localhost)(:\d{1,5})?$/.test(host))
    throw new HttpError(421, 'This site answers on loopback only.')
  if (method === 'GET') return
  if (headers.origin !== undefined && headers.origin !== `http://${host}`) {
    throw new HttpError(403, 'This request came from another site.')
  }
  // A form of another site cannot send this type; a script of another site has to ask first, and is not answered.
  if (method === 'POST' && headers['content-type']?.split(';')[0] !== 'application/json')
    throw new HttpError(415, 'Send application/json.')
}

export async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > BODY_BYTES_MAX) throw new HttpError(413, 'That is more than a booking needs.')
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new HttpError(400, 'The body is no JSON.')
  }
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** RFC 9457, in short. What a fault was is for the log, not for the guest. */
export function sendProblem(response: ServerResponse, error: unknown): void {
  const known = error instanceof HttpError
  if (!known) console.error(error)
  const status = known ? error.status : 500
  const title = known
    ? error.message
    : 'Something went wrong on our side. The booking may be stored; please look below.'
  response.writeHead(status, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify({ title, status, ...(known ? error.more : {}) }))
}
