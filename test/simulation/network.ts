/** A network in memory: pairs of connected streams that a test can cut at any moment. */
import { Duplex } from 'node:stream'
import type { ByteStream } from '../../src/frontends/amqp/stream.ts'

class End extends Duplex {
  other: End | undefined

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // The receiver may hold it for long, and the sender's buffer is soon used again.
    this.other?.push(Buffer.from(chunk))
    done()
  }

  override _final(done: () => void): void {
    this.other?.push(null)
    done()
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    const { other } = this
    this.other = undefined
    if (other !== undefined && !other.destroyed) other.destroy()
    done()
  }

  // What an HTTP server asks of a socket.
  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }
}

/** Two ends; what is written to one is read at the other, in order. Destroying one destroys both. */
export function connectedPair(): readonly [Duplex, Duplex] {
  const a = new End({ allowHalfOpen: false })
  const b = new End({ allowHalfOpen: false })
  a.other = b
  b.other = a
  for (const end of [a, b]) end.on('error', () => {})
  return [a, b]
}

/** One direction of an AMQP connection as its server sees it: bytes go to `deliver` in a later turn, unless it was cut meanwhile. */
export class MemoryStream implements ByteStream {
  writableLength = 0
  destroyed = false
  readonly #deliver: (bytes: Buffer) => void
  readonly #closed: () => void

  constructor(parts: { deliver: (bytes: Buffer) => void; closed: () => void }) {
    this.#deliver = parts.deliver
    this.#closed = parts.closed
  }

  write(bytes: Uint8Array, sent?: () => void): boolean {
    if (this.destroyed) return true
    const copy = Buffer.from(bytes)
    queueMicrotask(() => {
      if (!this.destroyed) this.#deliver(copy)
      sent?.()
    })
    return true
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.destroy()
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    queueMicrotask(() => this.#closed())
  }
}
