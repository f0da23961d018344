/**
 * The HTTP entry of SQS and SNS: reads a request, finds service, protocol and action, has the signature checked, lets the
 * service answer, and writes the answer in the caller's protocol. It knows no queue.
 *
 * Whatever comes in gets an answer in AWS's form, or a closed socket when the client went away; a fault inside is logged
 * and told as the service's own internal failure, never shown.
 */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { AwsError } from '../../wire/aws/error.ts'
import { type Authorize, openToAll } from './authorize.ts'
import type { AwsAnswer, AwsService, ClientPresence, ServedPage } from './call.ts'
import { type CredentialScope, credentialScope } from './credential-scope.ts'
import { type Rendered, renderAnswer, renderError } from './render.ts'
import { readBody } from './request-body.ts'
import { requestIds } from './request-ids.ts'
import { protocolOf, type Route, routeRequest } from './route.ts'

export interface AwsFrontendParts {
  /** The first one answers what cannot be told apart. */
  readonly services: readonly [AwsService, ...AwsService[]]
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Default: everybody may. */
  readonly authorize?: Authorize
  /** Region of requests without a credential scope. Its queues have plain names. Default `us-east-1`. */
  readonly region?: string
  /** Account of requests that name none. Default `000000000000`. */
  readonly account?: string
  /** Cap on a request's body. Default 8 MiB: a 1 MiB batch, escaped. */
  readonly bodyBytesMax?: number
}

export const DEFAULT_REGION = 'us-east-1'
export const DEFAULT_ACCOUNT = '000000000000'
export const BODY_BYTES_MAX = 8 * 1_048_576
const ACCOUNT = /^[0-9]{12}$/

export type HttpListener = (request: IncomingMessage, response: ServerResponse) => void

/** For an HTTP server, or a listener that keeps some paths for itself. Never throws and never rejects. */
export function awsFrontend(parts: AwsFrontendParts): HttpListener {
  const { services, clock, log, authorize = openToAll, bodyBytesMax = BODY_BYTES_MAX } = parts
  const { region: defaultRegion = DEFAULT_REGION, account: defaultAccount = DEFAULT_ACCOUNT } = parts
  const nextRequestId = requestIds(parts.random)

  return (request, response) => {
    const exchange = new Exchange(request, response, nextRequestId())
    readBody(request, bodyBytesMax, (outcome) => {
      if (outcome.kind === 'tooLarge') {
        // What is left of the body must not be taken for the next request.
        response.shouldKeepAlive = false
        exchange.fail(tooLarge(bodyBytesMax), services[0])
        return
      }
      answer(exchange, outcome.body)
    })
  }

  function answer(exchange: Exchange, body: Buffer): void {
    const { method, path, query } = exchange.asked
    if (method === 'GET' && query === '' && path !== '/') {
      pageOf(path).then(
        (page) => (page === undefined ? call(exchange, body) : exchange.serve(page)),
        (fault: unknown) => exchange.fail(told(fault, services[0]), services[0]),
      )
    } else call(exchange, body)
  }

  async function pageOf(path: string): Promise<ServedPage | undefined> {
    for (const service of services) {
      const page = await service.page?.(path)
      if (page !== undefined) return page
    }
    return undefined
  }

  function call(exchange: Exchange, body: Buffer): void {
    let service: AwsService | undefined
    try {
      exchange.refuseForeignPages()
      const route = routeRequest({ ...exchange.asked, body }, services)
      service = route.service
      const { method, url, headers, scope, path, baseUrl } = exchange.asked
      const identity = authorize({ method, url, headers, body, service: service.name })
      const account = identity === undefined && ACCOUNT.test(scope?.accessKey ?? '') ? scope?.accessKey : undefined
      service
        .answer({
          service: service.name,
          action: route.action,
          params: route.params(),
          protocol: route.protocol,
          region: scope?.region ?? defaultRegion,
          account: account ?? defaultAccount,
          identity,
          requestId: exchange.requestId,
          receivedAtMs: clock.wallMs(),
          baseUrl,
          path,
          client: exchange,
        })
        .then((answered) => exchange.succeed(route, answered))
        .catch((fault: unknown) => exchange.fail(told(fault, route.service), route.service))
    } catch (fault) {
      const meant = service ?? services.find(({ name }) => name === exchange.asked.scope?.service) ?? services[0]
      exchange.fail(told(fault, meant), meant)
    }
  }

  function told(fault: unknown, { insideFault }: AwsService): AwsError {
    if (fault instanceof AwsError) return fault
    log.error('a request failed inside', { fault })
    return new AwsError({
      ...insideFault,
      status: 500,
      message: 'The request processing has failed because of an unknown error, exception or failure.',
    })
  }
}

