/** What KEDA, HPA and people may ask the autoscaler: GET /, /queues/NAME, /metrics, /healthz. It only tells; nothing can be changed. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { figuresOf, type PoolFigures, poolsAsPrometheus } from '../../autoscale/figures.ts'
import type { PoolView } from '../../autoscale/pool.ts'
import { consoleLog } from '../console-log.ts'

const CONNECTIONS_MAX = 100

export interface FiguresEndpoint {
  readonly url: string
  close(): Promise<void>
}

/** Rejects `listen-failed`. */
export async function serveFigures(
  views: () => readonly PoolView[],
  { host, port }: { readonly host: string; readonly port: number },
): Promise<FiguresEndpoint> {
  // Not before it is needed: most autoscalers listen nowhere.
  const { listenHttp } = await import('../../server/http-listener.ts')
  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume()
    const { status, type, body } = answer(request, views().map(figuresOf))
    response.writeHead(status, {
      'content-type': type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
  const listener = await listenHttp({ host, port, handler, connectionsMax: CONNECTIONS_MAX, log: consoleLog })
  return { url: listener.url, close: () => listener.close(1_000) }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

function answer({ method, url = '/' }: IncomingMessage, pools: readonly PoolFigures[]): Answer {
  if (method !== 'GET' && method !== 'HEAD') return problem(405, 'Only GET is answered here.')
  const path = url.split('?', 1)[0] ?? '/'
  if (path === '/metrics') {
    return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: poolsAsPrometheus(pools) }
  }
  if (path === '/healthz') return { status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' }
  if (path === '/') return json(200, { pools })
  const name = /^\/queues\/(.+)$/s.exec(path)?.[1]
  const pool = name === undefined ? undefined : pools.find(({ queue }) => queue === decoded(name))
  return pool === undefined ? problem(404, 'No pool of this name; GET / lists them.') : json(200, pool)
}

function decoded(name: string): string | undefined {
  try {
    return decodeURIComponent(name)
  } catch {
    return undefined
  }
}

function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` }
}

function problem(status: number, detail: string): Answer {
  return { ...json(status, { status, detail }), type: 'application/problem+json' }
}
