/**
 * One segment, record by record, over whatever is damaged in it: behind a record that fails its check it looks for the next place where
 * one passes. A record's CRC covers its place, so that bytes of a message never pass for one.
 */

import { RECORD_KIND } from '../codec.ts'
import {
  getUint32,
  KIND_MARKER,
  KIND_ROLL,
  KIND_SEGMENTS,
  RECORD_HEADER_BYTES,
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

/** Steps through `bytes`, a whole segment file of that id. */
export function* walk(bytes: Buffer, id: number): Generator<Step> {
  const seed = segmentSeed(id)
  let at = SEGMENT_HEADER_BYTES
  for (;;) {
    const kind = check(bytes, at, seed)
    if (kind === undefined) {
      const next = nextRecord(bytes, at + 1, seed)
      if (next === undefined) {
        yield { kind: 'end', at, written: bytes.subarray(at).some((byte) => byte !== 0) }
        return
      }
      yield { kind: 'hole', from: at, to: next }
      at = next
      continue
    }
    const start = at + RECORD_HEADER_BYTES
    const end = start + getUint32(bytes, at)
    yield stepOf(kind, bytes, start, end)
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

/** The kind of the record at `at`; undefined: there is none that passes its check. */
function check(bytes: Buffer, at: number, seed: number): number | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length) return undefined
  const kind = getUint32(bytes, at + 8)
  const length = getUint32(bytes, at)
  if (!KINDS.has(kind) || length === 0 || at + RECORD_HEADER_BYTES + length > bytes.length) return undefined
  return getUint32(bytes, at + 4) === recordCrc(seed, at, bytes, at, length) ? kind : undefined
}

function nextRecord(bytes: Buffer, from: number, seed: number): number | undefined {
  const last = bytes.length - RECORD_HEADER_BYTES
  for (let at = from; at <= last; at++) {
    // Three zero bytes behind the kind: nearly every place fails here.
    if (bytes[at + 9] !== 0 || bytes[at + 10] !== 0 || bytes[at + 11] !== 0 || bytes[at + 8] === 0) continue
    if (check(bytes, at, seed) !== undefined) return at
  }
  return undefined
}
