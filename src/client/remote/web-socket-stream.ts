import type { Duplex } from 'node:stream'
import { createWebSocketStream, type WebSocket } from 'ws'

/** A WebSocket of the library `ws`, either side's, as a stream of bytes. It is destroyed once the other side has ended. */
export function webSocketStream(socket: WebSocket): Duplex {
  const stream = createWebSocketStream(socket, { allowHalfOpen: false })
  // A socket that was reset never finishes its writing, and the library's stream would wait for that.
  stream.once('end', () => stream.destroy())
  return stream
}
