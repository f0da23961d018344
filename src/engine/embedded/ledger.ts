/**
 * Between the verbs and the journal: gathers the effects of one unit, seals them as one record, tells the index where
 * contents came to stand, and wakes callers when their record is written or synced.
 *
 * A verb writes effects while it applies them, then seals, all in one turn of the event loop: no record ever holds half a
 * unit, and the order of records is the order in which the index changed.
 */
import { RECORD_KIND } from './codec.ts'
import { Completions } from './completions.ts'
import { copyBytes } from './copy-bytes.ts'
import type { MessageIndex } from './index/message-index.ts'
import { type BlobPlace, NONE } from './index/slots.ts'
import type { Journal, RecordDurability, RecordRoom } from './journal/journal.ts'
import { Scribe } from './scribe.ts'

/** `copied`: a content that is there already gets another place. */
export const Blob = { content: 0, note: 1, kept: 2, shared: 3, copied: 4 } as const

/** Callers who are told the same when what is being gathered is synced. */
interface Alike {
  readonly value: object
  readonly gathering: object
  readonly place: number
  readonly told: Promise<object>
}

export class Ledger {
  readonly scribe: Scribe
  readonly #journal: Journal
  readonly #index: MessageIndex
  readonly #durable = new Completions()
  readonly #written = new Completions()
  /** Contents of the open record whose places follow when it is sealed, four numbers each. */
  #places: number[] = [0, 0, 0, 0]
  /** Numbers of `#places` in use; the array itself is kept, for its memory. */
  #placed = 0
  /** The last record that asked for a sync. */
  lastDurable = 0
  #fault: unknown
  /** Bytes sealed since the engine opened. */
  sealedBytes = 0
  #syncedTo = 0
  #telling = false
  #alike: Alike | undefined

  constructor(parts: { journal: Journal; index: MessageIndex }) {
    this.#journal = parts.journal
    this.#index = parts.index
    this.scribe = new Scribe(parts.journal)
  }

  /** Is there an effect that no record holds yet? */
  get open(): boolean {
    return this.scribe.length > 0
  }

