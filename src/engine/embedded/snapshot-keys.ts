/**
 * Dedup keys and records as bytes, for checkpoints.
 *
 *   dedup   := queue:u32 (number:f64 until:f64 key:str)*        until: wall ms; 0: while the message is queued
 *   records := (key:str version:f64 value:str)*                 str := bytes:u32 bytes
 *
 * `key` is ffffffff:u32 alone where a row of the checkpoint, that of `number`, has it.
 */
import type { Core } from './core.ts'
import type { DedupEntry } from './index/dedup-keys.ts'
import { NONE, SLOT_MASK } from './index/slots.ts'
import type { RecordValue } from './records.ts'
import { SECTION_BYTES, Section } from './snapshot-rows.ts'

/** Length of a key that stands in its row. */
const IN_ROW = 0xffffffff

export class KeyWriter {
  readonly #core: Core
  /** Rows of the checkpoint have lower numbers. */
  readonly #rowsBelow: number
  #bytes = Buffer.allocUnsafeSlow(65_536)
  #at = 0

  constructor(core: Core, rowsBelow: number) {
    this.#core = core
    this.#rowsBelow = rowsBelow
  }

  dedup(queue: number, keys: ReadonlyMap<string, DedupEntry>): Buffer[] {
    const begin = (): void => {
      this.#begin(Section.dedup)
      this.#at = this.#bytes.writeUInt32LE(queue, this.#at)
    }
    const sections: Buffer[] = []
    begin()
    for (const [key, { number, untilMs }] of keys) {
      this.#float(number)
      this.#float(untilMs === Number.POSITIVE_INFINITY ? 0 : this.#core.toWall(untilMs))
      if (number < this.#rowsBelow && dedupOf(this.#core, number) === key) this.#uint32(IN_ROW)
      else this.#string(key)
      if (this.#at < SECTION_BYTES) continue
      sections.push(this.#end())
      begin()
    }
    sections.push(this.#end())
    return sections
  }

  records(records: ReadonlyMap<string, RecordValue>): Buffer[] {
    const sections: Buffer[] = []
    this.#begin(Section.records)
    for (const [key, { value, version }] of records) {
      this.#string(key)
      this.#float(version)
      this.#room(4 + value.length)
      this.#at = this.#bytes.writeUInt32LE(value.length, this.#at)
      this.#bytes.set(value, this.#at)
      this.#at += value.length
      if (this.#at < SECTION_BYTES) continue
      sections.push(this.#end())
      this.#begin(Section.records)
    }
    if (this.#at > 1) sections.push(this.#end())
    return sections
  }

  #begin(kind: number): void {
    this.#bytes[0] = kind
    this.#at = 1
  }

  #end(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }

  #string(value: string): void {
    this.#room(4 + value.length * 3)
    const length = this.#bytes.write(value, this.#at + 4, 'utf8')
    this.#bytes.writeUInt32LE(length, this.#at)
    this.#at += 4 + length
  }

  #uint32(value: number): void {
    this.#room(4)
    this.#at = this.#bytes.writeUInt32LE(value, this.#at)
  }

  #float(value: number): void {
    this.#room(8)
    this.#at = this.#bytes.writeDoubleLE(value, this.#at)
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const before = this.#bytes
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(before.length * 2, this.#at + bytes))
    before.copy(this.#bytes, 0, 0, this.#at)
  }
}

/** Walks the dedup keys of one section; its kind is byte 0. The fields tell the key under it. */
export class DedupReader {
  readonly queue: number
  number = 0
  /** Wall ms; 0: while the message is queued. */
  until = 0
  /** undefined: the row of that number has it. */
  key: string | undefined
  readonly #bytes: Buffer
  readonly #view: DataView<ArrayBufferLike>
  #at = 5

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.queue = this.#view.getUint32(1, true)
  }

  /** Goes to the next key; false: there is none. */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false
    this.number = this.#view.getFloat64(this.#at, true)
    this.until = this.#view.getFloat64(this.#at + 8, true)
    const length = this.#view.getUint32(this.#at + 16, true)
    const start = this.#at + 20
    this.#at = length === IN_ROW ? start : start + length
    this.key = length === IN_ROW ? undefined : this.#bytes.toString('utf8', start, this.#at)
    return true
  }
}

/** Reads the records of one section; its kind is byte 0. */
export function* storedRecords(bytes: Buffer): Generator<{ key: string; version: number; value: Uint8Array }> {
  for (let at = 1; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at)
    const key = bytes.toString('utf8', at + 4, at + 4 + length)
    at += 4 + length
    const version = bytes.readDoubleLE(at)
    const valueBytes = bytes.readUInt32LE(at + 8)
    at += 12 + valueBytes
    yield { key, version, value: new Uint8Array(bytes.subarray(at - valueBytes, at)) }
  }
}

/** After all rows. */
export function readDedup(core: Core, bytes: Buffer): void {
  const stored = new DedupReader(bytes)
  // A queue that the header lacks came after it, and the journal brings it back.
  const dedup = core.index.queues[stored.queue]?.dedup
  while (dedup !== undefined && stored.next()) {
    const { number, until } = stored
    const key = stored.key ?? dedupOf(core, number)
    if (key === undefined) throw new Error(`a checkpoint lacks the deduplication key of message ${number}`)
    dedup.set(key, { number, untilMs: until === 0 ? Number.POSITIVE_INFINITY : core.toMonotonic(until) })
  }
}

/** The key that the row of that number has; undefined: there is no such row, or it has none. */
function dedupOf({ index }: Core, number: number): string | undefined {
  const slot = index.numbers.get(number)
  return slot === NONE ? undefined : index.slots.chunk(slot).dedup?.[slot & SLOT_MASK]
}

export function readRecords(core: Core, bytes: Buffer): void {
  for (const { key, version, value } of storedRecords(bytes)) core.records.set(key, { value, version })
}
