/** Puts every front end on its socket. */
import type { Port } from '../broker/port.ts'
import type { Users } from '../broker/users.ts'
import { httpEntry } from './http-entry.ts'
import { type HttpHandler, type HttpListener, listenHttp } from './http-listener.ts'
import { Readiness } from './readiness.ts'
import type { ServeParts, ServeSettings } from './settings.ts'

export interface Listening {
  readonly kind: 'http' | 'amqp' | 'management'
  readonly url: string
}

export interface FrontEnds {
  readonly listening: readonly Listening[]
  /** Accepts nothing new, lets what is under way finish up to `drainMs`. */
  close(drainMs: number): Promise<void>
}

interface FrontEndParts extends ServeParts {
  readonly port: Port
  readonly users: Users
}

/** All of them listen, or it rejects and none does. */
export async function frontEnds(settings: ServeSettings, parts: FrontEndParts): Promise<FrontEnds> {
  const { host, tls, connectionsMax } = settings
  const { port, clock, log, version } = parts
  const readiness = new Readiness({ port, clock })
  const handler = httpEntry({ version, readiness, admin: nothingHere, rest: nothingHere })
  const opened: { readonly kind: Listening['kind']; readonly listener: HttpListener }[] = []
  const close = async (drainMs: number): Promise<void> => {
    readiness.drain()
    await Promise.all(opened.map(({ listener }) => listener.close(drainMs)))
  }
  try {
    for (const wanted of settings.ports) {
      const options = { host, port: wanted, handler, connectionsMax, log, ...(tls === undefined ? {} : { tls }) }
      opened.push({ kind: 'http', listener: await listenHttp(options) })
    }
  } catch (fault) {
    await close(0)
    throw fault
  }
  return { listening: opened.map(({ kind, listener }) => ({ kind, url: listener.url })), close }
}

const nothingHere: HttpHandler = (request, response) => {
  request.resume()
  const text = JSON.stringify({ title: 'Nothing is served here.', status: 404 })
  response.writeHead(404, { 'Content-Type': 'application/problem+json', 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}
