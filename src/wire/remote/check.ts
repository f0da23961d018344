/**
 * Walks a msgpack value without building it, before the decoder may: a list header of five bytes can claim four
 * billion entries, and a decoder that believes it allocates first and finds out later. Here every entry must be
 * paid for with at least one byte that is there. Extension types (msgpackr's records, dates, sets…) are refused:
 * the port speaks plain data, and `undefined` is the one extension that msgpackr uses for it.
 */
import { FrameError } from './fault.ts'

/** Lists and maps within each other; the port's own data has less than ten. */
const DEPTH_MAX = 64

/** Throws FrameError unless `body` is exactly one plain msgpack value. */
export function checkBody(body: Uint8Array): void {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const end = body.length
  /** Values still to come at each open level. */
  const open = [1]
  let at = 0
  while (open.length > 0) {
    const level = open.length - 1
    const left = open[level] ?? 0
    if (left === 0) {
      open.pop()
      continue
    }
    open[level] = left - 1
    if (at >= end) throw new FrameError('a frame ends in the middle of a value')
    const token = body[at] ?? 0
    at += 1
    const width = HEADER_BYTES[token] ?? 0
    if (at + width > end) throw new FrameError('a frame ends in the middle of a value')
    let entries = 0
    if (token <= 0x7f || token >= 0xe0) continue
    if (token <= 0x8f) entries = (token & 0x0f) * 2
    else if (token <= 0x9f) entries = token & 0x0f
    else if (token <= 0xbf) at += token & 0x1f
    else {
      switch (token) {
        case 0xc0: // nil
        case 0xc2: // false
        case 0xc3: // true
          break
        case 0xc4: // bin 8, str 8
        case 0xd9:
          at += 1 + view.getUint8(at)
          break
        case 0xc5: // bin 16, str 16
        case 0xda:
          at += 2 + view.getUint16(at)
          break
        case 0xc6: // bin 32, str 32
        case 0xdb:
          at += 4 + view.getUint32(at)
          break
        case 0xca: // numbers of 1, 2, 4 and 8 bytes
        case 0xcb:
        case 0xcc:
        case 0xcd:
        case 0xce:
        case 0xd0:
        case 0xd1:
        case 0xd2:
          at += width
          break
        case 0xd4: // fixext 1 of type 0: undefined
          if (view.getUint16(at) !== 0) throw new FrameError('a frame has an extension type')
          at += 2
          break
        case 0xdc: // array 16
          entries = view.getUint16(at)
          at += 2
          break
        case 0xdd: // array 32
          entries = view.getUint32(at)
          at += 4
          break
        case 0xde: // map 16
          entries = view.getUint16(at) * 2
          at += 2
          break
        case 0xdf: // map 32
          entries = view.getUint32(at) * 2
          at += 4
          break
        default:
          throw new FrameError('a frame has an extension type or a 64-bit integer')
      }
    }
    if (at > end || entries > end - at) throw new FrameError('a frame claims more than it holds')
    if (entries > 0) {
      if (open.length === DEPTH_MAX) throw new FrameError(`a frame is nested deeper than ${DEPTH_MAX} levels`)
      open.push(entries)
    }
  }
  if (at !== end) throw new FrameError('a frame has bytes after its value')
}

/** Bytes that must follow each token before its length or number can be read. */
const HEADER_BYTES = headerBytes()

function headerBytes(): Uint8Array {
  const widths = new Uint8Array(256)
  const byWidth: readonly (readonly [number, readonly number[]])[] = [
    [1, [0xc4, 0xcc, 0xd0, 0xd9]],
    [2, [0xc5, 0xcd, 0xd1, 0xd4, 0xda, 0xdc, 0xde]],
    [4, [0xc6, 0xca, 0xce, 0xd2, 0xdb, 0xdd, 0xdf]],
    [8, [0xcb]],
  ]
  for (const [width, tokens] of byWidth) for (const token of tokens) widths[token] = width
  return widths
}
