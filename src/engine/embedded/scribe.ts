/**
 * Writes effects (codec.ts) one after another into the journal's memory, where they become one record when their unit is
 * complete. One that outgrows its room there goes on in a buffer of its own, and is copied then. Places of contents are relative
 * to the record.
 */
import type { Content, Death } from '../../model/message.ts'
import { AppendFlag, CONTENT_HEADER_BYTES, Effect, RECORD_KIND } from './codec.ts'
import { copyBytes } from './copy-bytes.ts'
import { CRC_START, crcFeedView } from './journal/crc32.ts'

const SCRATCH_BYTES = 65_536
/** Room that every effect may take for granted beyond what it asks for. */
const SLACK_BYTES = 64

const EMPTY = new Uint8Array(0)
const EMPTY_BUFFER = Buffer.alloc(0)

/** What an append effect says; instants are wall ms, 0: none. */
export interface AppendFields {
  readonly queue: number
  readonly number: number
  readonly sequence: number
  readonly priority: number
  readonly enqueuedAt: number
  readonly due: number
  readonly expires: number
  readonly group: string | undefined
  readonly dedup: string | undefined
  readonly history: readonly Death[]
}

/** Where a record may grow: the journal. */
export interface RecordSpace {
  readonly buffer: Buffer
  readonly view: DataView
  readonly limit: number
  compose(kind: number): number
}

export class Scribe {
  readonly #space: RecordSpace
  bytes: Buffer = EMPTY_BUFFER
  #view: DataView = new DataView(new ArrayBuffer(0))
  /** Where the record begins in `bytes`, and where it goes on. */
  start = 0
  at = 0
  /** How far it may grow where it is; 0: there is no record. */
  #limit = 0
  /** Does the record stand in the journal already? */
  inPlace = false
  #holder = ''
  #holderBytes: Uint8Array = EMPTY

  constructor(space: RecordSpace) {
    this.#space = space
  }

  /** Bytes of the record so far. */
  get length(): number {
    return this.at - this.start
  }

  /** Ready for the next record. */
  reset(): void {
    this.start = 0
    this.at = 0
    this.#limit = 0
    if (this.inPlace) return
    this.bytes = EMPTY_BUFFER
  }

  /** Returns the record-relative place of the content. `back` >= 0: it is there already. */
  append(fields: AppendFields, content: Content, back: number): number {
    const { sequence, due, expires, group, dedup, history } = fields
    this.#room(64)
    const v = this.#view
    // Relative, as a long name may make the record move.
    const flagsAt = this.length + 1
    let flags = 0
    let at = this.at
    v.setUint8(at, Effect.append)
    v.setUint32(at + 2, fields.queue, true)
    v.setFloat64(at + 6, fields.number, true)
    v.setFloat64(at + 14, fields.enqueuedAt, true)
    v.setUint8(at + 22, fields.priority)
    at += 23
    if (sequence !== fields.number) {
      flags |= AppendFlag.sequence
      v.setFloat64(at, sequence, true)
      at += 8
    }
    if (due !== 0) {
      flags |= AppendFlag.due
      v.setFloat64(at, due, true)
      at += 8
    }
    if (expires !== 0) {
      flags |= AppendFlag.expires
      v.setFloat64(at, expires, true)
      at += 8
    }
    this.at = at
    if (group !== undefined) {
      flags |= AppendFlag.group
      this.#string(group)
    }
    if (dedup !== undefined) {
      flags |= AppendFlag.dedup
      this.#string(dedup)
    }
    if (history.length > 0) {
      flags |= AppendFlag.history
      this.#json(history)
    }
    if (back >= 0) {
      flags |= AppendFlag.shared
      this.#room(4)
      this.#view.setUint32(this.at, back, true)
      this.at += 4
      this.#view.setUint8(this.start + flagsAt, flags)
      return back
    }
    this.#view.setUint8(this.start + flagsAt, flags)
    return this.#content(content.head, content.body)
  }

