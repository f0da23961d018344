/** Buffers of one size that are used again, so that steady traffic makes no garbage of them. */
export class BufferPool {
  readonly bufferBytes: number
  readonly #keepMax: number
  readonly #free: Buffer[] = []

  constructor(parts: { bufferBytes: number; keepMax: number }) {
    this.bufferBytes = parts.bufferBytes
    this.#keepMax = parts.keepMax
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes)
  }

  /** Only what `take` gave, and only once nobody reads it any more. Others are left to the garbage collector. */
  giveBack(buffer: Buffer): void {
    if (buffer.length === this.bufferBytes && this.#free.length < this.#keepMax) this.#free.push(buffer)
  }
}
