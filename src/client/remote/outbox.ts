/**
 * What one side of a connection has to say. Frames of one turn of the event loop leave in one write, and while the
 * peer does not read they gather here instead of in the stream's buffer, to leave in one write again.
 */
import { encodeFrame, type Frame } from '../../wire/remote/frame.ts'
import { joined } from '../../wire/remote/joined.ts'
import type { ByteStream } from './byte-stream.ts'

/** Beyond this, copying costs more than several small writes do, bytes. */
const JOINED_BYTES_MAX = 4 * 1024 * 1024
/** Of one write: over a WebSocket it is a message, whose receiver holds it whole. */
export const WRITE_BYTES_MAX = 1024 * 1024

export class Outbox {
  readonly #stream: ByteStream
  readonly #frameBytesMax: number
  #parts: Uint8Array[] = []
  #heldBytes = 0
  #scheduled = false
  #ending = false

  constructor(stream: ByteStream, frameBytesMax: number) {
    this.#stream = stream
    this.#frameBytesMax = frameBytesMax
    stream.on('drain', () => this.#flush())
  }

  /** Bytes said and not yet taken by the operating system. */
  get waitingBytes(): number {
    return this.#heldBytes + this.#stream.writableLength
  }

  /** Encodes now, so the frame's values may change afterwards. Throws FrameError when it is over the limit; then nothing was said. */
  say(frame: Frame): void {
    if (this.#ending || this.#stream.destroyed) return
    const bytes = encodeFrame(frame, this.#frameBytesMax)
    this.#parts.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#scheduled) return
    this.#scheduled = true
    soon(() => {
      this.#scheduled = false
      if (!this.#stream.writableNeedDrain) this.#flush()
    })
  }

  /** Says what is left, then ends the stream. What is said later is dropped. */
  end(): void {
    if (this.#ending) return
    this.#ending = true
    this.#flush()
    if (!this.#stream.destroyed) this.#stream.end()
  }

  #flush(): void {
    const parts = this.#parts
    if (parts.length === 0 || this.#stream.destroyed) return
    const bytes = this.#heldBytes
    this.#parts = []
    this.#heldBytes = 0
    this.#stream.cork()
    if (bytes <= JOINED_BYTES_MAX) this.#write(joined(parts, bytes))
    else for (const part of parts) this.#write(part)
    this.#stream.uncork()
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += WRITE_BYTES_MAX) {
      this.#stream.write(at === 0 && bytes.length <= WRITE_BYTES_MAX ? bytes : bytes.subarray(at, at + WRITE_BYTES_MAX))
    }
  }
}

/** After the promises of this turn; in a browser after those that are ready, which gathers a little less. */
const soon: (then: () => void) => void =
  typeof process === 'undefined' ? queueMicrotask : (then) => process.nextTick(then)
