/**
 * Clients of `open('http://…')`: WebSockets at /api/v1/connect of every HTTP port, each of which carries one peer of the port
 * (client/remote/serve.ts). Where there are users each peer says who it is in its greeting and gets what its grants allow.
 *
 * Pages: a browser names the page's origin, and sends a password or token only where a program of that page has it. So a
 * page of another origin gets in where it is configured (`allowedOrigins`), and by a host name that is known (DNS rebinding).
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { Audit } from '../broker/audit.ts'
import type { Port } from '../broker/port.ts'
import type { Users } from '../broker/users.ts'
import { Holders } from '../client/remote/holders.ts'
import { WRITE_BYTES_MAX } from '../client/remote/outbox.ts'
import { type Admission, ServedPeer } from '../client/remote/serve.ts'
import { webSocketStream } from '../client/remote/web-socket-stream.ts'
import { isKnownHost } from '../frontends/admin/guard.ts'
import { authenticate, type StandingIdentity } from '../frontends/remote/credentials.ts'
import { GuardedPort } from '../frontends/remote/guarded-port.ts'
import { SealedReceipts } from '../frontends/remote/sealed-receipts.ts'
import { storedSealKey } from '../frontends/sqs/seal-key.ts'
import type { Identity } from '../model/access.ts'
import { SpindleError } from '../model/errors.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'

/** How long a client that vanished may take to come back before its leases end. */
const RECONNECT_GRACE_MS = 30_000
/** Of one frame, bytes: over the largest message and the largest batch of a client. */
const FRAME_BYTES_MAX = 64 * 1024 * 1024
/** How often connections are judged again by the grants and accounts of now, ms. */
const JUDGED_EVERY_MS = 5_000
const KEY_RECORD = 'spindle/remote/seal-key'

export interface RemoteClientsParts {
  readonly port: Port
  readonly users: Users
  readonly audit: Audit
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly allowedHosts: readonly string[]
  readonly allowedOrigins: readonly string[]
  readonly version: string
}

interface Connected {
  readonly peer: ServedPeer
  readonly stream: Duplex
  /** undefined: it came while there were no users. */
  standing: StandingIdentity | undefined
}

export class RemoteClients {
  readonly #parts: RemoteClientsParts
  readonly #receipts: SealedReceipts
  readonly #holders: Holders
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: WRITE_BYTES_MAX, clientTracking: false })
  readonly #connected = new Set<Connected>()
  #timer: Timer | undefined
  #draining = false

  private constructor(parts: RemoteClientsParts, sealKey: Uint8Array) {
    const { port, clock, log } = parts
    this.#parts = parts
    this.#receipts = new SealedReceipts(sealKey)
    this.#holders = new Holders({ port, clock, log, graceMs: RECONNECT_GRACE_MS })
  }

  static async open(parts: RemoteClientsParts): Promise<RemoteClients> {
    const { port, random } = parts
    return new RemoteClients(parts, await storedSealKey(KEY_RECORD, { port, random }))
  }

  /** Answers a request to become a WebSocket: with one, or with why not. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = this.#refusalOf(request)
    if (refusal !== undefined) {
      socket.on('error', () => {})
      socket.end(refusalText(refusal))
      return
    }
    const from = request.socket.remoteAddress ?? ''
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#serve(webSocketStream(webSocket), from)
    })
  }

  /** Answers what is under way, sends everybody elsewhere, and cuts who is left after `drainMs`. Leases stay. */
  async drain(drainMs: number): Promise<void> {
    this.#draining = true
    this.#timer?.cancel()
    const drained = [...this.#connected].map(({ peer }) => peer.drain())
    const cut = this.#parts.clock.setTimer(drainMs, () => {
      for (const { stream } of this.#connected) stream.destroy()
    })
    await Promise.all(drained)
    cut.cancel()
    this.#holders.stop()
  }

  #refusalOf({ headers }: IncomingMessage): Refusal | undefined {
    if (this.#draining) return { status: '503 Service Unavailable', title: 'The server is stopping.' }
    const { allowedHosts, allowedOrigins } = this.#parts
    if (!isKnownHost(headers.host, allowedHosts)) {
      return { status: '403 Forbidden', title: 'The host name is not one of this server (allowedHosts, --allow-host).' }
    }
    const { origin } = headers
    const own = origin === undefined || /^https?:\/\/(.+)$/.exec(origin)?.[1] === headers.host
    if (own || allowedOrigins.includes(origin)) return undefined
    return { status: '403 Forbidden', title: 'Pages of this origin may not connect (allowedOrigins, --allow-origin).' }
  }

  #serve(stream: Duplex, from: string): void {
    const { port, users, clock, log, version } = this.#parts
    // The peer is told of in its own admission, which comes later.
    const connected: { standing: StandingIdentity | undefined } = { standing: undefined }
    const peer = new ServedPeer({
      port,
      stream,
      holders: this.#holders,
      clock,
      log,
      name: 'spindle',
      facts: { version },
      frameBytesMax: FRAME_BYTES_MAX,
      heartbeat: true,
      admit: async ({ name, facts }): Promise<Admission> => {
        if (!users.configured()) return { client: name, port }
        const standing = await authenticate(facts, { users, from })
        connected.standing = standing
        return this.#admission({ name, from, standing })
      },
    })
    const entry: Connected = Object.assign(connected, { peer, stream })
    this.#connected.add(entry)
    void peer.ended.then(() => this.#connected.delete(entry))
    this.#watch()
  }

  /** Names of clients are their own choice; a user's holders are apart from those of others. */
  #admission({ name, from, standing }: { name: string; from: string; standing: StandingIdentity }): Admission {
    const { port, log, audit } = this.#parts
    const identity = (): Identity => {
      const now = standing()
      if (now === undefined) throw new SpindleError('not-authenticated', 'call')
      return now
    }
    const client = `${identity().name}/${name}`
    const done = (act: string): void => {
      void audit.record({ by: identity().name, from, via: 'remote', act, outcome: 'done' })
    }
    log.info('a client connected', { user: identity().name, from })
    return { client, port: new GuardedPort({ port, identity, holder: client, receipts: this.#receipts, done }) }
  }

  /** Whose account is gone may not stay, nor may who came before there were users. */
  #watch(): void {
    if (this.#timer !== undefined || this.#draining) return
    this.#timer = this.#parts.clock.setTimer(JUDGED_EVERY_MS, () => {
      this.#timer = undefined
      for (const { peer, standing } of this.#connected) {
        const stays = standing === undefined ? !this.#parts.users.configured() : standing() !== undefined
        // One that has not greeted yet is judged when it does.
        if (!stays && peer.admitted) peer.expel(new SpindleError('not-authenticated', 'stay connected'))
      }
      if (this.#connected.size > 0) this.#watch()
    })
  }
}

interface Refusal {
  readonly status: string
  readonly title: string
}

function refusalText({ status, title }: Refusal): string {
  const body = JSON.stringify({ title, status: Number.parseInt(status, 10) })
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
