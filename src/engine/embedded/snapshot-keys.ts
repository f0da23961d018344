/**
 * Dedup keys and records as bytes, for checkpoints.
 *
 *   dedup   := queue:u32 (key:str number:f64 until:f64)*        until: wall ms; 0: while the message is queued
 *   records := (key:str version:f64 value:str)*                 str := bytes:u32 bytes
 */
import type { Core } from './core.ts'
import type { DedupEntry } from './index/dedup-keys.ts'
import type { RecordValue } from './records.ts'
import { SECTION_BYTES, Section } from './snapshot-rows.ts'

export class KeyWriter {
  readonly #core: Core
  #bytes = Buffer.allocUnsafeSlow(65_536)
  #at = 0

  constructor(core: Core) {
    this.#core = core
  }

  dedup(queue: number, keys: ReadonlyMap<string, DedupEntry>): Buffer[] {
    const begin = (): void => {
      this.#begin(Section.dedup)
      this.#at = this.#bytes.writeUInt32LE(queue, this.#at)
    }
    const sections: Buffer[] = []
    begin()
    for (const [key, { number, untilMs }] of keys) {
      this.#string(key)
      this.#float(number)
      this.#float(untilMs === Number.POSITIVE_INFINITY ? 0 : this.#core.toWall(untilMs))
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

/** `until`: wall ms; 0: while the message is queued. */
export interface StoredKey {
  readonly key: string
  readonly number: number
  readonly until: number
}

/** Reads the dedup keys of one section; its kind is byte 0. */
export function storedDedup(bytes: Buffer): { queue: number; keys: StoredKey[] } {
  const keys: StoredKey[] = []
  for (let at = 5; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at)
    const key = bytes.toString('utf8', at + 4, at + 4 + length)
    at += 4 + length
    keys.push({ key, number: bytes.readDoubleLE(at), until: bytes.readDoubleLE(at + 8) })
    at += 16
  }
  return { queue: bytes.readUInt32LE(1), keys }
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

export function readDedup(core: Core, bytes: Buffer): void {
  const stored = storedDedup(bytes)
  // A queue that the header lacks came after it, and the journal brings it back.
  const queue = core.index.queues[stored.queue]
  if (queue === undefined) return
  for (const { key, number, until } of stored.keys) {
    const untilMs = until === 0 ? Number.POSITIVE_INFINITY : core.toMonotonic(until)
    queue.dedup.set(key, { number, untilMs })
  }
}

export function readRecords(core: Core, bytes: Buffer): void {
  for (const { key, version, value } of storedRecords(bytes)) core.records.set(key, { value, version })
}
