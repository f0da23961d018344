/**
 * Journal bytes as sentences: what each effect of a record (codec.ts) says, without an index to apply it to. The replay of the engine
 * trusts what it reads, and must; this reading may run over bytes that fail their check, so it believes no length.
 */
import type { Death } from '../../../model/message.ts'
import { AppendFlag, CONTENT_HEADER_BYTES, Effect } from '../codec.ts'
import type { QueueRules } from '../replay.ts'

/** Bytes of a segment: a content or blob with its header. */
export interface Place {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

/** Instants are wall ms, 0: none. */
export type Told =
  | {
      readonly kind: 'append'
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
      readonly content: Place
    }
  | { readonly kind: 'lease'; readonly number: number; readonly at: number }
  | { readonly kind: 'extend' | 'remove'; readonly number: number }
  | {
      readonly kind: 'keep'
      readonly number: number
      readonly at: number
      readonly until: number
      readonly kept: Place
    }
  | {
      readonly kind: 'return'
      readonly number: number
      readonly attempts: number
      readonly due: number
      readonly note: Place | undefined
    }
  | {
      readonly kind: 'die'
      readonly number: number
      readonly at: number
      readonly until: number
      readonly history: readonly Death[]
      readonly note: Place | undefined
    }
  | {
      readonly kind: 'move'
      readonly number: number
      readonly queue: number
      readonly sequence: number
      readonly at: number
      readonly due: number
      readonly expires: number
      readonly history: readonly Death[]
      readonly note: Place | undefined
    }
  | { readonly kind: 'record'; readonly key: string; readonly version: number; readonly value: Uint8Array | undefined }
  | { readonly kind: 'putQueue'; readonly queue: number; readonly rules: QueueRules }
  | { readonly kind: 'drop'; readonly queue: number }
  | { readonly kind: 'purge'; readonly queue: number; readonly numbers: readonly number[] }
  | { readonly kind: 'open'; readonly epoch: number; readonly next: number; readonly identity: unknown }
  | { readonly kind: 'copy'; readonly number: number; readonly which: number; readonly place: Place }
  | { readonly kind: 'place'; readonly number: number; readonly place: Place }

/** Where a record's payload stands. */
export interface Payload {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly segment: number
  /** File offset of `bytes[start]`. */
  readonly offset: number
}

/** What the record says, in order. Throws at the first thing that makes no sense; what came before was told. */
export function* told(payload: Payload): Generator<Told> {
  const reader = new Reader(payload)
  while (!reader.atEnd) yield effect(reader)
}

function effect(reader: Reader): Told {
  const code = reader.byte()
  switch (code) {
    case Effect.append:
      return append(reader)
    case Effect.lease: {
      const number = reader.float()
      reader.float()
      const at = reader.float()
      reader.float()
      reader.string()
      return { kind: 'lease', number, at }
    }
    case Effect.extend: {
      const number = reader.float()
      reader.float()
      return { kind: 'extend', number }
    }
    case Effect.remove:
      return { kind: 'remove', number: reader.float() }
    case Effect.keep:
      return { kind: 'keep', number: reader.float(), at: reader.float(), until: reader.float(), kept: reader.blob() }
    case Effect.return: {
      const number = reader.float()
      const attempts = reader.uint16()
      reader.byte()
      return { kind: 'return', number, attempts, due: reader.float(), note: reader.note() }
    }
    case Effect.die:
      return {
        kind: 'die',
        number: reader.float(),
        at: reader.float(),
        until: reader.float(),
        history: reader.json() as Death[],
        note: reader.note(),
      }
    case Effect.move:
      return {
        kind: 'move',
        number: reader.float(),
        queue: reader.uint32(),
        sequence: reader.float(),
        at: reader.float(),
        due: reader.float(),
        expires: reader.float(),
        history: reader.json() as Death[],
        note: reader.note(),
      }
    case Effect.record: {
      const key = reader.long()
      const version = reader.float()
      return { kind: 'record', key, version, value: reader.byte() === 0 ? undefined : reader.bytes(reader.uint32()) }
    }
    case Effect.putQueue:
      return { kind: 'putQueue', queue: reader.uint32(), rules: reader.json() as QueueRules }
    case Effect.drop:
      return { kind: 'drop', queue: reader.uint32() }
    case Effect.purge: {
      const queue = reader.uint32()
      const numbers: number[] = []
      for (let left = reader.uint32(); left > 0; left--) numbers.push(reader.float())
      return { kind: 'purge', queue, numbers }
    }
    case Effect.open:
      return { kind: 'open', epoch: reader.float(), next: reader.float(), identity: reader.json() }
    case Effect.copy: {
      const number = reader.float()
      const which = reader.byte()
      reader.uint32()
      return { kind: 'copy', number, which, place: reader.blob() }
    }
    case Effect.place:
      return {
        kind: 'place',
        number: reader.float(),
        place: { segment: reader.uint32(), offset: reader.uint32(), length: reader.uint32() },
      }
    default:
      throw new RangeError(`effect ${code} is unknown`)
  }
}

function append(reader: Reader): Told {
  const flags = reader.byte()
  const has = (flag: number): boolean => (flags & flag) !== 0
  const queue = reader.uint32()
  const number = reader.float()
  const enqueuedAt = reader.float()
  const priority = reader.byte()
  const sequence = has(AppendFlag.sequence) ? reader.float() : number
  const due = has(AppendFlag.due) ? reader.float() : 0
  const expires = has(AppendFlag.expires) ? reader.float() : 0
  const group = has(AppendFlag.group) ? reader.string() : undefined
  const dedup = has(AppendFlag.dedup) ? reader.string() : undefined
  const history = has(AppendFlag.history) ? (reader.json() as Death[]) : []
  const content = has(AppendFlag.shared) ? reader.blobAt(reader.uint32()) : reader.blob()
  return { kind: 'append', queue, number, sequence, priority, enqueuedAt, due, expires, group, dedup, history, content }
}

class Reader {
  readonly #payload: Payload
  #at: number

