/**
 * The port to a server: one connection over which every call of this process goes, made anew whenever it breaks.
 *
 *     seeking --dialled, greeted--> joined --connection or server gone--> seeking …
 *        '--refused for good (no account, another protocol)--> failed
 *
 * What callers see meanwhile: client/carried-port.ts. New calls wait `patienceMs`, then reject with `unreachable`. The server keeps the
 * leases of a client that vanished for a while (30 s), so that they outlast a cable; it gives those of one that closed back at once.
 */
import { SpindleError } from '../../model/errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import type { Facts } from '../../wire/remote/frame.ts'
import { CarriedPort } from '../carried-port.ts'
import { RemotePort } from '../remote.ts'
import type { ByteStream } from './byte-stream.ts'

/** Default of `patienceMs`. */
const PATIENCE_MS = 30_000
/** Pauses between two attempts, ms: doubled each time, and half of each by chance, so that clients of one server do not come in step. */
const PAUSE_MS_MIN = 50
const PAUSE_MS_MAX = 5_000

/** Makes a connection that carries bytes. Rejects with a SpindleError where the server refused, and with anything else where another attempt may succeed. */
export type Dial = (signal: AbortSignal) => Promise<ByteStream>

export interface NetworkParts {
  /** For messages to people: without a password. */
  readonly url: string
  readonly dial: Dial
  readonly auth: Auth | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** How long opening, and a call while there is no connection, waits for a server that answers, ms. Default 30,000. */
  readonly patienceMs?: number
}

/** A token of a user, or name and password. */
export type Auth = { readonly token: string } | { readonly user: string; readonly password: string }

export class NetworkPort extends CarriedPort {
  readonly #parts: NetworkParts
  /** This client among all that ever connect to the store; its leases are held under it. */
  readonly #name: string
  readonly #facts: Facts
  readonly #ending = new AbortController()
  /** Why the latest attempt failed. */
  #reason = 'no answer'

  private constructor(parts: NetworkParts) {
    const { url, clock, random, auth, patienceMs = PATIENCE_MS } = parts
    super({
      place: `at ${url}`,
      clock,
      patienceMs,
      impatient: (attempted) =>
        new SpindleError('unreachable', `${attempted} at ${url}, for ${patienceMs} ms (${this.#reason})`),
    })
    this.#parts = parts
    this.#name = Array.from(random.bytes(12), (byte) => byte.toString(16).padStart(2, '0')).join('')
    this.#facts = auth === undefined ? {} : { auth }
  }

  /** Resolves once a server has answered. Rejects `unreachable`, `not-authenticated`, `access-denied` or `protocol`. */
  static async open(parts: NetworkParts): Promise<NetworkPort> {
    const port = new NetworkPort(parts)
    await port.begin('connect')
    return port
  }

  protected override letGo(): Promise<void> {
    this.#ending.abort()
    return Promise.resolve()
  }

  protected async seek(): Promise<void> {
    const { url, clock, log } = this.#parts
    if (this.worked) log.warn('the connection to the server is gone and made anew', { url })
    let pauseMs = PAUSE_MS_MIN
    while (!this.closing) {
      try {
        const stream = await this.#parts.dial(this.#ending.signal)
        const parts = { stream, client: this.#name, peer: url, clock, facts: this.#facts, heartbeat: true }
        const again = this.worked
        if (await this.join(new RemotePort(parts))) {
          if (again) log.info('connected again', { url })
          return
        }
        this.#reason = 'it ended the connection'
      } catch (fault) {
        if (fault instanceof SpindleError) {
          this.fail(fault)
          log.error('the server refuses this client', { url, fault })
          return
        }
        this.#reason = fault instanceof Error ? fault.message : String(fault)
      }
      if (pauseMs === PAUSE_MS_MIN) log.warn('the server does not answer; trying on', { url, reason: this.#reason })
      await this.#rest(pauseMs * (0.5 + this.#parts.random.float() / 2))
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
    }
  }

  /** Ends early when the port closes. */
  #rest(ms: number): Promise<void> {
    const { signal } = this.#ending
    return new Promise((resolve) => {
      if (signal.aborted) resolve()
      const end = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = this.#parts.clock.setTimer(ms, end, { keepAlive: true })
      signal.addEventListener('abort', end, { once: true })
    })
  }
}

/** Where a server takes connections, by the URL that people know: `http:` for `ws:`, and so on. */
export interface ServerPlace {
  /** `ws://host:port/api/v1/connect` */
  readonly socketUrl: string
  /** Without a password, for messages. */
  readonly shown: string
  /** From `http://user:password@host` or `http://token@host`. */
  readonly auth: Auth | undefined
}

export const REMOTE_PATH = '/api/v1/connect'

/** undefined: not the URL of a server. */
export function serverPlace(text: string): ServerPlace | undefined {
  if (!/^(?:https?|wss?):\/\//i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const { username, password } = url
  const user = decodeURIComponent(username)
  const auth =
    user === '' ? undefined : password === '' ? { token: user } : { user, password: decodeURIComponent(password) }
  url.username = ''
  url.password = ''
  const shown = url.href.replace(/\/$/, '')
  url.protocol = /^(?:https|wss):$/.test(url.protocol) ? 'wss:' : 'ws:'
  url.pathname = `${url.pathname.replace(/\/+$/, '')}${REMOTE_PATH}`
  return { socketUrl: url.href, shown, auth }
}
