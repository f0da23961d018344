/**
 * The append-only journal: the one file format of the embedded engine.
 *
 *     reserve/seal --> open chunk --> queue --write--> written --datasync--> synced
 *
 * Group commit. Records gather in the open chunk for as long as the write or sync before them runs, then go out in one write and
 * one sync. There is no timer: the first record of an idle journal leaves as soon as the callers of the same turn had their say.
 *
 * Invariants
 * - Nothing is `synced` before a datasync that began after its write had ended.
 * - The next segment exists, durably, before the roll record that names it is written; that record is durable before the next
 *   segment gets its first record. So at most the last segment that has records can be torn (recovery.ts).
 * - After one failed write or sync nothing is written any more: what the kernel still holds is unknown.
 */
import { SpindleError } from '../../../model/errors.ts'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import type { Disk, DiskFile } from '../../../runtime/disk.ts'
import type { Log } from '../../../runtime/log.ts'
import { CHUNK_BYTES, type Chunk, ChunkBuffers } from './chunk.ts'
import {
  encodeSegmentHeader,
  KIND_SEGMENTS,
  MARKER_BYTES,
  putMarker,
  putRoll,
  putUint32,
  RECORD_HEADER_BYTES,
  RECORD_PAYLOAD_BYTES_MAX,
  ROLL_BYTES,
  SEGMENT_HEADER_BYTES,
  SEGMENT_OVERHEAD_BYTES,
  sealRecord,
  segmentSeed,
} from './record-format.ts'
import { corrupt, type OnRecord, openSegment, type SegmentFile, SegmentReader } from './recovery.ts'
import { type Spare, SpareSegments } from './spare-segments.ts'

export type { OnRecord } from './recovery.ts'

/** A place in the journal: segment number (from 1, growing) and byte offset in its file. */
export interface Position {
  readonly segment: number
  readonly offset: number
}

export interface JournalOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  /** The largest ordinary segment, bytes. Default 64 MiB, at least 64 KiB; the first ones of a folder are smaller (4, 8, 16, 32 MiB). */
  readonly segmentBytes?: number
  /** Version of the payloads' format; a folder with a higher one is `format-newer`. */
  readonly formatVersion: number
}

/** Every record up to number `upTo` is now written (to the operating system), or on stable storage. */
export type OnProgress = (upTo: number) => void

export interface JournalSegment {
  readonly id: number
  readonly bytes: number
}

/** `durable`: asks for a sync. `relaxed`: written only (leases, extends, relaxed appends). */
export type RecordDurability = 'durable' | 'relaxed'
/** `append` records may not use the segment that is held back for a full disk; `settle` ones (lease, settle, drop, copy) may. */
export type RecordRoom = 'append' | 'settle'

/** What a checkpoint keeps to be continued from: where, and which segments existed then. */
export interface ReplayStart {
  readonly position: Position
  readonly segments: readonly number[]
}

const DIRECTORY = 'journal'
const SEGMENT_BYTES_DEFAULT = 64 * 1_048_576
const SEGMENT_BYTES_MIN = 65_536
/** A young folder should not occupy 200 MiB: segment n is at most this times 2^(n-1). */
const FIRST_SEGMENT_BYTES = 4 * 1_048_576
/** Microtask rounds without a new record after which the callers of this turn are taken to have had their say. */
const QUIET_ROUNDS = 4
/** An idle journal says what was synced, so that damage to its last records is not taken for a torn tail. */
const IDLE_MARKER_MS = 100

interface Segment {
  readonly id: number
  readonly bytes: number
  /** undefined: still a spare, see `spare`. */
  file: SegmentFile | undefined
  readonly spare: Spare | undefined
}

