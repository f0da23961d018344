/** The listener of AMQP: sockets in, connections out. */
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions, type Server as TlsServer } from 'node:tls'
import type { Audit } from '../../broker/audit.ts'
import type { Port } from '../../broker/port.ts'
import type { Users } from '../../broker/users.ts'
import type { Limits } from '../../model/limits.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { type Processes, systemProcesses } from '../../runtime/processes.ts'
import type { Random } from '../../runtime/random.ts'
import { type AmqpLimits, defaultAmqpLimits } from './amqp-limits.ts'
import { Connection } from './connection.ts'
import { Hub } from './hub.ts'
import { Registry } from './registry.ts'
import type { Peer } from './sasl.ts'

export interface AmqpListenerParts {
  readonly port: Port
  readonly users: Users
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: Limits
  /** Tells which other processes over this store still run. Default: those of the system. */
  readonly processes?: Processes
  readonly amqpLimits?: Partial<AmqpLimits>
  readonly host: string
  /** 0: any free one. */
  readonly listenPort: number
  /** With `requestCert` and a `ca`, EXTERNAL takes the certificate's common name for the user. */
  readonly tls?: TlsOptions
  /** Told the server made with `tls`, whose certificate may be renewed. */
  readonly secured?: (server: TlsServer) => void
  readonly audit?: Audit
  /** Passwords may come in the clear from other machines. Default false. */
  readonly insecure?: boolean
}

export interface AmqpListener {
  readonly address: { readonly host: string; readonly port: number }
  /** The live connections, for the management API. */
  readonly registry: Registry
  /** Takes no more connections, tells those there are (CONNECTION_FORCED), and gives them `drainMs` to answer. Idempotent. */
  close(options?: { readonly drainMs?: number }): Promise<void>
}

const DRAIN_MS_DEFAULT = 2_000

/** Rejects when the address cannot be listened on. */
export async function listenAmqp(parts: AmqpListenerParts): Promise<AmqpListener> {
  const registry = new Registry()
  const amqpLimits = { ...defaultAmqpLimits, ...parts.amqpLimits }
  const hub = new Hub({ processes: systemProcesses, ...parts, amqpLimits, registry })
  await hub.start()
  const sockets = new Set<Socket>()
  const accept = (socket: Socket): void => {
    if (sockets.size >= amqpLimits.connectionsMax) {
      parts.log.warn('an AMQP connection was refused: there are too many', { connections: sockets.size })
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    serve(hub, socket, parts.insecure === true)
  }
  const server = serverOf(parts, accept)
  // A client that breaks off its TLS handshake is no concern of ours.
  server.on('tlsClientError', () => {})
  try {
    await listening(server, parts)
  } catch (error) {
    await hub.close()
    throw error
  }
  let closing: Promise<void> | undefined
  const close = async (drainMs: number): Promise<void> => {
    const ended = new Promise<void>((resolve) => server.close(() => resolve()))
    registry.closeAll("broker forced connection closure with reason 'shutdown'")
    const timer = parts.clock.setTimer(
      drainMs,
      () => {
        for (const socket of sockets) socket.destroy()
      },
      { keepAlive: true },
    )
    await ended
    timer.cancel()
    await hub.close()
  }
  const address = server.address()
  return {
    address: {
      host: parts.host,
      port: typeof address === 'object' && address !== null ? address.port : parts.listenPort,
    },
    registry,
    close: (options) => {
      closing ??= close(options?.drainMs ?? DRAIN_MS_DEFAULT)
      return closing
    },
  }
}

function serverOf({ tls, secured }: AmqpListenerParts, accept: (socket: Socket) => void): Server {
  if (tls === undefined) return createServer({ noDelay: true }, accept)
  const server = createTlsServer(tls, accept)
  secured?.(server)
  return server
}

function listening(server: Server, { host, listenPort }: AmqpListenerParts): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port: listenPort }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function serve(hub: Hub, socket: Socket, insecure: boolean): void {
  socket.setNoDelay(true)
  const peer = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
  const local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 }
  const name = `${peer.host}:${peer.port} -> ${local.host}:${local.port}`
  const connection = new Connection({
    hub,
    stream: socket,
    peer: peerOf(socket, peer.host),
    addresses: { name, peer, local },
    insecure,
  })
  hub.parts.registry.add(name, connection)
  socket.on('data', (chunk) => connection.received(chunk))
  socket.on('drain', () => connection.drained())
  // What went wrong with a socket is told by its close.
  socket.on('error', () => {})
  socket.on('close', () => connection.disconnected())
}

function peerOf(socket: Socket, host: string): Peer {
  const loopback = host === '::1' || host.startsWith('127.') || host.startsWith('::ffff:127.')
  const secure = (socket as Partial<TLSSocket>).encrypted === true ? (socket as TLSSocket) : undefined
  const certificate = secure?.authorized === true ? secure.getPeerCertificate() : undefined
  const commonName = certificate?.subject?.CN
  const certificateName = Array.isArray(commonName) ? commonName[0] : commonName
  return { host, loopback, tls: secure !== undefined, certificateName }
}
