/** A fetch-style handler under plain node:http. */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { problemResponse } from './problem.ts'
import type { FetchHandler } from './task-handler.ts'

/**
 * For `createServer(toNodeListener(handler))`, and as Connect-style middleware (Express, NestJS): there the path is the one
 * that the client asked for, wherever it is mounted, and a body that a parser has read already is taken from it. A client that
 * hangs up ends the response's stream.
 */
export function toNodeListener(handler: FetchHandler): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    exchange(handler, request, response).catch((fault: unknown) => response.destroy(fault as Error))
  }
}

async function exchange(handler: FetchHandler, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const request = requestOf(incoming)
  const response =
    request === undefined
      ? problemResponse({ status: 400, title: 'The request cannot be understood.' })
      : await handler(request)
  outgoing.statusCode = response.status
  for (const [name, value] of response.headers) outgoing.appendHeader(name, value)
  await sendBody(response.body, outgoing)
  // What was not read of a refused body must not be taken for the next request.
  if (!incoming.complete) outgoing.once('finish', () => incoming.destroy())
  outgoing.end()
}

/** undefined for what the fetch API cannot express, such as TRACE or a request line without a path. */
function requestOf(incoming: IncomingMessage): Request | undefined {
  const { method = 'GET', url = '', originalUrl = url, body } = incoming as IncomingMessage & Connected
  if (!originalUrl.startsWith('/')) return undefined
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headersDistinct)) {
    for (const one of value ?? []) headers.append(name, one)
  }
  // What a parser has read may have been shorter or longer on the wire, as with gzip.
  const parsed = incoming.readableDidRead && body !== undefined
  if (parsed) headers.delete('content-length')
  const hasBody = method !== 'GET' && method !== 'HEAD'
  try {
    return new Request(`http://localhost${originalUrl}`, {
      method,
      headers,
      ...(hasBody ? { body: parsed ? textOf(body) : streamOf(incoming), duplex: 'half' as const } : {}),
    } as RequestInit)
  } catch {
    return undefined
  }
}

/** What Connect's middleware adds to a request. */
interface Connected {
  /** The path before a mount point was cut off. */
  readonly originalUrl?: string
  /** Of a body parser: a value from JSON, a text or bytes. */
  readonly body?: unknown
}

function textOf(body: unknown): string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
}

function streamOf(incoming: IncomingMessage): NodeReadableStream<Uint8Array> {
  return Readable.toWeb(incoming) as NodeReadableStream<Uint8Array>
}

async function sendBody(body: Response['body'], outgoing: ServerResponse): Promise<void> {
  if (body === null) return
  const reader = body.getReader()
  const hungUp = (): void => {
    reader.cancel().catch(() => {})
  }
  outgoing.once('close', hungUp)
  outgoing.flushHeaders()
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    if (outgoing.destroyed) break
    if (!outgoing.write(chunk.value)) await drained(outgoing)
  }
  outgoing.off('close', hungUp)
}

/** Resolves when there is room again, or nobody to write to. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done)
      outgoing.off('close', done)
      resolve()
    }
    outgoing.on('drain', done)
    outgoing.on('close', done)
  })
}
