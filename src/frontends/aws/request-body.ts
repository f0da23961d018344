/** Reads the body of a request, up to a cap. */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingMessage } from 'node:http'

export type BodyOutcome = { readonly kind: 'read'; readonly body: Buffer } | { readonly kind: 'tooLarge' }

const EMPTY = Buffer.alloc(0)

/** Calls `done` once, or never when the client hangs up first. A body over the cap is not read further. */
export function readBody(request: IncomingMessage, bytesMax: number, done: (outcome: BodyOutcome) => void): void {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > bytesMax) {
    done({ kind: 'tooLarge' })
    return
  }
  let first: Buffer | undefined
  let more: Buffer[] | undefined
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    if (bytes > bytesMax) return
    bytes += chunk.length
    if (bytes > bytesMax) {
      request.pause()
      done({ kind: 'tooLarge' })
      return
    }
    if (first === undefined) first = chunk
    else if (more === undefined) more = [first, chunk]
    else more.push(chunk)
  })
  request.on('end', () => {
    if (bytes > bytesMax) return
    done({ kind: 'read', body: more === undefined ? (first ?? EMPTY) : Buffer.concat(more, bytes) })
  })
}
