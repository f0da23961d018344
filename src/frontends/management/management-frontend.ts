/** RabbitMQ's management HTTP API, for the tools and test suites that call it. */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuseForeignPages } from '../admin/guard.ts'
import { router } from '../admin/route.ts'
import { PolicyBook } from '../amqp/policies/policy-book.ts'
import type { Peer } from '../amqp/sasl.ts'
import { readBody } from '../aws/request-body.ts'
import { badRequest, faultOf, ManagementFault, notAuthorised } from './fault.ts'
import { managementRoutes } from './management-routes.ts'
import { columnsOf, paged } from './paging.ts'
import type { ManagementAnswer, ManagementParts, ManagementRoute } from './route.ts'
import { isA, signIn } from './sign-in.ts'

const BODY_BYTES_MAX = 32 * 1_048_576
const PREFIX = '/api'
/** Moves messages as any client does; the rest of what is no GET is an administrative act. */
const MESSAGES = /\/(?:publish|get)$/

export interface ManagementFrontend {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  close(): void
}

export function managementFrontend(
  given: Omit<ManagementParts, 'policies'> & { readonly insecure: boolean },
): ManagementFrontend {
  const policies = new PolicyBook(given.port)
  const parts: ManagementParts = { ...given, policies }
  const { log, users, audit } = parts
  const find = router<ManagementRoute>(managementRoutes)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method: sent = 'GET', url = '/', headers } = request
    // A form of another site could send what a browser remembers of a login.
    refuseForeignPages(headers)
    const method = sent === 'HEAD' ? 'GET' : sent
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    const peer = peerOf(request)
    if (!peer.loopback && !peer.tls && !given.insecure) throw notAuthorised('Login failed')
    const identity = await signIn(users, peer, headers.authorization)
    if (!path.startsWith(`${PREFIX}/`)) throw new ManagementFault(404, 'Object Not Found', 'Not Found')
    const { route, names } = find(method, path.slice(PREFIX.length).replace(/\/$/, ''))
    if (route.only !== undefined && !isA(identity, route.only)) throw notAuthorised(`Not ${route.only} user`)
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
    const body = method === 'GET' ? {} : await bodyOf(request)
    const header = (name: string): string | undefined => {
      const value = headers[name]
      return typeof value === 'string' ? value : undefined
    }
    const call = { name: (of: string) => names.get(of) ?? '', query, header, body, identity }
    const answered = await audited({ method, path, by: identity.name, from: peer.host }, () =>
      route.answer(call, parts),
    )
    write(response, answered, query, sent === 'HEAD')
  }

  async function audited(
    { method, path, by, from }: { method: string; path: string; by: string; from: string },
    run: () => Promise<ManagementAnswer>,
  ): Promise<ManagementAnswer> {
    if (method === 'GET' || MESSAGES.test(path)) return run()
    const record = (outcome: 'done' | 'failed') =>
      audit.record({ by, from, via: 'management', act: `${method} ${path}`, outcome })
    try {
      const answered = await run()
      await record('done')
      return answered
    } catch (fault) {
      await record('failed')
      throw fault
    }
  }

  return {
    handle(request, response) {
      answer(request, response).catch((fault: unknown) => {
        if (response.destroyed || response.headersSent) {
          response.destroy()
          return
        }
        const { status, error, message: reason } = faultOf(fault, log)
        // What was not read of a refused body must not be taken for the next request.
        if (!request.complete) response.shouldKeepAlive = false
        const challenge = status === 401 ? { 'WWW-Authenticate': 'Basic realm="RabbitMQ Management"' } : {}
        send(response, { status, body: JSON.stringify({ error, reason }), headers: challenge })
      })
    },
    close: () => policies.close(),
  }
}

function write(response: ServerResponse, answered: ManagementAnswer, query: URLSearchParams, headOnly: boolean): void {
  switch (answered.kind) {
    case 'json':
      send(response, { status: 200, body: JSON.stringify(columnsOf(answered.value, query)), headOnly })
      return
    case 'list':
      send(response, { status: 200, body: JSON.stringify(paged(answered.items, query)), headOnly })
      return
    case 'created':
      send(response, {
        status: 201,
        body: '',
        headers: answered.location === undefined ? {} : { Location: answered.location },
      })
      return
    case 'done':
      response.writeHead(204, COMMON_HEADERS)
      response.end()
      return
    default:
      answered satisfies never
  }
}

function peerOf({ socket }: IncomingMessage): Peer {
  const host = socket.remoteAddress ?? ''
  const loopback = host === '::1' || host.startsWith('127.') || host.startsWith('::ffff:127.')
  return { host, loopback, tls: 'encrypted' in socket && socket.encrypted === true, certificateName: undefined }
}

/** Never settles when the client hangs up first: then there is nobody to answer. Any content-type: tools send none. */
function bodyOf(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    readBody(request, BODY_BYTES_MAX, (outcome) => {
      if (outcome.kind === 'tooLarge') {
        reject(new ManagementFault(413, 'bad_request', `The body is over ${BODY_BYTES_MAX} bytes.`))
        return
      }
      try {
        resolve(parsed(outcome.body.toString('utf8')))
      } catch (fault) {
        reject(fault)
      }
    })
  })
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  if (text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new ManagementFault(400, 'bad_request', 'not_json')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest('the body should be an object')
  return value as Readonly<Record<string, unknown>>
}

const COMMON_HEADERS = { 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff' } as const

function send(
  response: ServerResponse,
  answer: {
    readonly status: number
    readonly body: string
    readonly headers?: Readonly<Record<string, string>>
    readonly headOnly?: boolean
  },
): void {
  const { status, body, headers, headOnly = false } = answer
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...COMMON_HEADERS,
    ...headers,
  })
  response.end(headOnly ? undefined : body)
}
