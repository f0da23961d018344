/**
 * One HTTP socket with its limits. What a slow or hostile client can hold open is bounded: HEADERS_MS for the head of a request,
 * BODY_MS for all of it, KEEP_ALIVE_MS between two, and `connectionsMax` sockets. Answers may take as long as a long poll does.
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SpindleError } from '../model/errors.ts'
import type { Log } from '../runtime/log.ts'
import type { Certificates } from './certificates.ts'

const HEADERS_MS = 10_000
const BODY_MS = 60_000
/** Longer than the idle time after which AWS SDKs and load balancers drop a connection themselves. */
const KEEP_ALIVE_MS = 75_000
const LATE_CHECK_MS = 1_000
const HEADER_BYTES_MAX = 16_384
const HEADERS_MAX = 200
/** While draining: how often connections that fell idle are closed. */
const IDLE_SWEEP_MS = 20

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void
/** `head`: what came behind the request already. The socket is the handler's from then on. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface HttpListener {
  /** `http://127.0.0.1:4566` */
  readonly url: string
  /** Sockets that are open. */
  connections(): number
  /** Stops accepting, lets requests finish up to `drainMs`, then cuts what is left. Idempotent. */
  close(drainMs: number): Promise<void>
}

export interface ListenOptions {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly handler: HttpHandler
  /** Where WebSockets may be asked for. Default: nowhere. */
  readonly upgrade?: { readonly path: string; readonly handler: UpgradeHandler }
  readonly tls?: Certificates
  readonly connectionsMax: number
  readonly log: Log
  /** Default 10,000. */
  readonly headersMs?: number
}

/** Resolves once it accepts. Rejects `listen-failed`: the port is taken, the address is not of this machine… */
export async function listenHttp(options: ListenOptions): Promise<HttpListener> {
  const { host, port, tls, handler, upgrade, connectionsMax, log, headersMs = HEADERS_MS } = options
  let draining = false
  const limits = {
    headersTimeout: headersMs,
    requestTimeout: BODY_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: LATE_CHECK_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    noDelay: true,
  }
  /** Sockets that have not sent a whole head yet: Node does not count them as idle, and nobody waits for an answer on them. */
  const silent = new Set<Socket>()
  const answer: HttpHandler = (request, response) => {
    silent.delete(request.socket)
    if (draining) response.shouldKeepAlive = false
    handler(request, response)
  }
  const server = tls === undefined ? createServer(limits, answer) : tlsServer(tls, limits, answer)
  const connection = tls === undefined ? 'connection' : 'secureConnection'
  let connections = 0
  server.on(connection, (socket: Socket) => {
    connections++
    silent.add(socket)
    socket.once('close', () => {
      connections--
      silent.delete(socket)
    })
  })
  if (upgrade !== undefined) {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      silent.delete(socket as Socket)
      if (isWebSocket(request, upgrade.path)) upgrade.handler(request, socket, head)
      else server.emit(connection, readAgain(request, socket, head))
    })
  }
  server.maxConnections = connectionsMax
  server.maxHeadersCount = HEADERS_MAX
  await listening(server, { host, port })
  // Accepting may fail later (no descriptors left): that must not end the process.
  server.on('error', (fault) => log.warn('accepting a connection failed', { fault }))
  const address = server.address() as AddressInfo
  let closing: Promise<void> | undefined
  return {
    url: urlOf(tls === undefined ? 'http' : 'https', address),
    connections: () => connections,
    close(drainMs) {
      draining = true
      closing ??= closed(server, drainMs)
      for (const socket of silent) socket.destroy()
      return closing
    },
  }
}

function isWebSocket({ url = '', headers }: IncomingMessage, path: string): boolean {
  return (url === path || url.startsWith(`${path}?`)) && headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Java's client asks to go on in HTTP/2 with every request it makes in the clear. Whoever does not want to ignores that, but Node
 * ends its reading at such a request where there is a listener for upgrades: it gets the request once more, without the wish.
 */
function readAgain(request: IncomingMessage, socket: Duplex, head: Buffer): Duplex {
  const { method, url, httpVersion, rawHeaders } = request
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const isWish = /^(?:upgrade|http2-settings)$/i.test(name)
    const value = rawHeaders[at + 1] ?? ''
    if (/^connection$/i.test(name)) {
      const rest = value.split(',').filter((word) => !/^\s*(?:upgrade|http2-settings)\s*$/i.test(word))
      if (rest.length > 0) lines.push(`${name}: ${rest.join(',')}`)
    } else if (!isWish) lines.push(`${name}: ${value}`)
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  return socket
}

function tlsServer(tls: Certificates, limits: ServerOptions, answer: HttpHandler): Server {
  const server = createTlsServer({ ...limits, ...tls.options(), handshakeTimeout: HEADERS_MS }, answer)
  tls.attach(server)
  return server
}

export function urlOf(scheme: string, { address, port }: Pick<AddressInfo, 'address' | 'port'>): string {
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** Turns what the operating system says into what a person can act on. */
export function listenFault(cause: unknown, where: string): SpindleError {
  if (cause instanceof SpindleError) return cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: ' (another program listens there)',
    EACCES: ' (this user may not listen there)',
    EADDRNOTAVAIL: ' (no interface of this machine has the address)',
    ENOTFOUND: ' (no such host)',
  }
  return new SpindleError('listen-failed', `listen on ${where}${why[code] ?? ''}`, { cause })
}

function listening(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(listenFault(cause, `${host}:${port}`)))
    server.listen({ host, port, backlog: 1_024 }, resolve)
  })
}

function closed(server: Server, drainMs: number): Promise<void> {
  return new Promise((resolve) => {
    const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS)
    const cut = setTimeout(() => server.closeAllConnections(), drainMs)
    server.close(() => {
      clearInterval(sweep)
      clearTimeout(cut)
      resolve()
    })
    server.closeIdleConnections()
  })
}
