/**
 * Gives disk back, after a checkpoint: a segment before its place holds contents alone, since no replay reads it any more. One without a live
 * byte is deleted; from one that is mostly dead the survivors are copied to the journal's end, a slice at a time
 * beside the work, and then it is deleted.
 */
import type { Log } from '../../runtime/log.ts'
import type { Core } from './core.ts'
import { CHUNK_BITS, CHUNK_SLOTS, Flag, State } from './index/slots.ts'
import type { Journal, ReplayStart } from './journal/journal.ts'

/** A segment with a smaller share of live bytes is copied out. */
const LIVE_SHARE_MIN = 0.5
/** Copied in one turn of the event loop, entries; and what each may need besides its bytes, in a record of its own. */
const SLICE_ENTRIES = 1_024
const ENTRY_BYTES = 256

export class Compactor {
  readonly #core: Core
  readonly #journal: Journal
  readonly #log: Log
  #stopping = false
  /** Shared contents copied so far: old place -> new place. */
  readonly #copies = new Map<number, { segment: number; offset: number; length: number }>()

  constructor(parts: { core: Core; journal: Journal; log: Log }) {
    this.#core = parts.core
    this.#journal = parts.journal
    this.#log = parts.log
  }

  stop(): void {
    this.#stopping = true
  }

  async run({ position }: ReplayStart): Promise<void> {
    const { usage } = this.#core.index
    const past = this.#journal.segments().filter(({ id }) => id < position.segment)
    const sparse = past.filter(({ id, bytes }) => {
      const live = usage.bytesOf(id)
      return live > 0 && live < bytes * LIVE_SHARE_MIN
    })
    if (sparse.length > 0) await this.#copyOut(new Set(sparse.map(({ id }) => id)))
    for (const { id } of past) {
      if (this.#stopping) return
      if (usage.bytesOf(id) > 0) continue
      await this.#journal.deleteSegment(id)
      usage.forget(id)
      this.#core.cache.forget(id)
    }
  }

  async #copyOut(segments: ReadonlySet<number>): Promise<void> {
    const { slots } = this.#core.index
    this.#copies.clear()
    for (let chunk = 0; chunk < slots.chunks.length; chunk++) {
      for (let from = 0, bytes = this.#journal.settleRoomBytes; from < CHUNK_SLOTS; ) {
        // What is left of a full disk is for leases and settles; and no copy may find out half way that it is full.
        const room = this.#journal.hasRoom(bytes) || (await this.#journal.makeRoom(bytes))
        if (!room || this.#stopping || this.#journal.diskIsFull) return
        if (!this.#journal.hasRoom(bytes)) continue // somebody else took it
        const before = from
        from = this.#slice(segments, chunk, from, bytes)
        bytes = from === before ? this.#bytesOf(segments, (chunk << CHUNK_BITS) | from) : this.#journal.settleRoomBytes
        if (this.#core.ledger.open) await this.#seal()
      }
    }
  }

  /** Copies from slot `from` of the chunk on while there is room; returns where the next slice begins. */
  #slice(segments: ReadonlySet<number>, chunk: number, from: number, bytesMax: number): number {
    const { index } = this.#core
    const c = index.slots.chunks[chunk]
    if (c === undefined) return CHUNK_SLOTS
    let entries = 0
    let left = bytesMax
    for (let i = from; i < CHUNK_SLOTS; i++) {
      const state = c.state[i] as number
      if (state === State.free || state === State.zombie) continue
      const slot = (chunk << CHUNK_BITS) | i
      const needs =
        segments.has(c.segment[i] as number) ||
        segments.has(index.slots.blob(slot, 'note')?.segment ?? 0) ||
        segments.has(index.slots.blob(slot, 'kept')?.segment ?? 0)
      if (!needs) continue
      const bytes = this.#bytesOf(segments, slot)
      if (entries >= SLICE_ENTRIES || bytes > left) return i
      left -= bytes
      try {
        this.#copy(segments, slot)
      } catch (error) {
        // Left where it is: its segment stays, and whoever reads it is told.
        this.#log.error('a message could not be copied forward', { number: c.number[i], error })
      }
      entries++
    }
    return CHUNK_SLOTS
  }

  /** What the copies of the row need at most. */
  #bytesOf(segments: ReadonlySet<number>, slot: number): number {
    const { index } = this.#core
    let bytes = 0
    for (const place of [index.contentOf(slot), index.slots.blob(slot, 'note'), index.slots.blob(slot, 'kept')])
      if (place !== undefined && segments.has(place.segment)) bytes += ENTRY_BYTES + place.length
    return bytes
  }

  #copy(segments: ReadonlySet<number>, slot: number): void {
    const { index, ledger, cache } = this.#core
    const c = index.slots.chunk(slot)
    const i = slot & (CHUNK_SLOTS - 1)
    const number = c.number[i] as number
    const content = index.contentOf(slot)
    if (segments.has(content.segment)) {
      const shared = ((c.flags[i] as number) & Flag.shared) !== 0
      const key = content.segment * 2 ** 32 + content.offset
      const copied = shared ? this.#copies.get(key) : undefined
      if (copied !== undefined) {
        ledger.scribe.place(number, copied)
        index.replace(slot, copied, true)
      } else {
        const raw = cache.readOnce(content.segment, content.offset, content.length)
        const from = ledger.scribe.copy(number, shared ? 3 : 0, raw)
        // A shared one is sealed at once: the next user must know where it stands.
        const place = ledger.locateCopy(slot, from, content.length, shared)
        if (shared) this.#copies.set(key, place)
      }
    }
    for (const [which, code] of BLOBS) {
      const blob = index.slots.blob(slot, which)
      if (blob === undefined || !segments.has(blob.segment)) continue
      const from = ledger.scribe.copy(number, code, cache.readOnce(blob.segment, blob.offset, blob.length))
      ledger.locate(slot, code, from, blob.length)
    }
  }

  async #seal(): Promise<void> {
    const { ledger } = this.#core
    await ledger.whenWritten(ledger.seal('relaxed', 'settle'), undefined)
  }
}

const BLOBS = [
  ['note', 1],
  ['kept', 2],
] as const
