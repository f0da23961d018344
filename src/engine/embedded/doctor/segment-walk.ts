/**
 * One segment, record by record, over whatever is damaged in it: behind a record that fails its check it looks for the next place where
 * one passes. A record's CRC covers segment, place and what it follows, so that neither bytes of a message nor what a recycled file held
 * before pass for one.
 */

import { RECORD_KIND } from '../codec.ts'
import {
  getUint32,
  KIND_MARKER,
  KIND_ROLL,
  KIND_SEGMENTS,
  MARKER_MAGIC,
  MARKER_PAYLOAD_BYTES,
  originOf,
  RECORD_HEADER_BYTES,
  readMarker,
  recordCrc,
  SEGMENT_HEADER_BYTES,
  segmentSeed,
} from '../journal/record-format.ts'

export type Step =
  /** `bytes[start..end)` is the payload; offsets in memory are those of the file. */
  | { readonly kind: 'record'; readonly start: number; readonly end: number }
  /** Everything before that place was on stable storage. */
  | { readonly kind: 'marker'; readonly segment: number; readonly offset: number }
  | { readonly kind: 'roll'; readonly next: number }
  /** These segments exist from here on. */
  | { readonly kind: 'segments'; readonly ids: readonly number[] }
  /** Nothing in `[from, to)` can be read; something that can follows. */
  | { readonly kind: 'hole'; readonly from: number; readonly to: number }
  /** No record follows. `written`: something that is no record does. */
  | { readonly kind: 'end'; readonly at: number; readonly written: boolean }

const KINDS = new Set([RECORD_KIND, KIND_MARKER, KIND_ROLL, KIND_SEGMENTS])

/** Steps through `bytes`, a whole segment file. */
export function* walk(bytes: Buffer, { id, salt }: { readonly id: number; readonly salt: number }): Generator<Step> {
  const seed = segmentSeed(id, salt)
  let at = SEGMENT_HEADER_BYTES
  let before = 0
  for (;;) {
    const kind = check(bytes, at, seed, before)
    if (kind === undefined) {
      const next = resume(bytes, at, seed)
      if (next === undefined) {
        yield { kind: 'end', at, written: isWritten(bytes, at, seed) }
        return
      }
      yield { kind: 'hole', from: at, to: next.at }
      at = next.at
      before = next.before
      continue
    }
    const start = at + RECORD_HEADER_BYTES
    const end = start + getUint32(bytes, at)
    yield stepOf(kind, bytes, start, end)
    before = getUint32(bytes, at + 4)
    at = end
  }
}

function stepOf(kind: number, bytes: Buffer, start: number, end: number): Step {
  switch (kind) {
    case KIND_MARKER:
      return { kind: 'marker', segment: getUint32(bytes, start + 8), offset: getUint32(bytes, start + 12) }
    case KIND_ROLL:
      return { kind: 'roll', next: getUint32(bytes, start) }
    case KIND_SEGMENTS: {
      const ids: number[] = []
      for (let at = start; at + 4 <= end; at += 4) ids.push(getUint32(bytes, at))
      return { kind: 'segments', ids }
    }
    default:
      return { kind: 'record', start, end }
  }
}

/** The kind of the record at `at`; undefined: there is none that passes its check. A marker has one of its own, whatever it follows. */
function check(bytes: Buffer, at: number, seed: number, before: number): number | undefined {
  if (!isPlausible(bytes, at)) return undefined
  const kind = getUint32(bytes, at + 8)
  const length = getUint32(bytes, at)
  if (getUint32(bytes, at + 4) === recordCrc(originOf(seed, before), at, bytes, at, length)) return kind
  return isMarker(bytes, at, seed) ? kind : undefined
}

function isPlausible(bytes: Buffer, at: number): boolean {
  if (at + RECORD_HEADER_BYTES > bytes.length) return false
  const length = getUint32(bytes, at)
  return KINDS.has(getUint32(bytes, at + 8)) && length > 0 && at + RECORD_HEADER_BYTES + length <= bytes.length
}

function isMarker(bytes: Buffer, at: number, seed: number): boolean {
  if (getUint32(bytes, at + 8) !== KIND_MARKER || getUint32(bytes, at) !== MARKER_PAYLOAD_BYTES) return false
  return readMarker(seed, at, bytes, at + RECORD_HEADER_BYTES) !== undefined
}

/**
 * Where records can be read again: at the next marker, or at one that follows what says to be the record before it. That one may be
 * the damaged record itself, when its header is whole; else it is lost, since nobody can tell what it followed.
 */
function resume(
  bytes: Buffer,
  from: number,
  seed: number,
): { readonly at: number; readonly before: number } | undefined {
  const last = bytes.length - RECORD_HEADER_BYTES
  for (let at = from; at <= last; at++) {
    // Three zero bytes behind the kind: nearly every place fails here.
    if (bytes[at + 9] !== 0 || bytes[at + 10] !== 0 || bytes[at + 11] !== 0 || !isPlausible(bytes, at)) continue
    if (at > from && isMarker(bytes, at, seed)) return { at, before: 0 }
    const next = at + RECORD_HEADER_BYTES + getUint32(bytes, at)
    const before = getUint32(bytes, at + 4)
    if (check(bytes, next, seed, before) !== undefined) return { at: next, before }
  }
  return undefined
}

/** Did somebody write there in this life of the file? Markers of an earlier one say that the rest is older, too. */
function isWritten(bytes: Buffer, from: number, seed: number): boolean {
  let old = false
  for (let found = from; ; found++) {
    found = bytes.indexOf(MARKER_MAGIC, found)
    if (found < 0) return !old && bytes.subarray(from).some((byte) => byte !== 0)
    if (found + MARKER_PAYLOAD_BYTES <= bytes.length && readMarker(seed, found - RECORD_HEADER_BYTES, bytes, found))
      return true
    old = true
  }
}
