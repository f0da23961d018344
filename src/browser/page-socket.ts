/** A browser's WebSocket as a stream of bytes. Why one was refused no browser tells a page. */
import type { ByteStream } from '../client/remote/byte-stream.ts'
import type { Dial } from '../client/remote/network-port.ts'
import type { Clock, Timer } from '../runtime/clock.ts'

/** What is used of a browser's WebSocket, written down here so that our types need none of a browser's. */
interface PageWebSocket {
  binaryType: string
  readonly bufferedAmount: number
  send(data: Uint8Array): void
  close(): void
  addEventListener(type: 'open' | 'close', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
}

/** Of what was written and not sent yet, bytes: more is held back, so that later writes leave in one. */
const WAITING_BYTES_MAX = 1024 * 1024
/** A browser does not say when it has sent: it is asked, this often, ms. */
const ASK_MS = 20

export function dialPage({ url, clock }: { readonly url: string; readonly clock: Clock }): Dial {
  return (signal) =>
    new Promise<ByteStream>((resolve, reject) => {
      const socket = newSocket(url)
      socket.binaryType = 'arraybuffer'
      const abort = (): void => socket.close()
      signal.addEventListener('abort', abort, { once: true })
      socket.addEventListener('open', () => {
        signal.removeEventListener('abort', abort)
        resolve(new PageStream(socket, clock))
      })
      socket.addEventListener('close', () => {
        signal.removeEventListener('abort', abort)
        reject(new Error('no connection; a server lets in pages of other origins that its --allow-origin names'))
      })
    })
}

function newSocket(url: string): PageWebSocket {
  const { WebSocket } = globalThis as unknown as { readonly WebSocket: new (url: string) => PageWebSocket }
  return new WebSocket(url)
}

class PageStream implements ByteStream {
  destroyed = false
  readonly #socket: PageWebSocket
  readonly #clock: Clock
  readonly #drained: (() => void)[] = []
  #asking: Timer | undefined

  constructor(socket: PageWebSocket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    socket.addEventListener('close', () => this.destroy())
  }

  get writableLength(): number {
    return this.#socket.bufferedAmount
  }

  get writableNeedDrain(): boolean {
    return this.#asking !== undefined
  }

  write(bytes: Uint8Array): void {
    this.#socket.send(bytes)
    if (this.writableLength > WAITING_BYTES_MAX) this.#ask()
  }

  /** Each write is a message of its own, whose bytes leave when they can. */
  cork(): void {}

  uncork(): void {}

  /** What was written is sent before. */
  end(): void {
    this.#socket.close()
  }

  destroy(): void {
    this.destroyed = true
    this.#asking?.cancel()
    this.#socket.close()
  }

  on(event: 'data', listener: (chunk: Uint8Array) => void): void
  on(event: 'drain' | 'close' | 'error', listener: () => void): void
  on(event: 'data' | 'drain' | 'close' | 'error', listener: (chunk: Uint8Array) => void): void {
    const plain = listener as () => void
    switch (event) {
      case 'data':
        // Text is nothing that this protocol has; read as no bytes it would pass unseen.
        this.#socket.addEventListener('message', ({ data }) => {
          if (data instanceof ArrayBuffer) listener(new Uint8Array(data))
          else this.destroy()
        })
        return
      case 'drain':
        this.#drained.push(plain)
        return
      case 'close':
        this.#socket.addEventListener('close', plain)
        return
      case 'error':
        // A browser ends a socket that failed, and that is all there is to know.
        return
      default:
        event satisfies never
    }
  }

  #ask(): void {
    this.#asking ??= this.#clock.setTimer(ASK_MS, () => {
      this.#asking = undefined
      if (this.writableLength > WAITING_BYTES_MAX) this.#ask()
      else for (const drained of this.#drained) drained()
    })
  }
}
