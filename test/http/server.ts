import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { type FetchHandler, toNodeListener } from '../../src/http/index.ts'

export interface Listening {
  /** As in `http://127.0.0.1:1234`. */
  readonly origin: string
  readonly close: () => Promise<void>
}

export async function underNodeHttp(handler: FetchHandler): Promise<Listening> {
  const server = createServer(toNodeListener(handler))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return listening(server)
}

export async function underHono(handler: FetchHandler): Promise<Listening> {
  const app = new Hono()
  app.get('/', (c) => c.text('the shop'))
  app.all('/tasks/*', (c) => handler(c.req.raw))
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, () =>
      resolve(listening(server as Server)),
    )
  })
}

function listening(server: Server): Listening {
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

export interface ServerEvent {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: { readonly state?: string; readonly progress?: number; readonly result?: unknown }
}

/** The events of a stream, without its comments; `raw` gets every line. */
export async function* serverEvents(response: Response, raw: string[] = []): AsyncGenerator<ServerEvent> {
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      raw.push(...lines)
      const field = (name: string): string | undefined =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      const data = field('data')
      if (data !== undefined) yield { id: field('id'), event: field('event'), data: JSON.parse(data) }
    }
  }
}
