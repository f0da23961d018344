/**
 * POSTs to URLs that strangers gave. The name is resolved here, every address of it must be allowed, and the connection goes to the
 * one that was checked: a name that resolves to something else a moment later changes nothing. Redirects are not followed, the whole
 * exchange has one deadline, and of the answer only its status is read.
 */
import { lookup as resolve } from 'node:dns/promises'
import { type ClientRequest, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { isLocalOrPublicAddress, isPublicAddress } from './public-address.ts'

export interface OutboundRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * - `answered`: with this status
 * - `refused`: this server will not go there; trying again is of no use
 * - `failed`: no answer came; the next attempt may have one
 */
export type OutboundAnswer =
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string }

export interface Outbound {
  /** Never rejects. */
  post(request: OutboundRequest, signal?: AbortSignal): Promise<OutboundAnswer>
}

const REACHES = {
  public: isPublicAddress,
  local: isLocalOrPublicAddress,
  any: (address: string): boolean => isIP(address) !== 0,
} as const

export interface OutboundOptions {
  /** Only public addresses; those and loopback; or any, private networks too. Default `public`. */
  readonly reach?: keyof typeof REACHES
  /** For the whole exchange. Default 15,000. */
  readonly timeoutMs?: number
  /** All addresses of a name. Default: the system's resolver. */
  readonly addressesOf?: (host: string) => Promise<readonly string[]>
}

const TIMEOUT_MS = 15_000
const URL_CHARACTERS_MAX = 2_048
/** Of an answer's body: read, so that the connection ends in peace, and not kept. */
const ANSWER_BYTES_MAX = 65_536

export function outboundHttp(options: OutboundOptions = {}): Outbound {
  const { reach = 'public', timeoutMs = TIMEOUT_MS, addressesOf = systemAddressesOf } = options
  const isAllowed = REACHES[reach]

  return {
    async post(asked, signal) {
      const url = checkedUrl(asked.url)
      if (typeof url === 'string') return { kind: 'refused', why: url }
      const deadline = new AbortController()
      const timer = setTimeout(() => deadline.abort(), timeoutMs)
      const stop = (): void => deadline.abort()
      signal?.addEventListener('abort', stop, { once: true })
      if (signal?.aborted === true) deadline.abort()
      try {
        const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
        const addresses = isIP(host) === 0 ? await Promise.race([addressesOf(host), aborted(deadline.signal)]) : [host]
        const hidden = addresses.find((address) => !isAllowed(address))
        if (hidden !== undefined)
          return {
            kind: 'refused',
            why: `${host} is ${hidden}, which ${reach === 'local' ? 'is neither loopback nor public' : 'is not a public address'}`,
          }
        const [pinned] = addresses
        if (pinned === undefined) return { kind: 'failed', why: `${host} has no address` }
        return { kind: 'answered', status: await exchange({ url, pinned, asked, signal: deadline.signal }) }
      } catch (fault) {
        if (deadline.signal.aborted) return { kind: 'failed', why: `no answer within ${timeoutMs} ms` }
        return { kind: 'failed', why: fault instanceof Error ? fault.message : 'the request failed' }
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', stop)
      }
    },
  }
}

/** The URL, or why it is none that may be asked. */
export function checkedUrl(text: string): URL | string {
  if (text.length > URL_CHARACTERS_MAX || !URL.canParse(text)) return 'it is no absolute URL'
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return `its scheme is ${url.protocol}`
  return url
}

function exchange(parts: { url: URL; pinned: string; asked: OutboundRequest; signal: AbortSignal }): Promise<number> {
  const { url, pinned, asked, signal } = parts
  const family = isIP(pinned)
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((done, failed) => {
    const request: ClientRequest = send(
      {
        method: 'POST',
        protocol: url.protocol,
        // The name stays for the Host header and TLS; the look-up answers what was checked.
        hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: url.port,
        path: url.pathname + url.search,
        agent: false,
        headers: {
          ...asked.headers,
          'Content-Length': asked.body.length,
          Connection: 'close',
          ...(url.username === '' ? {} : { Authorization: basic(url) }),
        },
        lookup: (_host, options, answer) => {
          if (options.all === true) answer(null, [{ address: pinned, family }])
          else answer(null, pinned, family)
        },
        signal,
      },
      (response) => {
        const status = response.statusCode ?? 0
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > ANSWER_BYTES_MAX) response.destroy()
        })
        response.once('close', () => done(status))
        response.once('error', () => done(status))
      },
    )
    request.once('error', failed)
    request.end(asked.body)
  })
}

function basic({ username, password }: URL): string {
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Basic ${Buffer.from(text, 'utf8').toString('base64')}`
}

async function systemAddressesOf(host: string): Promise<readonly string[]> {
  return (await resolve(host, { all: true })).map(({ address }) => address)
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(new Error('aborted'))
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
  })
}
