/** A WebSocket as a stream of bytes, by the library `ws`: Node has none of its own before 22, and one without back-pressure since. */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the library's
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { SpindleError } from '../../model/errors.ts'
import type { ByteStream } from './byte-stream.ts'
import type { Dial } from './network-port.ts'
import { WRITE_BYTES_MAX } from './outbox.ts'
import { webSocketStream } from './web-socket-stream.ts'

const HANDSHAKE_MS = 10_000
/** Of what a server says when it refuses, bytes. */
const REFUSAL_BYTES_MAX = 4_096

export interface TlsTrust {
  /** PEM of further authorities to believe, beside the system's; for certificates of one's own. */
  readonly ca?: string | Uint8Array
  /** PEM of one's own certificate and its key, where the server asks for one. */
  readonly cert?: string | Uint8Array
  readonly key?: string | Uint8Array
}

export function dialNode({ url, shown, tls = {} }: { url: string; shown: string; tls?: TlsTrust }): Dial {
  return (signal) =>
    new Promise<ByteStream>((resolve, reject) => {
      const socket = new WebSocket(url, {
        handshakeTimeout: HANDSHAKE_MS,
        maxPayload: WRITE_BYTES_MAX,
        perMessageDeflate: false,
        ...pemsOf(tls),
      })
      const abort = (): void => socket.terminate()
      signal.addEventListener('abort', abort, { once: true })
      const failed = (fault: Error): void => reject(isDistrust(fault) ? distrust(fault, shown) : fault)
      socket.on('error', failed)
      socket.once('open', () => {
        signal.removeEventListener('abort', abort)
        socket.off('error', failed)
        resolve(webSocketStream(socket))
      })
      socket.once('unexpected-response', (_, response) => {
        signal.removeEventListener('abort', abort)
        socket.off('error', failed)
        // Giving it up is an error of its own, and not what it is about.
        socket.on('error', () => {})
        refusal(response, shown)
          .then(reject, reject)
          .finally(() => socket.terminate())
      })
    })
}

function pemsOf(tls: TlsTrust): Readonly<Record<string, string | Buffer>> {
  const given = Object.entries(tls) as [string, string | Uint8Array | undefined][]
  return Object.fromEntries(
    given.flatMap(([name, pem]) =>
      pem === undefined ? [] : [[name, typeof pem === 'string' ? pem : Buffer.from(pem)]],
    ),
  )
}

/** A certificate that is not believed now will not be in a second. */
function isDistrust(fault: Error): boolean {
  const code = 'code' in fault ? String(fault.code) : ''
  return /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF|SELF_SIGNED|UNABLE_TO_)/.test(code)
}

function distrust(fault: Error, shown: string): SpindleError {
  return new SpindleError('unreachable', `connect to ${shown} (${fault.message}; see tls.ca)`, { cause: fault })
}

/** What will be said again is a SpindleError; a server that is stopping or overloaded is worth another attempt. */
async function refusal(response: IncomingMessage, shown: string): Promise<Error> {
  const { statusCode = 0 } = response
  const title = titleOf(await textOf(response).catch(() => ''))
  const said = `${statusCode}${title === undefined ? '' : `: ${title}`}`
  if (statusCode >= 500 || statusCode === 429 || statusCode === 408) return new Error(`it answered ${said}`)
  if (statusCode === 401 || statusCode === 403)
    return new SpindleError('access-denied', `connect to ${shown} (${said})`)
  return new SpindleError('protocol', `connect to ${shown}, which answered ${said}`)
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    if (bytes > REFUSAL_BYTES_MAX) break
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function titleOf(body: string): string | undefined {
  try {
    const { title } = JSON.parse(body) as { title?: unknown }
    return typeof title === 'string' ? title : undefined
  } catch {
    return undefined
  }
}