  constructor(payload: Payload) {
    this.#payload = payload
    this.#at = payload.start
  }

  get atEnd(): boolean {
    return this.#at >= this.#payload.end
  }

  byte(): number {
    return this.#payload.bytes[this.#take(1)] as number
  }

  uint16(): number {
    return this.#payload.bytes.readUInt16LE(this.#take(2))
  }

  uint32(): number {
    return this.#payload.bytes.readUInt32LE(this.#take(4))
  }

  float(): number {
    return this.#payload.bytes.readDoubleLE(this.#take(8))
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return new Uint8Array(this.#payload.bytes.subarray(at, at + length))
  }

  string(): string {
    return this.#text(this.uint16())
  }

  long(): string {
    return this.#text(this.uint32())
  }

  json(): unknown {
    return JSON.parse(this.long())
  }

  note(): Place | undefined {
    return this.byte() === 0 ? undefined : this.blob()
  }

  blob(): Place {
    const place = this.blobAt(this.#at - this.#payload.start)
    this.#take(place.length)
    return place
  }

  /** `from`: distance from the start of the record. */
  blobAt(from: number): Place {
    const { bytes, start, end, segment, offset } = this.#payload
    const at = start + from
    if (at + CONTENT_HEADER_BYTES > end) throw new RangeError('a content begins outside of its record')
    const length = CONTENT_HEADER_BYTES + bytes.readUInt32LE(at + 4) + bytes.readUInt32LE(at + 8)
    if (at + length > end) throw new RangeError('a content ends outside of its record')
    return { segment, offset: offset + from, length }
  }

  #text(length: number): string {
    const at = this.#take(length)
    return this.#payload.bytes.toString('utf8', at, at + length)
  }

  #take(length: number): number {
    const at = this.#at
    if (length < 0 || at + length > this.#payload.end) throw new RangeError('a record ends inside an effect')
    this.#at = at + length
    return at
  }
}
