/** What a connection needs of the stream under it: a Duplex of Node has all of it, and so has a browser's WebSocket in its wrapper. */
export interface ByteStream {
  readonly destroyed: boolean
  /** Bytes written and not yet taken by the operating system. */
  readonly writableLength: number
  readonly writableNeedDrain: boolean
  write(bytes: Uint8Array): unknown
  /** Writes before `uncork` may leave together. */
  cork(): void
  uncork(): void
  end(): unknown
  destroy(): unknown
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
  on(event: 'drain' | 'close' | 'error', listener: () => void): unknown
}
