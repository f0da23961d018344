/** What the page hears while it is open: server-sent events, one stream for everything or for one booking. */
import type { IncomingMessage, ServerResponse } from 'node:http'

const LISTENERS_MAX = 100
/** A listener that reads this slowly is dropped; its browser connects again and starts from a fresh snapshot. */
const UNREAD_BYTES_MAX = 1024 * 1024
const HEARTBEAT_MS = 15_000

export interface LiveEvent {
  readonly event: 'snapshot' | 'booking' | 'mail' | 'call' | 'processes' | 'sale'
  readonly data: unknown
  /** The booking that it is about. */
  readonly bookingId?: string
}

export class LiveFeed {
  readonly #listeners = new Map<ServerResponse, string | undefined>()
  readonly #heartbeat = setInterval(() => this.#sendAll(': still here\n\n'), HEARTBEAT_MS)

  /** Streams to `response` from now on, `first` first; only what is about `bookingId` when given. */
  attach(request: IncomingMessage, response: ServerResponse, first: LiveEvent, bookingId?: string): void {
    if (this.#listeners.size >= LISTENERS_MAX) {
      response.writeHead(503, { 'retry-after': '5' }).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(`retry: 1000\n\n${encode(first)}`)
    this.#listeners.set(response, bookingId)
    request.on('close', () => this.#listeners.delete(response))
  }

  publish(event: LiveEvent): void {
    const text = encode(event)
    for (const [response, bookingId] of this.#listeners) {
      if (bookingId === undefined || (event.event === 'booking' && bookingId === event.bookingId)) send(response, text)
    }
  }

  close(): void {
    clearInterval(this.#heartbeat)
    for (const response of this.#listeners.keys()) response.end()
    this.#listeners.clear()
  }

  #sendAll(text: string): void {
    for (const response of this.#listeners.keys()) send(response, text)
  }
}

function send(response: ServerResponse, text: string): void {
  if (response.writableLength > UNREAD_BYTES_MAX) response.destroy()
  else response.write(text)
}

const encode = ({ event, data }: LiveEvent): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