function tooLarge(bytesMax: number): AwsError {
  const message = `The request body is larger than ${bytesMax} bytes.`
  return new AwsError({ type: 'RequestEntityTooLarge', status: 413, message })
}

/** One request and its answer. */
class Exchange implements ClientPresence {
  readonly address: string
  readonly requestId: string
  readonly asked: {
    readonly method: string
    readonly url: string
    readonly path: string
    readonly query: string
    readonly headers: IncomingMessage['headers']
    readonly target: string | undefined
    readonly contentType: string
    readonly scope: CredentialScope | undefined
    readonly baseUrl: string
  }
  readonly #response: ServerResponse
  #hangUp: AbortController | undefined

  constructor(request: IncomingMessage, response: ServerResponse, requestId: string) {
    const { method = 'GET', url = '/', headers } = request
    const mark = url.indexOf('?')
    const target = headers['x-amz-target']
    this.#response = response
    this.address = request.socket.remoteAddress ?? ''
    this.requestId = requestId
    this.asked = {
      method,
      url,
      path: mark < 0 ? url : url.slice(0, mark),
      query: mark < 0 ? '' : url.slice(mark + 1),
      headers,
      target: Array.isArray(target) ? target[0] : target,
      contentType: headers['content-type'] ?? '',
      scope: credentialScope(headers.authorization, url),
      baseUrl: `${'encrypted' in request.socket ? 'https' : 'http'}://${headers.host ?? 'localhost'}`,
    }
  }

  get gone(): boolean {
    return this.#response.destroyed
  }

  signal(): AbortSignal {
    if (this.#hangUp === undefined) {
      const hangUp = new AbortController()
      this.#hangUp = hangUp
      if (this.#response.destroyed) hangUp.abort()
      else {
        this.#response.once('close', () => {
          // It also closes when it was answered, and then nobody listens any more.
          if (!this.#response.writableEnded) hangUp.abort()
        })
      }
    }
    return this.#hangUp.signal
  }

  /** A page of another site may send forms here without being asked; SDKs in pages send a preflight, which nobody answers. */
  refuseForeignPages(): void {
    const site = this.asked.headers['sec-fetch-site']
    if (site === undefined || site === 'same-origin' || site === 'none') return
    throw new AwsError({
      type: 'AccessDenied',
      status: 403,
      message: 'Requests from pages of other sites are refused.',
    })
  }

  succeed(route: Route, { result }: AwsAnswer): void {
    const { requestId } = this
    this.#write(200, renderAnswer(route, { result, requestId, acceptsJson: this.#acceptsJson() }))
  }

  serve(page: ServedPage): void {
    this.#write(200, page)
  }

  fail(error: AwsError, { namespace, errorPrefix }: AwsService): void {
    const protocol = protocolOf(this.asked.target, this.asked.contentType)
    const { requestId } = this
    const rendered = renderError(error, {
      protocol,
      namespace,
      errorPrefix,
      requestId,
      acceptsJson: this.#acceptsJson(),
    })
    this.#write(error.status, rendered, `${error.code};${error.fault}`)
  }

  #acceptsJson(): boolean {
    return this.asked.headers.accept?.startsWith('application/json') === true
  }

  #write(status: number, { contentType, text }: Rendered, queryError?: string): void {
    const response = this.#response
    if (response.destroyed || response.headersSent) return
    response.writeHead(status, {
      'x-amzn-RequestId': this.requestId,
      'Content-Type': contentType,
      'Content-Length': Buffer.byteLength(text),
      ...(queryError === undefined ? undefined : { 'x-amzn-query-error': queryError }),
    })
    response.end(text)
  }
}
