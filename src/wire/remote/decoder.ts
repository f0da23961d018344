/** Cuts a byte stream into frames, however it was split on its way. */
import { FrameError } from './fault.ts'
import { decodeBody, FRAME_BYTES_MAX, type Frame, LENGTH_BYTES } from './frame.ts'
import { joined } from './joined.ts'

/** Holds at most one unfinished frame. After it threw it throws again: there is no way back into step. */
export class FrameDecoder {
  /** May be raised once the peer is known. */
  frameBytesMax: number
  #chunks: Uint8Array[] = []
  #heldBytes = 0
  /** Nothing can be read before this many bytes are held. */
  #neededBytes = LENGTH_BYTES
  #failed: FrameError | undefined

  constructor(frameBytesMax: number = FRAME_BYTES_MAX) {
    this.frameBytesMax = frameBytesMax
  }

  /** Hands the frames that `chunk` completes to `each`, in order and with their size, then keeps the rest of `chunk`. Throws FrameError. */
  push(chunk: Uint8Array, each: (frame: Frame, frameBytes: number) => void): void {
    if (this.#failed !== undefined) throw this.#failed
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#heldBytes < this.#neededBytes) return
    try {
      this.#cut(each)
    } catch (error) {
      this.#chunks = []
      this.#failed = error instanceof FrameError ? error : new FrameError('a frame cannot be read', { cause: error })
      throw this.#failed
    }
  }

  #cut(each: (frame: Frame, frameBytes: number) => void): void {
    const held = this.#chunks.length === 1 ? this.#chunks[0] : joined(this.#chunks, this.#heldBytes)
    if (held === undefined) return
    // Not as a Buffer, so that decoded bodies are plain Uint8Arrays as they are in one process.
    const data = new Uint8Array(held.buffer, held.byteOffset, held.byteLength)
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    let at = 0
    this.#neededBytes = LENGTH_BYTES
    while (data.length - at >= LENGTH_BYTES) {
      const length = view.getUint32(at)
      if (length === 0 || length > this.frameBytesMax) {
        throw new FrameError(`a frame claims ${length} bytes; the limit is ${this.frameBytesMax}`)
      }
      if (data.length - at - LENGTH_BYTES < length) {
        this.#neededBytes = LENGTH_BYTES + length
        break
      }
      each(decodeBody(data.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length)), length)
      at += LENGTH_BYTES + length
    }
    this.#heldBytes = data.length - at
    this.#chunks = this.#heldBytes === 0 ? [] : [data.subarray(at)]
  }
}
