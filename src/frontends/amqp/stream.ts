/** The part of a socket that a connection uses; `net.Socket` and `tls.TLSSocket` are such. */
export interface ByteStream {
  /** Bytes that wait to be sent. */
  readonly writableLength: number
  readonly destroyed: boolean
  write(bytes: Uint8Array, sent?: () => void): boolean
  pause(): unknown
  resume(): unknown
  /** Sends what waits, then closes. */
  end(): unknown
  destroy(): unknown
}