interface Waiter {
  readonly upTo: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class Journal {
  /** Set all three before `recover`. Progress is told in order; `onFailed` once. */
  onWritten: OnProgress = () => {}
  onSynced: OnProgress = () => {}
  onFailed: (error: Error) => void = () => {}

  /** The payload of the record being made goes to `buffer[at..at + payloadBytes)`, `at` as `reserve` returned it. */
  buffer: Buffer = Buffer.alloc(0)
  /** Where that payload will be in the files. */
  segment = 0
  offset = 0
  /** Number of the last record sealed, written, synced. */
  sealed = 0
  written = 0
  synced = 0

  readonly #options: JournalOptions
  readonly #disk: Disk
  readonly #segmentBytesMax: number
  readonly #spares: SpareSegments
  readonly #buffers = new ChunkBuffers()
  readonly #segments = new Map<number, Segment>()
  #open: Chunk = emptyChunk(0, 0, Buffer.alloc(0))
  #openSegmentBytes = 0
  #openSeed = 0
  #kind = 0
  #payloadBytes = 0
  #queue: Chunk[] = []
  #writing: Chunk | undefined
  #queuedBytes = 0
  #pumping = false
  #pumped: Promise<void> = Promise.resolve()
  #hurry = false
  #syncing: Promise<void> | undefined
  #syncWanted = 0
  #writtenTo: Position = { segment: 0, offset: 0 }
  #syncedTo: Position = { segment: 0, offset: 0 }
  #stated: Position = { segment: 0, offset: 0 }
  #idleTimer: Timer | undefined
  #failure: SpindleError | undefined
  #state: 'opened' | 'recovering' | 'running' | 'closing' | 'closed' = 'opened'
  #writeWaiters: Waiter[] = []
  #syncWaiters: Waiter[] = []

  private constructor(options: JournalOptions) {
    this.#options = options
    this.#disk = options.disk
    this.#segmentBytesMax = Math.max(SEGMENT_BYTES_MIN, options.segmentBytes ?? SEGMENT_BYTES_DEFAULT)
    this.#spares = new SpareSegments({
      disk: options.disk,
      clock: options.clock,
      log: options.log,
      directory: DIRECTORY,
      onFault: (error) => this.#fail('preparing a segment', error),
    })
  }

  /** Finds the segments and checks their headers; `recover` comes next, once. Rejects `corrupt`, `format-newer`. */
  static async open(options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options)
    const { disk } = options
    await disk.makeDirectory(DIRECTORY)
    try {
      for (const name of await disk.list(DIRECTORY)) {
        const match = /^(\d{8,10})\.seg$/.exec(name)
        if (match === null) continue
        const id = Number(match[1])
        const file = await openSegment(disk, { id, path: `${DIRECTORY}/${name}` }, options.formatVersion)
        journal.#segments.set(id, { id, bytes: file.bytes, file, spare: undefined })
      }
      await journal.#spares.adopt()
      return journal
    } catch (error) {
      await journal.#closeFiles()
      throw error
    }
  }

  /**
   * Replays every record from `from` (undefined: from the beginning), letting the event loop turn. Cuts a torn tail and
   * makes what was replayed durable; then the journal accepts records. Rejects `corrupt` (names segment and offset), `disk-full` (only for a new folder).
   */
  async recover(from: ReplayStart | undefined, onRecord: OnRecord): Promise<void> {
    this.#state = 'recovering'
    const end = this.#segments.size === 0 ? undefined : await this.#replay(from, onRecord)
    if (end === undefined) {
      if (from !== undefined) throw corrupt(this.#disk, `segment ${from.position.segment} is missing`)
      await this.#begin()
    } else {
      this.#startAt(end)
    }
    this.#state = 'running'
    this.#spares.want(this.#regularBytes(this.#open.segment + 1))
    this.#armIdleMarker()
  }

  /** Is there room for sure for a record of `payloadBytes`? If not: `await makeRoom`, and ask again. */
  hasRoom(payloadBytes: number, room: RecordRoom = 'append'): boolean {
    return (
      this.#fits(payloadBytes) || this.#spares.has(payloadBytes + SEGMENT_OVERHEAD_BYTES + RECORD_HEADER_BYTES, room)
    )
  }

  /** Waits for the next segment. false: the disk is full, refuse with `disk-full`; the journal tries again by itself. */
  async makeRoom(payloadBytes: number, room: RecordRoom = 'append'): Promise<boolean> {
    this.#assertRunning()
    if (payloadBytes > RECORD_PAYLOAD_BYTES_MAX) return false
    const made =
      this.#fits(payloadBytes) ||
      (await this.#spares.make(payloadBytes + SEGMENT_OVERHEAD_BYTES + RECORD_HEADER_BYTES, room))
    this.#assertRunning()
    return made
  }

  /**
   * Opens one record of `kind` (1 to 239) and returns where in `buffer` its payload goes. The caller fills it completely and calls
   * `seal` before anything else happens to the journal. Throws `poisoned`, `closed`, `disk-full` (see `hasRoom`).
   */
  reserve(kind: number, payloadBytes: number, room: RecordRoom): number {
    if (this.#failure !== undefined || this.#state !== 'running') this.#assertRunning()
    if (!this.#fits(payloadBytes)) this.#roll(payloadBytes, room)
    const need = RECORD_HEADER_BYTES + payloadBytes
    if (this.#open.used + need + MARKER_BYTES + ROLL_BYTES > this.#open.buffer.length) this.#nextChunk(need)
    const chunk = this.#open
    if (chunk.used === 0) this.#putMarker(chunk)
    const at = chunk.used + RECORD_HEADER_BYTES
    this.#kind = kind
    this.#payloadBytes = payloadBytes
    this.buffer = chunk.buffer
    this.segment = chunk.segment
    this.offset = chunk.fileOffset + at
    return at
  }

  /** Closes the record (`payloadBytes`: may be fewer than reserved) and returns its number, the one that progress speaks of. */
  seal(durability: RecordDurability, payloadBytes: number = this.#payloadBytes): number {
    const chunk = this.#open
    const at = chunk.used
    sealRecord(this.#openSeed, chunk.fileOffset + at, chunk.buffer, at, this.#kind, payloadBytes)
    chunk.used = at + RECORD_HEADER_BYTES + payloadBytes
    chunk.lastSealed = ++this.sealed
    if (durability === 'durable') chunk.durable = true
    else chunk.relaxed = true
    if (!this.#pumping) this.#startPump()
    return this.sealed
  }

  /** Resolves when everything sealed so far is on stable storage. Rejects `poisoned`. */
  async sync(): Promise<void> {
    this.#assertAlive()
    if (this.synced >= this.sealed) return
    this.#open.durable = true
    this.#syncWanted = Math.max(this.#syncWanted, this.sealed)
    if (!this.#pumping && this.#syncing === undefined && this.#open.used === 0)
      this.#syncing = this.#syncWhileWanted(this.#fileOf(this.#writtenTo.segment).file)
    await this.#waitFor(this.#syncWaiters)
  }

  /** Resolves when everything sealed so far is written. Rejects `poisoned`. */
  async flush(): Promise<void> {
    this.#assertAlive()
    if (this.written >= this.sealed) return
    this.#hurry = true
    await this.#waitFor(this.#writeWaiters)
  }

  /** A copy of `length` bytes of a payload, from memory or by a blocking read. Unverified: keep a CRC beside what must be checked. */
  readContent(segment: number, offset: number, length: number): Buffer {
    const chunk = this.#chunkAt(segment, offset)
    if (chunk !== undefined) {
      const at = offset - chunk.fileOffset
      return Buffer.from(chunk.buffer.subarray(at, at + length))
    }
    const file = this.#segments.get(segment)?.file
    if (file === undefined) throw corrupt(this.#disk, `segment ${segment} is gone, wanted at offset ${offset}`)
    const bytes = Buffer.allocUnsafe(length)
    if (file.file.readSync(bytes, offset) < length)
      throw corrupt(this.#disk, `segment ${segment} ends before offset ${offset + length}`)
    return bytes
  }

  /** Where the next record begins. A checkpoint of the state as of now replays from here; `sync` before it becomes valid. */
  position(): Position {
    return { segment: this.#open.segment, offset: this.#open.fileOffset + this.#open.used }
  }

  segmentIds(): number[] {
    return [...this.#segments.keys()].sort((a, b) => a - b)
  }

  /** In order; the last one is being written. */
  segments(): JournalSegment[] {
    return this.segmentIds().map((id) => ({ id, bytes: this.#segments.get(id)?.bytes ?? 0 }))
  }

  /** Bytes of all segments and spare files. */
  diskBytes(): number {
    let bytes = this.#spares.bytes
    for (const segment of this.#segments.values()) bytes += segment.bytes
    return bytes
  }

  /**
   * Deletes a segment, durably; never the one in use. What it held is gone from then on, and cannot come back with a power cut. A crash on the way
   * leaves it whole or gone. Await it before deleting one that settles what this one appended.
   */
  async deleteSegment(id: number): Promise<void> {
    const segment = this.#segments.get(id)
    if (segment?.file === undefined || id >= this.#syncedTo.segment)
      throw new Error(`segment ${id} is not there, or in use`)
    this.#segments.delete(id)
    const ids = this.segmentIds()
    const at = this.reserve(KIND_SEGMENTS, ids.length * 4, 'settle')
    for (const [index, each] of ids.entries()) putUint32(this.buffer, at + index * 4, each)
    this.seal('durable')
    await this.sync()
    await this.#guard('deleting a segment', async () => {
      await segment.file?.file.close()
      await this.#disk.remove(pathOf(id))
      await this.#disk.syncDirectory(DIRECTORY)
    })
    this.#spares.retry()
  }

  /** Bytes sealed and not yet written. */
  pendingBytes(): number {
    return this.#queuedBytes + this.#open.used
  }

  /** Is the disk known to be full? Appends are then refused once the segment in use is. */
  get diskIsFull(): boolean {
    return this.#spares.diskIsFull
  }

  /** Writes and syncs what was sealed; then says so in the files and closes them. Idempotent. A poisoned journal only closes its files. */
  async close(): Promise<void> {
    if (this.#state === 'closing' || this.#state === 'closed') return
    const ran = this.#state === 'running'
    try {
      if (ran && this.#failure === undefined) await this.#finish()
    } finally {
      this.#state = 'closing'
      this.#idleTimer?.cancel()
      await this.#spares.close()
      await this.#pumpEnded()
      await this.#closeFiles()
      this.#state = 'closed'
    }
  }

  // --- recovery

  async #replay(from: ReplayStart | undefined, onRecord: OnRecord): Promise<Position> {
    const ids = this.segmentIds()
    let listed = from?.segments
    const start = from?.position ?? { segment: ids[0] ?? 0, offset: SEGMENT_HEADER_BYTES }
    let buffer = Buffer.alloc(0)
    const readerOf = (id: number): SegmentReader => {
      const file = this.#fileOf(id)
      if (buffer.length < file.bytes) buffer = Buffer.allocUnsafeSlow(file.bytes)
      return new SegmentReader(file, buffer)
    }
    const first = ids.indexOf(start.segment)
    if (first < 0) throw corrupt(this.#disk, `segment ${start.segment} is missing`)
    for (let index = first; ; index++) {
      const id = ids[index]
      if (id === undefined) throw corrupt(this.#disk, `segment ${(ids[index - 1] ?? 0) + 1} is missing at offset 0`)
      const reader = readerOf(id)
      const offset = id === start.segment ? start.offset : SEGMENT_HEADER_BYTES
      const end = await reader.replay(offset, onRecord, (now) => (listed = now))
      if (end.kind === 'rolled') continue
      await this.#refuseDamage(reader, id, end)
      for (const later of ids.slice(index + 1))
        await this.#refuseOrphan(readerOf(later), later, { id, offset: end.offset })
      await this.#makeTail(readerOf(id), id, end)
      await this.#checkSegments(ids.slice(0, index + 1), listed)
      for (const later of ids.slice(index + 1)) await this.#returnToSpares(later)
      return { segment: id, offset: end.offset }
    }
  }

  async #refuseDamage(
    reader: SegmentReader,
    id: number,
    end: { kind: 'clean' | 'bad'; offset: number },
  ): Promise<void> {
    const proof = await reader.findProofBehind(end.offset)
    if (proof === undefined) return
    throw corrupt(
      this.#disk,
      `the record at offset ${end.offset} of segment ${id} (${pathOf(id)}) fails its checksum, and one at ${proof} proves that it was stored`,
    )
  }

  /** A later segment gets its first record only after the roll to it is durable. */
  async #refuseOrphan(reader: SegmentReader, later: number, bad: { id: number; offset: number }): Promise<void> {
    const end = await reader.replay(
      SEGMENT_HEADER_BYTES,
      () => {},
      () => {},
    )
    if (end.kind === 'clean' && end.offset === SEGMENT_HEADER_BYTES) return
    throw corrupt(
      this.#disk,
      `the record at offset ${bad.offset} of segment ${bad.id} (${pathOf(bad.id)}) fails its checksum, and segment ${later} follows it`,
    )
  }

  /** What was replayed may be in the page cache only, and what lies behind must not be taken for records later. */
  async #makeTail(reader: SegmentReader, id: number, end: { kind: 'clean' | 'bad'; offset: number }): Promise<void> {
    const wiped = await reader.wipe(end.offset)
    await this.#fileOf(id).file.datasync()
    if (wiped || end.kind === 'bad')
      this.#options.log.warn('cut an unfinished write from the end of the journal', {
        folder: this.#disk.label,
        segment: id,
        offset: end.offset,
      })
  }

  /** Every segment that should exist does; one whose removal a crash undid is removed again. */
  async #checkSegments(present: readonly number[], listed: readonly number[] | undefined): Promise<void> {
    const last = present.at(-1) ?? 0
    const newest = listed?.at(-1) ?? 0
    const expected = new Set(listed ?? [])
    for (let id = newest + 1; id <= last; id++) expected.add(id)
    for (const id of expected)
      if (!this.#segments.has(id)) throw corrupt(this.#disk, `segment ${id} (${pathOf(id)}) is missing`)
    const undone = present.filter((id) => !expected.has(id))
    for (const id of undone) {
      await this.#fileOf(id).file.close()
      this.#segments.delete(id)
      await this.#disk.remove(pathOf(id))
    }
    if (undone.length > 0) await this.#disk.syncDirectory(DIRECTORY)
  }

  async #returnToSpares(id: number): Promise<void> {
    const { file, bytes, path: from } = this.#fileOf(id)
    const path = this.#spares.newPath()
    this.#segments.delete(id)
    await this.#disk.rename(from, path)
    await this.#disk.syncDirectory(DIRECTORY)
    this.#spares.give({ path, file, bytes })
  }

  async #begin(): Promise<void> {
    const bytes = this.#regularBytes(1)
    this.#spares.want(bytes)
    if (!(await this.#spares.make(bytes, 'settle'))) {
      if (this.#failure !== undefined) throw this.#failure
      throw new SpindleError('disk-full', `creating the journal of ${this.#disk.label} (${bytes} bytes)`)
    }
    const spare = this.#spares.take(bytes, 'settle')
    if (spare === undefined) throw new Error('a spare segment was made and is gone')
    this.#segments.set(1, { id: 1, bytes: spare.bytes, file: undefined, spare })
    await this.#guard('creating the journal', () => this.#activate(1))
    this.#startAt({ segment: 1, offset: SEGMENT_HEADER_BYTES })
  }

  #startAt(end: Position): void {
    this.#open = emptyChunk(end.segment, end.offset, this.#buffers.take(CHUNK_BYTES))
    this.#openSegmentBytes = this.#segments.get(end.segment)?.bytes ?? 0
    this.#openSeed = segmentSeed(end.segment)
    this.#writtenTo = end
    this.#syncedTo = end
  }

  // --- gathering

  #fits(payloadBytes: number): boolean {
    const { fileOffset, used } = this.#open
    return fileOffset + used + RECORD_HEADER_BYTES + payloadBytes + MARKER_BYTES + ROLL_BYTES <= this.#openSegmentBytes
  }

  #regularBytes(id: number): number {
    return Math.min(this.#segmentBytesMax, FIRST_SEGMENT_BYTES * 2 ** Math.min(id - 1, 20))
  }

  #putMarker(chunk: Chunk): void {
    putMarker(this.#openSeed, chunk.fileOffset, chunk.buffer, chunk.used, this.#syncedTo)
    chunk.used += MARKER_BYTES
    this.#stated = this.#syncedTo
  }

  #roll(payloadBytes: number, room: RecordRoom): void {
    const spare = this.#spares.take(payloadBytes + SEGMENT_OVERHEAD_BYTES + RECORD_HEADER_BYTES, room)
    if (spare === undefined)
      throw new SpindleError('disk-full', `writing ${payloadBytes} bytes to the journal of ${this.#disk.label}`)
    const chunk = this.#open
    const next = chunk.segment + 1
    putRoll(this.#openSeed, chunk.fileOffset + chunk.used, chunk.buffer, chunk.used, next)
    chunk.used += ROLL_BYTES
    chunk.rolls = true
    chunk.lastSealed = this.sealed
    this.#enqueue(chunk)
    this.#segments.set(next, { id: next, bytes: spare.bytes, file: undefined, spare })
    this.#openSegmentBytes = spare.bytes
    this.#openSeed = segmentSeed(next)
    this.#open = emptyChunk(next, SEGMENT_HEADER_BYTES, this.#buffers.take(CHUNK_BYTES))
    this.#spares.want(this.#regularBytes(next + 1))
  }

  /** The open chunk's buffer is too small for the next record: it leaves as it is. */
  #nextChunk(recordBytes: number): void {
    const { segment, fileOffset, used } = this.#open
    if (used > 0) this.#enqueue(this.#open)
    else this.#buffers.give(this.#open.buffer)
    this.#open = emptyChunk(
      segment,
      fileOffset + used,
      this.#buffers.take(Math.max(CHUNK_BYTES, recordBytes + MARKER_BYTES + ROLL_BYTES)),
    )
  }

  #enqueue(chunk: Chunk): void {
    this.#queue.push(chunk)
    this.#queuedBytes += chunk.used
  }

  #takeOpen(): Chunk | undefined {
    const chunk = this.#open
    if (chunk.used === 0) return undefined
    this.#enqueue(chunk)
    this.#open = emptyChunk(chunk.segment, chunk.fileOffset + chunk.used, this.#buffers.take(CHUNK_BYTES))
    return chunk
  }

  #chunkAt(segment: number, offset: number): Chunk | undefined {
    const holds = (chunk: Chunk): boolean =>
      chunk.segment === segment && offset >= chunk.fileOffset && offset < chunk.fileOffset + chunk.used
    if (holds(this.#open)) return this.#open
    if (this.#writing !== undefined && holds(this.#writing)) return this.#writing
    return this.#queue.find(holds)
  }

  // --- writing

  #startPump(): void {
    this.#pumping = true
    this.#pumped = this.#pump()
  }

  async #pump(): Promise<void> {
    this.#idleTimer?.cancel()
    this.#idleTimer = undefined
    try {
      while (this.#failure === undefined) {
        if (this.#queue.length === 0) {
          await this.#quiet()
          // Records that need the sync anyway lose nothing by gathering until the one under way has ended.
          if (this.#syncing !== undefined && !this.#open.relaxed && !this.#hurry && this.#queue.length === 0) {
            await this.#syncing
            continue
          }
          if (this.#queue.length === 0 && this.#takeOpen() === undefined) break
        }
        const chunk = this.#queue.shift()
        if (chunk !== undefined) await this.#write(chunk)
      }
    } catch (error) {
      this.#fail('writing the journal', error)
    }
    this.#pumping = false
    this.#armIdleMarker()
  }

  async #write(chunk: Chunk): Promise<void> {
    this.#writing = chunk
    if (chunk.rolls) await this.#activate(chunk.segment + 1)
    const { file } = this.#fileOf(chunk.segment)
    await file.write(chunk.buffer.subarray(0, chunk.used), chunk.fileOffset)
    this.#writing = undefined
    this.#queuedBytes -= chunk.used
    this.#buffers.give(chunk.buffer)
    this.#writtenTo = { segment: chunk.segment, offset: chunk.fileOffset + chunk.used }
    this.written = chunk.lastSealed
    if (this.#queue.length === 0) this.#hurry = false
    this.onWritten(this.written)
    settleUpTo(this.#writeWaiters, this.written)
    if (chunk.durable || chunk.rolls) this.#syncWanted = Math.max(this.#syncWanted, this.written)
    if (chunk.rolls) {
      await this.#syncing
      if (this.#failure !== undefined) throw this.#failure
      await this.#syncOnce(file)
    } else if (this.#syncWanted > this.synced && this.#syncing === undefined) {
      this.#syncing = this.#syncWhileWanted(file)
    }
  }

  async #syncWhileWanted(file: DiskFile): Promise<void> {
    try {
      while (this.#syncWanted > this.synced && this.written > this.synced) await this.#syncOnce(file)
    } catch (error) {
      this.#fail('syncing the journal', error)
    }
    this.#syncing = undefined
    this.#armIdleMarker()
  }

  async #syncOnce(file: DiskFile): Promise<void> {
    const { written } = this
    const writtenTo = this.#writtenTo
    await file.datasync()
    if (this.#failure !== undefined) return
    this.synced = written
    this.#syncedTo = writtenTo
    this.onSynced(written)
    settleUpTo(this.#syncWaiters, written)
  }

  /** Lets the callers of this turn, and those that a progress call just woke, add their records. */
  async #quiet(): Promise<void> {
    let seen = -1
    for (let quiet = 0; quiet < QUIET_ROUNDS && this.#queue.length === 0; ) {
      quiet = seen === this.sealed ? quiet + 1 : 0
      seen = this.sealed
      await undefined
    }
  }

  /** A spare becomes segment `id`: its header, its size and its name are durable when this resolves. */
  async #activate(id: number): Promise<void> {
    const segment = this.#segments.get(id)
    if (segment?.spare === undefined || segment.file !== undefined) return
    const { file, bytes, path: from } = segment.spare
    const path = pathOf(id)
    await file.write(encodeSegmentHeader({ version: this.#options.formatVersion, segment: id, bytes }), 0)
    await file.datasync()
    await this.#disk.rename(from, path)
    await this.#disk.syncDirectory(DIRECTORY)
    segment.file = { id, path, file, bytes }
  }

  #armIdleMarker(): void {
    if (this.#idleTimer !== undefined || !this.#idle() || !this.#unstated()) return
    this.#idleTimer = this.#options.clock.setTimer(IDLE_MARKER_MS, () => {
      this.#idleTimer = undefined
      if (!this.#idle() || !this.#unstated() || !this.#fits(0)) return
      this.#putMarker(this.#open)
      this.#open.lastSealed = this.sealed
      this.#hurry = true
      this.#startPump()
    })
  }

  #idle(): boolean {
    return this.#state === 'running' && !this.#pumping && this.#syncing === undefined && this.#open.used === 0
  }

  #unstated(): boolean {
    return this.#stated.segment !== this.#syncedTo.segment || this.#stated.offset + MARKER_BYTES < this.#syncedTo.offset
  }

  async #finish(): Promise<void> {
    await this.sync()
    await this.#pumpEnded()
    if (this.#failure !== undefined || !this.#fits(0) || !this.#unstated()) return
    this.#putMarker(this.#open)
    this.#open.lastSealed = this.sealed
    this.#open.durable = true
    this.#hurry = true
    this.#startPump()
    await this.#pumpEnded()
  }

  async #pumpEnded(): Promise<void> {
    while (this.#pumping || this.#syncing !== undefined) {
      await this.#pumped
      await this.#syncing
    }
  }

  // --- faults

  #fail(doing: string, cause: unknown): void {
    if (this.#failure !== undefined) return
    const failure = new SpindleError('poisoned', `${doing} of ${this.#disk.label}`, { cause })
    this.#failure = failure
    this.#idleTimer?.cancel()
    this.#options.log.error('the journal failed; every call is refused until it is opened anew', {
      folder: this.#disk.label,
      error: String(cause),
    })
    for (const waiter of [...this.#writeWaiters, ...this.#syncWaiters]) waiter.reject(failure)
    this.#writeWaiters = []
    this.#syncWaiters = []
    this.onFailed(failure)
  }

  async #guard(doing: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#fail(doing, error)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  #assertAlive(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #assertRunning(): void {
    this.#assertAlive()
    if (this.#state !== 'running') throw new SpindleError('closed', `using the journal of ${this.#disk.label}`)
  }

  #waitFor(waiters: Waiter[]): Promise<void> {
    const waiting = new Promise<void>((resolve, reject) => waiters.push({ upTo: this.sealed, resolve, reject }))
    if (!this.#pumping && this.#open.used > 0) this.#startPump()
    return waiting
  }

  #fileOf(id: number): SegmentFile {
    const file = this.#segments.get(id)?.file
    if (file === undefined) throw corrupt(this.#disk, `segment ${id} (${pathOf(id)}) is missing`)
    return file
  }

  async #closeFiles(): Promise<void> {
    for (const { file, spare } of this.#segments.values()) await (file?.file ?? spare?.file)?.close()
    this.#segments.clear()
  }
}

function pathOf(id: number): string {
  return `${DIRECTORY}/${String(id).padStart(8, '0')}.seg`
}

function emptyChunk(segment: number, fileOffset: number, buffer: Buffer): Chunk {
  return { segment, fileOffset, buffer, used: 0, lastSealed: 0, durable: false, relaxed: false, rolls: false }
}

function settleUpTo(waiters: Waiter[], upTo: number): void {
  while (waiters[0] !== undefined && waiters[0].upTo <= upTo) waiters.shift()?.resolve()
}