  lease(number: number, token: number, at: number, term: number, holder: string): void {
    this.#room(33)
    this.#header(Effect.lease, number)
    this.#float(token)
    this.#float(at)
    this.#float(term)
    // One process's leases come in long runs: its name is encoded once.
    if (holder !== this.#holder) {
      this.#holder = holder
      this.#holderBytes = Buffer.from(holder)
    }
    const { length } = this.#holderBytes
    this.#room(2 + length)
    this.#view.setUint16(this.at, length, true)
    copyBytes(this.#holderBytes, 0, this.bytes, this.at + 2, length)
    this.at += 2 + length
  }

  extend(number: number, term: number): void {
    this.#room(17)
    this.#header(Effect.extend, number)
    this.#float(term)
  }

  remove(number: number): void {
    this.#room(9)
    this.#header(Effect.remove, number)
  }

  keep(number: number, at: number, until: number, kept: Uint8Array): number {
    this.#room(25)
    this.#header(Effect.keep, number)
    this.#float(at)
    this.#float(until)
    return this.#content(EMPTY, kept)
  }

  /** `fence`: 0 the token stays, 1 stays and a late ack counts, 2 it is void. */
  return(number: number, attempts: number, fence: number, due: number, note: Uint8Array | undefined): number {
    this.#room(21)
    this.#header(Effect.return, number)
    this.#view.setUint16(this.at, attempts, true)
    this.#view.setUint8(this.at + 2, fence)
    this.at += 3
    this.#float(due)
    return this.#note(note)
  }

  die(number: number, at: number, until: number, history: readonly Death[], note: Uint8Array | undefined): number {
    this.#room(25)
    this.#header(Effect.die, number)
    this.#float(at)
    this.#float(until)
    this.#json(history)
    return this.#note(note)
  }

  move(
    number: number,
    to: { queue: number; sequence: number; at: number; due: number; expires: number },
    history: readonly Death[],
    note: Uint8Array | undefined,
  ): number {
    this.#room(45)
    this.#header(Effect.move, number)
    this.#view.setUint32(this.at, to.queue, true)
    this.at += 4
    this.#float(to.sequence)
    this.#float(to.at)
    this.#float(to.due)
    this.#float(to.expires)
    this.#json(history)
    return this.#note(note)
  }

  record(key: string, version: number, value: Uint8Array | null): void {
    this.#room(1)
    this.#view.setUint8(this.at++, Effect.record)
    this.#long(key)
    this.#room(13 + (value?.length ?? 0))
    this.#float(version)
    this.#view.setUint8(this.at++, value === null ? 0 : 1)
    if (value === null) return
    this.#view.setUint32(this.at, value.length, true)
    this.bytes.set(value, this.at + 4)
    this.at += 4 + value.length
  }

  putQueue(queue: number, rules: unknown): void {
    this.#room(5)
    this.#view.setUint8(this.at, Effect.putQueue)
    this.#view.setUint32(this.at + 1, queue, true)
    this.at += 5
    this.#json(rules)
  }

  drop(queue: number): void {
    this.#room(5)
    this.#view.setUint8(this.at, Effect.drop)
    this.#view.setUint32(this.at + 1, queue, true)
    this.at += 5
  }

  purge(queue: number, numbers: readonly number[]): void {
    this.#room(9 + numbers.length * 8)
    this.#view.setUint8(this.at, Effect.purge)
    this.#view.setUint32(this.at + 1, queue, true)
    this.#view.setUint32(this.at + 5, numbers.length, true)
    this.at += 9
    for (const number of numbers) this.#float(number)
  }

  open(epoch: number, next: number, identity: unknown): void {
    this.#room(17)
    this.#header(Effect.open, epoch)
    this.#float(next)
    this.#json(identity)
  }

  /** Its content stands where another entry copied it. */
  place(number: number, place: { segment: number; offset: number; length: number }): void {
    this.#room(21)
    this.#header(Effect.place, number)
    this.#view.setUint32(this.at, place.segment, true)
    this.#view.setUint32(this.at + 4, place.offset, true)
    this.#view.setUint32(this.at + 8, place.length, true)
    this.at += 12
  }

  /** `which`: 0 content, 1 note, 2 kept, 3 shared content. `raw`: the blob as it stands in the journal. */
  copy(number: number, which: number, raw: Uint8Array): number {
    this.#room(14 + raw.length)
    this.#header(Effect.copy, number)
    this.#view.setUint8(this.at, which)
    this.#view.setUint32(this.at + 1, raw.length, true)
    this.at += 5
    const place = this.at
    this.bytes.set(raw, place)
    this.at += raw.length
    return place - this.start
  }

  /** Record-relative place of the note, -1 without one. */
  #note(note: Uint8Array | undefined): number {
    this.#room(1)
    this.#view.setUint8(this.at++, note === undefined ? 0 : 1)
    return note === undefined ? -1 : this.#content(EMPTY, note)
  }

  #content(head: Uint8Array, body: Uint8Array): number {
    const length = CONTENT_HEADER_BYTES + head.length + body.length
    this.#room(length)
    const place = this.at
    this.#view.setUint32(place + 4, head.length, true)
    this.#view.setUint32(place + 8, body.length, true)
    copyBytes(head, 0, this.bytes, place + CONTENT_HEADER_BYTES, head.length)
    copyBytes(body, 0, this.bytes, place + CONTENT_HEADER_BYTES + head.length, body.length)
    const crc = crcFeedView(CRC_START, this.bytes, this.#view, place + 4, place + length)
    this.#view.setUint32(place, ~crc, true)
    this.at = place + length
    return place - this.start
  }

  #header(effect: number, number: number): void {
    this.#view.setUint8(this.at, effect)
    this.#view.setFloat64(this.at + 1, number, true)
    this.at += 9
  }

  #float(value: number): void {
    this.#view.setFloat64(this.at, value, true)
    this.at += 8
  }

  #string(value: string): void {
    this.#room(2 + value.length * 3)
    const length = this.bytes.write(value, this.at + 2, 'utf8')
    this.#view.setUint16(this.at, length, true)
    this.at += 2 + length
  }

  #long(value: string): void {
    this.#room(4 + value.length * 3)
    const length = this.bytes.write(value, this.at + 4, 'utf8')
    this.#view.setUint32(this.at, length, true)
    this.at += 4 + length
  }

  #json(value: unknown): void {
    this.#long(JSON.stringify(value))
  }

  #room(bytes: number): void {
    if (this.at + bytes + SLACK_BYTES > this.#limit) this.#makeRoom(bytes + SLACK_BYTES)
  }

  #makeRoom(bytes: number): void {
    if (this.#limit === 0) {
      this.start = this.#space.compose(RECORD_KIND)
      this.at = this.start
      this.bytes = this.#space.buffer
      this.#view = this.#space.view
      this.#limit = this.#space.limit
      this.inPlace = true
      if (this.at + bytes <= this.#limit) return
    }
    const { length } = this
    const before = this.bytes
    this.bytes = Buffer.allocUnsafeSlow(Math.max(SCRATCH_BYTES, length * 2, length + bytes))
    copyBytes(before, this.start, this.bytes, 0, length)
    this.#view = new DataView(this.bytes.buffer)
    this.start = 0
    this.at = length
    this.#limit = this.bytes.length
    this.inPlace = false
  }
}