  /** The content at record-relative `from` is `slot`'s. */
  locate(slot: number, blob: number, from: number, length: number): void {
    const places = this.#places
    places[this.#placed++] = slot
    places[this.#placed++] = blob
    places[this.#placed++] = from
    places[this.#placed++] = length
  }

  /** Makes the located content at `from` a shared one. */
  markShared(from: number): void {
    const places = this.#places
    for (let i = 0; i < this.#placed; i += 4) {
      if (places[i + 2] === from && places[i + 1] === Blob.content) places[i + 1] = Blob.shared
    }
  }

  /** The copy of `slot`'s content at `from`: sealed at once when others share it, and then the answer is where it stands. */
  locateCopy(slot: number, from: number, length: number, shared: boolean): BlobPlace {
    if (!shared) {
      this.locate(slot, Blob.copied, from, length)
      return { segment: 0, offset: 0, length }
    }
    this.seal('relaxed', 'settle')
    const place = { segment: this.#journal.segment, offset: this.#journal.offset + from, length }
    this.#index.replace(slot, place, true)
    return place
  }

  /** What was located for one slot belongs to another. */
  relocate(slot: number, to: number): void {
    const places = this.#places
    for (let i = 0; i < this.#placed; i += 4) if (places[i] === slot) places[i] = to
  }

  /** The slot is gone; what was located for it belongs to nobody. */
  unlocate(slot: number): void {
    const places = this.#places
    for (let i = 0; i < this.#placed; i += 4) if (places[i] === slot) places[i] = NONE
  }

  /** Seals what was gathered; returns its record number, 0 when there was nothing. */
  seal(durability: RecordDurability, room: RecordRoom): number {
    const { scribe } = this
    const { length } = scribe
    if (length === 0) return 0
    const journal = this.#journal
    if (!scribe.inPlace) {
      const at = journal.reserve(RECORD_KIND, length, room)
      copyBytes(scribe.bytes, 0, journal.buffer, at, length)
    }
    const { segment, offset } = journal
    const record = journal.seal(durability, length)
    if (this.#placed > 0) this.#settlePlaces(segment, offset)
    this.sealedBytes += length
    scribe.reset()
    if (durability === 'durable') this.lastDurable = record
    return record
  }

  /** Resolves `value` once `record` is on stable storage; 0: once everything decided so far is. */
  whenDurable<T>(record: number, value: T): Promise<T> {
    const target = record === 0 ? this.lastDurable : record
    if (this.#fault !== undefined) return Promise.reject(this.#fault)
    if (target <= this.#journal.synced) return Promise.resolve(value)
    return new Promise((resolve) => this.#durable.add(target, resolve, value))
  }

  /** As `whenDurable` of the record that was sealed last. Those who share its write and are told the same constant share one promise. */
  whenDurableAlike<T extends object>(record: number, value: T): Promise<T> {
    const { gathering } = this.#journal
    const alike = this.#alike
    if (alike?.value === value && alike.gathering === gathering && this.#durable.join(alike.place, ALIKE_MAX))
      return alike.told as Promise<T> // its value is this one
    if (this.#fault !== undefined || record <= this.#journal.synced) return this.whenDurable(record, value)
    let place = 0
    const told = new Promise<T>((resolve) => {
      place = this.#durable.add(record, resolve, value)
    })
    this.#alike = { value, gathering, place, told }
    return told
  }

  /** Resolves `value` once `record` is with the operating system. */
  whenWritten<T>(record: number, value: T): Promise<T> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault)
    if (record <= this.#journal.written) return Promise.resolve(value)
    return new Promise((resolve) => this.#written.add(record, resolve, value))
  }

  reachWritten(record: number): void {
    this.#written.reach(record, Number.POSITIVE_INFINITY)
  }

  /** Tells callers in groups: what the first ones do next is on its way to the disk while the others have their turn. */
  reachSynced(record: number): void {
    this.#syncedTo = record
    if (!this.#telling) void this.#tell()
  }

  async #tell(): Promise<void> {
    this.#telling = true
    while (this.#durable.reach(this.#syncedTo, TOLD_AT_ONCE_MAX)) await undefined
    this.#telling = false
  }

  fail(fault: unknown): void {
    this.#durable.reach(this.#syncedTo, Number.POSITIVE_INFINITY)
    this.#fault = fault
    this.#durable.fail(fault)
    this.#written.fail(fault)
  }

  #settlePlaces(segment: number, offset: number): void {
    const places = this.#places
    const index = this.#index
    const users: Map<number, number> = this.#placed > 4 ? new Map() : NO_USERS
    for (let i = 0; i < this.#placed; i += 4) {
      const slot = places[i] as number
      if (slot === NONE) continue
      const place = { segment, offset: offset + (places[i + 2] as number), length: places[i + 3] as number }
      const blob = places[i + 1] as number
      if (blob === Blob.content) {
        index.place(slot, place, -1)
      } else if (blob === Blob.copied) {
        index.replace(slot, place, false)
      } else if (blob === Blob.shared) {
        const before = users.get(place.offset) ?? 0
        index.place(slot, place, before)
        users.set(place.offset, before + 1)
      } else {
        index.setBlob(slot, blob === Blob.note ? 'note' : 'kept', place)
      }
    }
    this.#placed = 0
    if (places.length > PLACES_KEPT_MAX) this.#places = [0, 0, 0, 0]
  }
}

/** Callers told of a sync before the event loop's other tasks; as many records are worth a sync of their own (writer.ts). */
const TOLD_AT_ONCE_MAX = 256
/** Of them, how many share a promise: a group of them is told at once. */
const ALIKE_MAX = 64
/** An array that one huge unit grew is let go afterwards. */
const PLACES_KEPT_MAX = 4_096
const NO_USERS = new Map<number, number>()
