/**
 * The remote client's frames. A stream (unix socket, TCP, WebSocket payloads) carries them back to back:
 *
 *     0        4                    4 + length
 *     +--------+--------------------+
 *     | length | body (msgpack)     |     length: u32, big endian, of the body alone; 1 to `frameBytesMax`
 *     +--------+--------------------+
 *
 * The body is an array whose first element is the kind:
 *
 *     0 hello    [0, version, name, facts]    first frame of either side; name: who speaks
 *     1 request  [1, id, method, args]        id: chosen by the asker, unused by any of its open requests
 *     2 ok       [2, id, value]
 *     3 error    [3, id, code, message]
 *     4 cancel   [4, id]                      the asker wants an answer now; the request is still answered
 *     5 listen   [5, channel]
 *     6 unlisten [6, channel]
 *     7 event    [7, channel, data]           up: announce it; down: it was announced
 *     8 bye      [8, code, message]           last frame; see below
 *     9 ping     [9]                          is anybody there? Only over a network; answered by pong
 *    10 pong     [10]
 *
 * Requests are answered in any order. `bye` from the asker: no request follows, answer the open ones, then say bye.
 * `bye` from the answerer: every request not answered before it has had and will have no effect.
 * A stream that ends without `bye` leaves the open requests unknown.
 *
 * `hello` of the asker may carry `auth` in its facts: { token } or { user, password }.
 * Versions: each side tells its own, and goes on with a peer from PROTOCOL_VERSION_MIN to PROTOCOL_VERSION.
 */
import { Packr, RESERVE_START_SPACE } from 'msgpackr'
import { checkBody } from './check.ts'
import { FrameError } from './fault.ts'

export const PROTOCOL_VERSION = 3
/** The oldest that this side still speaks with. */
const PROTOCOL_VERSION_MIN = 3
/** Body of one frame, bytes. Senders split batches long before; it bounds what one peer can make the other buffer. */
export const FRAME_BYTES_MAX = 256 * 1024 * 1024
export const LENGTH_BYTES = 4

export type Frame =
  | { readonly kind: 'hello'; readonly version: number; readonly name: string; readonly facts: Facts }
  | { readonly kind: 'request'; readonly id: number; readonly method: string; readonly args: readonly unknown[] }
  | { readonly kind: 'ok'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'listen'; readonly channel: string }
  | { readonly kind: 'unlisten'; readonly channel: string }
  | { readonly kind: 'event'; readonly channel: string; readonly data: Uint8Array }
  | { readonly kind: 'bye'; readonly code: string; readonly message: string }
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }

/** What a side tells about itself when it greets; unknown ones are ignored, so that later versions may add some. */
export type Facts = Readonly<Record<string, unknown>>

const HELLO = 0
const REQUEST = 1
const OK = 2
const ERROR = 3
const CANCEL = 4
const LISTEN = 5
const UNLISTEN = 6
const EVENT = 7
const BYE = 8
const PING = 9
const PONG = 10

/** Plain maps and arrays only: no records, whose readers msgpackr compiles from what the peer sent. */
const codec = new Packr({ useRecords: false, mapsAsObjects: true, copyBuffers: true, moreTypes: false })

/** The whole frame, length included. Throws FrameError when the body is over `frameBytesMax`. */
export function encodeFrame(frame: Frame, frameBytesMax: number = FRAME_BYTES_MAX): Uint8Array {
  const bytes = codec.pack(elementsOf(frame), RESERVE_START_SPACE | LENGTH_BYTES)
  const bodyBytes = bytes.length - LENGTH_BYTES
  if (bodyBytes > frameBytesMax) {
    throw new FrameError(`a ${frame.kind} frame of ${bodyBytes} bytes is over the limit of ${frameBytesMax} bytes`)
  }
  new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).setUint32(0, bodyBytes)
  return bytes
}

/** Throws FrameError that says which side is the older one. */
export function checkVersion(version: number): void {
  if (version >= PROTOCOL_VERSION_MIN && version <= PROTOCOL_VERSION) return
  const verdict = version < PROTOCOL_VERSION_MIN ? 'too old' : 'too new'
  const ours = PROTOCOL_VERSION_MIN === PROTOCOL_VERSION ? '' : `${PROTOCOL_VERSION_MIN} to `
  throw new FrameError(
    `the peer speaks version ${version}, which is ${verdict}: this side speaks ${ours}${PROTOCOL_VERSION}`,
  )
}

/** `body` without its length. Throws FrameError on anything that is not exactly one frame. */
export function decodeBody(body: Uint8Array): Frame {
  checkBody(body)
  let elements: unknown
  try {
    elements = codec.unpack(body)
  } catch (cause) {
    throw new FrameError('a frame is not valid msgpack', { cause })
  }
  if (!Array.isArray(elements)) throw new FrameError('a frame is not an array')
  return frameOf(elements)
}

function elementsOf(frame: Frame): unknown[] {
  switch (frame.kind) {
    case 'hello':
      return [HELLO, frame.version, frame.name, frame.facts]
    case 'request':
      return [REQUEST, frame.id, frame.method, frame.args]
    case 'ok':
      return [OK, frame.id, frame.value]
    case 'error':
      return [ERROR, frame.id, frame.code, frame.message]
    case 'cancel':
      return [CANCEL, frame.id]
    case 'listen':
      return [LISTEN, frame.channel]
    case 'unlisten':
      return [UNLISTEN, frame.channel]
    case 'event':
      return [EVENT, frame.channel, frame.data]
    case 'bye':
      return [BYE, frame.code, frame.message]
    case 'ping':
      return [PING]
    case 'pong':
      return [PONG]
    default:
      return frame satisfies never
  }
}

function frameOf([kind, first, second, third]: readonly unknown[]): Frame {
  switch (kind) {
    case HELLO:
      return { kind: 'hello', version: natural(first), name: text(second), facts: object(third) }
    case REQUEST:
      return { kind: 'request', id: natural(first), method: text(second), args: array(third) }
    case OK:
      return { kind: 'ok', id: natural(first), value: second }
    case ERROR:
      return { kind: 'error', id: natural(first), code: text(second), message: text(third) }
    case CANCEL:
      return { kind: 'cancel', id: natural(first) }
    case LISTEN:
      return { kind: 'listen', channel: text(first) }
    case UNLISTEN:
      return { kind: 'unlisten', channel: text(first) }
    case EVENT:
      return { kind: 'event', channel: text(first), data: bytes(second) }
    case BYE:
      return { kind: 'bye', code: text(first), message: text(second) }
    case PING:
      return { kind: 'ping' }
    case PONG:
      return { kind: 'pong' }
    default:
      throw new FrameError('a frame is of no known kind')
  }
}

function natural(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new FrameError('a frame has no number where one belongs')
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new FrameError('a frame has no text where it belongs')
}

function bytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new FrameError('a frame has no bytes where they belong')
}

function array(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new FrameError('a frame has no list where one belongs')
}

function object(value: unknown): Facts {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Facts
  throw new FrameError('a frame has no map where one belongs')
}
