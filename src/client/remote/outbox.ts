/**
 * What one side of a connection has to say. Frames of one turn of the event loop leave in one write, and while the
 * peer does not read they gather here instead of in the stream's buffer, to leave in one write again.
 */
import type { Duplex } from 'node:stream'
import { encodeFrame, type Frame } from '../../wire/remote/frame.ts'

/** Beyond this, copying costs more than several small writes do, bytes. */
const JOINED_BYTES_MAX = 4 * 1024 * 1024

export class Outbox {
  readonly #stream: Duplex
  readonly #frameBytesMax: number
  #parts: Uint8Array[] = []
  #heldBytes = 0
  #scheduled = false
  #ending = false

  constructor(stream: Duplex, frameBytesMax: number) {
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
    process.nextTick(() => {
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
    if (bytes <= JOINED_BYTES_MAX) {
      this.#stream.write(Buffer.concat(parts, bytes))
      return
    }
    this.#stream.cork()
    for (const part of parts) this.#stream.write(part)
    this.#stream.uncork()
  }
}
