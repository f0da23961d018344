/**
 * The server's certificate on every listener, and the next one when it is renewed: files are looked at each LOOK_EVERY_MS (and at once
 * on `reload`), and new connections get what they say. Connections that are open keep theirs. A pair that does not fit (a renewal half
 * written, say) changes nothing and is told.
 */
import { createSecureContext, type TlsOptions, type Server as TlsServer } from 'node:tls'
import { SpindleError } from '../model/errors.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'

const LOOK_EVERY_MS = 10_000

/** PEM. */
export interface TlsFiles {
  readonly cert: Uint8Array
  readonly key: Uint8Array
  /** Authorities whose certificates clients may show. Absent: clients are not asked for one. */
  readonly clientCa?: Uint8Array
}

export interface TlsSettings extends TlsFiles {
  /** With `clientCa`: must a client show a certificate, or may it? Default `required`. */
  readonly clients?: 'required' | 'optional'
  /** Reads the files again; absent: they never change. */
  readonly read?: () => Promise<TlsFiles>
}

export class Certificates {
  readonly #settings: TlsSettings
  readonly #clock: Clock
  readonly #log: Log
  readonly #servers = new Set<TlsServer>()
  #current: TlsFiles
  #timer: Timer | undefined
  #ended = false

  /** Throws `invalid-argument` when certificate and key do not fit each other. */
  constructor(settings: TlsSettings, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#settings = settings
    this.#clock = clock
    this.#log = log
    this.#current = settings
    try {
      createSecureContext(contextOf(settings))
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new SpindleError('invalid-argument', `tls: the certificate or its key cannot be used (${why})`, { cause })
    }
  }

  /** For a server that is about to be made; pass it to `attach` then. */
  options(): TlsOptions {
    const { clientCa, clients = 'required' } = this.#settings
    const asked = clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: clients === 'required' }
    return { ...contextOf(this.#current), ...asked }
  }

  attach(server: TlsServer): void {
    this.#servers.add(server)
    server.once('close', () => this.#servers.delete(server))
  }

  watch(): void {
    if (this.#settings.read === undefined || this.#ended) return
    this.#timer = this.#clock.setTimer(LOOK_EVERY_MS, () => void this.reload().finally(() => this.watch()))
  }

  /** Never rejects. true: what new connections get has changed. */
  async reload(): Promise<boolean> {
    const { read } = this.#settings
    if (read === undefined || this.#ended) return false
    try {
      const files = await read()
      if (same(files, this.#current)) return false
      const context = contextOf(files)
      createSecureContext(context)
      for (const server of this.#servers) server.setSecureContext(context)
      this.#current = files
      this.#log.info('the certificate was renewed; new connections get it')
      return true
    } catch (fault) {
      this.#log.error('the certificate on disk cannot be used; the one before stays', { fault })
      return false
    }
  }

  close(): void {
    this.#ended = true
    this.#timer?.cancel()
  }
}

function contextOf({ cert, key, clientCa }: TlsFiles): TlsOptions {
  const ca = clientCa === undefined ? {} : { ca: Buffer.from(clientCa) }
  return { cert: Buffer.from(cert), key: Buffer.from(key), ...ca, minVersion: 'TLSv1.2' }
}

function same(a: TlsFiles, b: TlsFiles): boolean {
  const equal = (x: Uint8Array | undefined, y: Uint8Array | undefined): boolean =>
    x === undefined || y === undefined ? x === y : Buffer.compare(x, y) === 0
  return equal(a.cert, b.cert) && equal(a.key, b.key) && equal(a.clientCa, b.clientCa)
}
