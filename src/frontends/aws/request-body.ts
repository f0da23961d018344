/** Reads the body of a request, up to a cap. */
// biome-ignore lint/style/noRestrictedImports: types only; the socket is the caller's
import type { IncomingMessage } from 'node:http'

export type BodyOutcome =
  | { readonly kind: 'read'; readonly body: Buffer }
  | { readonly kind: 'tooLarge' }
  /** The client hung up before it had sent everything. */
  | { readonly kind: 'cut' }

const EMPTY = Buffer.alloc(0)

/** Calls `done` once. A body over the cap is not read further. */
export function readBody(request: IncomingMessage, bytesMax: number, done: (outcome: BodyOutcome) => void): void {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > bytesMax) {
    done({ kind: 'tooLarge' })
    return
  }
  let first: Buffer | undefined
  let more: Buffer[] | undefined
  let bytes = 0
  let isOver = false
  const finish = (outcome: BodyOutcome): void => {
    if (isOver) return
    isOver = true
    done(outcome)
  }
  request.on('data', (chunk: Buffer) => {
    if (isOver) return
    bytes += chunk.length
    if (bytes > bytesMax) {
      request.pause()
      finish({ kind: 'tooLarge' })
      return
    }
    if (first === undefined) first = chunk
    else if (more === undefined) more = [first, chunk]
    else more.push(chunk)
  })
  request.on('end', () => {
    finish({ kind: 'read', body: more === undefined ? (first ?? EMPTY) : Buffer.concat(more, bytes) })
  })
  request.on('close', () => finish({ kind: 'cut' }))
  request.on('error', () => finish({ kind: 'cut' }))
}
