/** Which part answers which path: health here, `/api/` and `/metrics` the admin front end, everything else AWS. */
import type { HttpHandler } from './http-listener.ts'
import type { Readiness } from './readiness.ts'

export interface HttpEntryParts {
  readonly version: string
  readonly readiness: Readiness
  /** Answers `/api/…` and `/metrics`. */
  readonly admin: HttpHandler
  /** Answers `/dashboard/…`, and browsers that ask for `/`; absent: there is no dashboard. */
  readonly page?: HttpHandler
  /** Answers what nobody else does. */
  readonly rest: HttpHandler
}

type Response = Parameters<HttpHandler>[1]

export function httpEntry({ version, readiness, admin, page, rest }: HttpEntryParts): HttpHandler {
  const health = { services: { sqs: 'running', sns: 'running' }, edition: 'spindle', version }
  const initiated = { completed: true, stages: { BOOT: true, START: true, READY: true, SHUTDOWN: false }, scripts: [] }
  return (request, response) => {
    const { url = '/', method } = request
    // One look at one character decides for the calls that must be fast.
    if (method === 'POST' && !url.startsWith('/api/') && !url.startsWith('/dashboard/')) {
      rest(request, response)
      return
    }
    const path = pathOf(url)
    switch (path) {
      case '/healthz':
        sendJson(response, 200, { status: 'ok' })
        return
      case '/readyz':
        void readiness.ask().then((verdict) => {
          if (verdict.kind === 'ready') sendJson(response, 200, { status: 'ready' })
          else sendJson(response, 503, { status: 'unready', reason: verdict.reason })
        })
        return
      case '/_localstack/health':
        sendJson(response, 200, health)
        return
      case '/_localstack/init':
      case '/_localstack/init/ready':
        sendJson(response, 200, initiated)
        return
      default:
        if (path === '/metrics' || path === '/api' || path.startsWith('/api/')) admin(request, response)
        else if (page !== undefined && (isPage(path) || (url === '/' && isBrowser(request)))) page(request, response)
        else rest(request, response)
    }
  }
}

function isPage(path: string): boolean {
  return path === '/dashboard' || path.startsWith('/dashboard/')
}

/** What a person typed into the address bar; clients of SQS ask for `/` too, but not for a page. */
function isBrowser({ headers }: Parameters<HttpHandler>[0]): boolean {
  return headers.accept?.includes('text/html') === true
}

export function pathOf(url: string): string {
  const mark = url.indexOf('?')
  return mark < 0 ? url : url.slice(0, mark)
}

function sendJson(response: Response, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  })
  response.end(text)
}
