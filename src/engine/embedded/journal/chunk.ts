/** Records that go to the disk in one write: a stretch of one segment, gathered in memory. */

/** Enough for some thousand small records; a larger record gets a buffer of its own. */
export const CHUNK_BYTES = 1_048_576
const BUFFERS_KEPT = 4

export interface Chunk {
  readonly segment: number
  /** File place of its first byte. */
  readonly fileOffset: number
  readonly buffer: Buffer
  used: number
  /** Number of the last record in it. */
  lastSealed: number
  /** Does a record in it ask for a sync? */
  durable: boolean
  /** Does somebody wait for the write alone? */
  relaxed: boolean
  /** The last of its segment. */
  rolls: boolean
}

/** Buffers are used again: allocating a fresh MiB for each write would cost page faults on the hot path. */
export class ChunkBuffers {
  readonly #idle: Buffer[] = []

  take(bytes: number): Buffer {
    if (bytes > CHUNK_BYTES) return Buffer.allocUnsafeSlow(bytes)
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)
  }

  give(buffer: Buffer): void {
    if (buffer.length === CHUNK_BYTES && this.#idle.length < BUFFERS_KEPT) this.#idle.push(buffer)
  }
}

/** Does it hold something of `[from, to)` of that segment? */
export function overlaps(chunk: Chunk, segment: number, from: number, to: number): boolean {
  return chunk.segment === segment && from < chunk.fileOffset + chunk.used && to > chunk.fileOffset
}
