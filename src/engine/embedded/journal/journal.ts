/**
 * The append-only journal: the one file format of the embedded engine.
 *
 *     reserve/seal --> open chunk --> queue --write--> written --datasync--> synced
 *
 * Group commit. Records gather in the open chunk for as long as the write or sync before them runs, then go out in one write and
 * one sync. There is no timer: the first record of an idle journal leaves as soon as the callers of the same turn had their say; where
 * callers lately came in groups, also those whose requests the event loop has at hand (a few turns of it at most).
 *
 * Invariants
 * - Nothing is `synced` before a datasync that began after its write had ended.
 * - The next segment exists, durably, before the roll record that names it is written; that record is durable before the next
 *   segment gets its first record. So at most the last segment that has records can be torn (recovery.ts).
 * - After one failed write or sync nothing is written any more: what the kernel still holds is unknown.
 */
import { SpindleError } from '../../../model/errors.ts'
import type { Disk } from '../../../runtime/disk.ts'
import type { Log } from '../../../runtime/log.ts'
import type { Random } from '../../../runtime/random.ts'
import { type Chunk, emptyChunk } from './chunk.ts'
import { IdleMarker } from './idle-marker.ts'
import type { JournalOptions } from './journal-options.ts'
import type { Position } from './position.ts'
import {
  KIND_SEGMENTS,
  MARKER_BYTES,
  originOf,
  putMarker,
  putRoll,
  putUint32,
  RECORD_HEADER_BYTES,
  RECORD_PAYLOAD_BYTES_MAX,
  type RecordDurability,
  type RecordRoom,
  ROLL_BYTES,
  SEGMENT_HEADER_BYTES,
  sealRecord,
  segmentBytesFor,
  segmentSeed,
} from './record-format.ts'
import { corrupt, type OnRecord } from './recovery.ts'
import { type JournalEnd, type ReplayStart, replayJournal } from './replay.ts'
import { DIRECTORY, SegmentTable } from './segment-table.ts'
import { Sheets } from './sheets.ts'
import { SpareSegments } from './spare-segments.ts'
import { StoredBytes } from './stored-bytes.ts'
import { type ChunkSource, JournalWriter } from './writer.ts'

export type { JournalOptions } from './journal-options.ts'
export type { Position } from './position.ts'
export type { RecordDurability, RecordRoom } from './record-format.ts'
export type { OnRecord } from './recovery.ts'
export type { ReplayStart } from './replay.ts'

/** Every record up to number `upTo` is now written (to the operating system), or on stable storage. */
export type OnProgress = (upTo: number) => void

export interface JournalSegment {
  readonly id: number
  readonly bytes: number
}

const SEGMENT_BYTES_DEFAULT = 64 * 1_048_576
const SEGMENT_BYTES_MIN = 65_536
const RECENT_BYTES_DEFAULT = 1_048_576
/** A young folder should not occupy 200 MiB: segment n is at most this times 2^(n-1). */
const FIRST_SEGMENT_BYTES = 4 * 1_048_576
/** What a record needs around its payload, a marker before and behind it and a roll included. */
const LEAST_BYTES = RECORD_HEADER_BYTES + 2 * MARKER_BYTES + ROLL_BYTES
const SETTLE_ROOM_BYTES = 65_536
/** Kept for those who open a folder whose disk is full: each writes one record. */
const OPENING_ROOM_BYTES = 8_192

export class Journal {
  /** Set all three before `recover`. Progress is told in order; `onFailed` once. */
  onWritten: OnProgress = () => {}
  onSynced: OnProgress = () => {}
  onFailed: (error: Error) => void = () => {}

  /** The payload of the record being made goes to `buffer[at..at + payloadBytes)`, `at` as `reserve` or `compose` returned it. */
  buffer: Buffer = Buffer.alloc(0)
  /** Of the same bytes. */
  view: DataView = new DataView(new ArrayBuffer(0))
  /** Where the payload that `compose` began must end at the latest. */
  limit = 0
  /** Where that payload will be in the files. */
  segment = 0
  offset = 0
  /** Number of the last record sealed. */
  sealed = 0
  /** What each verb that settles or leases may write, and as much again what is due before it, while `exhausted` says no. */
  readonly settleRoomBytes: number
  /** Reads back what records hold. */
  readonly stored: StoredBytes
  readonly #disk: Disk
  readonly #log: Log
  readonly #random: Random
  readonly #segmentBytesMax: number
  readonly #spares: SpareSegments
  readonly #table: SegmentTable
  readonly #writer: JournalWriter
  readonly #sheets: Sheets
  readonly #idleMarker: IdleMarker
  #open: Chunk = emptyChunk({ segment: 0, fileOffset: 0, bytes: this.buffer, view: this.view, used: 0, written: 0 })
  #openSegmentBytes = 0
  #openSeed = 0
  /** CRC of the last record made in it; 0: there is none yet. */
  #before = 0
  #kind = 0
  #payloadBytes = 0
  /** What the last marker said. */
  #stated: Position = { segment: 0, offset: 0 }
  #state: 'opened' | 'recovering' | 'running' | 'closing' | 'closed' = 'opened'

  private constructor(options: JournalOptions) {
    const { disk, clock, log, random } = options
    this.#disk = disk
    this.#log = log
    this.#random = random
    this.#segmentBytesMax = Math.max(SEGMENT_BYTES_MIN, options.segmentBytes ?? SEGMENT_BYTES_DEFAULT)
    this.settleRoomBytes = Math.min(SETTLE_ROOM_BYTES, this.#segmentBytesMax / 8)
    this.#sheets = new Sheets(options.recentBytes ?? RECENT_BYTES_DEFAULT)
    this.#table = new SegmentTable(disk, options.formatVersion)
    const onFault = (error: unknown): void => this.#writer.fail('preparing a segment', error)
    this.#spares = new SpareSegments({ disk, clock, log, directory: DIRECTORY, onFault })
    this.#writer = new JournalWriter({ disk, log, table: this.#table, source: this.#source() })
    this.stored = new StoredBytes({ disk, sheets: this.#sheets, table: this.#table, writer: this.#writer })
    this.#idleMarker = new IdleMarker(clock, {
      wanted: () => this.#wantsMarker(),
      put: () => {
        this.#putMarker(this.#open)
        this.#writer.hurry()
      },
    })
  }

  /** Finds the segments and checks their headers; `recover` comes next, once. Rejects `corrupt`, `format-newer`, `format-older`. */
  static async open(options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options)
    await options.disk.makeDirectory(DIRECTORY)
    try {
      await journal.#table.load()
      await journal.#spares.adopt()
      return journal
    } catch (error) {
      await journal.close()
      throw error
    }
  }

  /**
   * Replays every record from `from` (undefined: from the beginning), letting the event loop turn. Cuts a torn tail and
   * makes what was replayed durable; then the journal accepts records. Rejects `corrupt` (names segment and offset), `disk-full` (only for a new folder).
   */
  async recover(from: ReplayStart | undefined, onRecord: OnRecord): Promise<void> {
    this.#state = 'recovering'
    if (this.#table.ids().length === 0) {
      if (from !== undefined) throw corrupt(this.#disk, `segment ${from.position.segment} is missing`)
      await this.#begin()
    } else {
      const parts = { disk: this.#disk, log: this.#log, table: this.#table, spares: this.#spares }
      this.#startAt(await replayJournal(parts, from, onRecord))
    }
    this.#state = 'running'
    const bytes = this.#regularBytes(this.#open.sheet.segment + 1)
    this.#spares.want(bytes)
    // Is the disk full? No verb may find out half way.
    if (!this.#hasVerbRoom()) await this.#spares.make(bytes, 'settle')
    this.#idleMarker.arm()
  }

  /** Number of the last record written (to the operating system). */
  get written(): number {
    return this.#writer.written
  }

  /** What the last record sealed will be written and synced with: the same object for each such record. */
  get gathering(): object {
    return this.#open
  }

  /** Number of the last record known to be on stable storage. */
  get synced(): number {
    return this.#writer.synced
  }

  /** Is there room for sure for a record of `payloadBytes`? If not: `await makeRoom`, and ask again. */
  hasRoom(payloadBytes: number, room: RecordRoom = 'append'): boolean {
    return this.#fits(payloadBytes) || this.#spares.has(segmentBytesFor(payloadBytes), room)
  }

  /** Waits for the next segment. false: the disk is full, refuse with `disk-full`; the journal tries again by itself. */
  async makeRoom(payloadBytes: number, room: RecordRoom = 'append'): Promise<boolean> {
    this.#assertRunning()
    if (payloadBytes > RECORD_PAYLOAD_BYTES_MAX) return false
    const made = this.#fits(payloadBytes) || (await this.#spares.make(segmentBytesFor(payloadBytes), room))
    this.#assertRunning()
    return made
  }

  /**
   * Opens one record of `kind` (1 to 239) and returns where in `buffer` its payload goes. The caller fills it completely and calls
   * `seal` before anything else happens to the journal. Throws `poisoned`, `closed`, and `disk-full`: for `append` when `hasRoom` says
   * no, for `settle` when the disk is full and the segment held back is, too.
   */
  reserve(kind: number, payloadBytes: number, room: RecordRoom): number {
    this.#assertRunning()
    if (!this.#fits(payloadBytes)) this.#roll(payloadBytes, room)
    const need = LEAST_BYTES + payloadBytes
    if (this.#open.end + need > this.#open.sheet.bytes.length) this.#nextSheet(need)
    this.#payloadBytes = payloadBytes
    return this.#place(kind)
  }

  /**
   * As `reserve`, for a record whose size shows as it grows: it may stay where it is up to `limit`, and `seal` gets its size. One that
   * outgrows it is copied to where `reserve` says. Throws `poisoned`, `closed`.
   */
  compose(kind: number): number {
    this.#assertRunning()
    const at = this.#place(kind)
    const { sheet, start, end } = this.#open
    const ends = Math.min(sheet.bytes.length, this.#openSegmentBytes - sheet.fileOffset)
    this.limit = end === start ? 0 : ends - MARKER_BYTES - ROLL_BYTES
    return at
  }

  /** Closes the record (`payloadBytes`: may be fewer than reserved) and returns its number, the one that progress speaks of. */
  seal(durability: RecordDurability, payloadBytes: number = this.#payloadBytes): number {
    const chunk = this.#open
    const { sheet } = chunk
    const at = chunk.end
    const origin = originOf(this.#openSeed, this.#before)
    this.#before = sealRecord(origin, sheet.fileOffset + at, sheet, at, this.#kind, payloadBytes)
    chunk.end = at + RECORD_HEADER_BYTES + payloadBytes
    sheet.used = chunk.end
    chunk.lastSealed = ++this.sealed
    if (durability === 'durable') chunk.durable = true
    else chunk.relaxed = true
    if (!this.#writer.pumping) {
      this.#idleMarker.cancel()
      this.#writer.start()
    }
    return this.sealed
  }

  /** Resolves when everything sealed so far is on stable storage. Rejects `poisoned`. */
  sync(): Promise<void> {
    return this.#writer.sync()
  }

  /** Resolves when everything sealed so far is written. Rejects `poisoned`. */
  flush(): Promise<void> {
    return this.#writer.flush()
  }

  /** Where the next record begins. */
  position(): Position {
    return { segment: this.#open.sheet.segment, offset: this.#endOffset }
  }

  /** A checkpoint of the state as of now replays from here; `sync` before it becomes valid. */
  replayStart(): ReplayStart {
    return { position: this.position(), before: this.#before, segments: this.segmentIds() }
  }

  segmentIds(): number[] {
    return this.#table.ids()
  }

  /** In order; the last one is being written. */
  segments(): JournalSegment[] {
    return this.#table.ids().map((id) => ({ id, bytes: this.#table.bytesOf(id) }))
  }

  /** Bytes of all segments and spare files. */
  diskBytes(): number {
    return this.segments().reduce((sum, { bytes }) => sum + bytes, this.#spares.bytes)
  }

  /**
   * Deletes a segment, durably; never the one in use. What it held is gone from then on, and cannot come back with a power cut. A crash on the way
   * leaves it whole or gone. Its file waits to become another segment where one is wanted: that is cheaper than filling a new one. Await it before deleting one that settles what this one appended.
   */
  async deleteSegment(id: number): Promise<void> {
    if (this.#table.find(id) === undefined || id >= this.#writer.syncedTo.segment)
      throw new Error(`segment ${id} is not there, or in use`)
    const bytes = this.#table.ids().length * 4
    if (!this.hasRoom(bytes, 'settle') && !(await this.makeRoom(bytes, 'settle')))
      throw new SpindleError('disk-full', `giving segment ${id} of ${this.#disk.label} back`)
    const rest = this.#table.ids().filter((each) => each !== id)
    const at = this.reserve(KIND_SEGMENTS, rest.length * 4, 'settle')
    for (const [index, each] of rest.entries()) putUint32(this.buffer, at + index * 4, each)
    this.seal('durable')
    await this.sync()
    try {
      if (this.#spares.wants(this.#table.bytesOf(id))) {
        this.#spares.give(await this.#table.toSpare(id, this.#spares.newPath()))
      } else await this.#table.remove([id])
    } catch (error) {
      this.#writer.fail('deleting a segment', error)
    }
    this.#assertAlive()
    this.#spares.retry()
  }

  /** Is the disk known to be full? Appends are then refused once the segment in use is. */
  get diskIsFull(): boolean {
    return this.#spares.diskIsFull
  }

  /** Is the disk full and the segment held back nearly so, too? Then even a settle may find no room. */
  get exhausted(): boolean {
    return this.#spares.diskIsFull && !this.#hasVerbRoom()
  }

  #hasVerbRoom(): boolean {
    return this.hasRoom(2 * this.settleRoomBytes + OPENING_ROOM_BYTES, 'settle')
  }

  /** Writes and syncs what was sealed; then says so in the files and closes them. Idempotent. A poisoned journal only closes its files. */
  async close(): Promise<void> {
    if (this.#state === 'closing' || this.#state === 'closed') return
    const running = this.#state === 'running'
    try {
      if (running && this.#writer.failure === undefined) await this.#finish()
    } finally {
      this.#state = 'closing'
      this.#idleMarker.cancel()
      await this.#spares.close()
      await this.#writer.ended()
      await this.#table.close()
      this.#state = 'closed'
    }
  }

  /** A write or sync beside the journal failed: as if one of its own had. `doing` completes "… of FOLDER". */
  poison(doing: string, cause: unknown): void {
    this.#writer.fail(doing, cause)
  }

  #source(): ChunkSource {
    const journal = this
    return {
      get sealed() {
        return journal.sealed
      },
      get hasRelaxed() {
        return journal.#open.relaxed
      },
      handOver: () => this.#handOver(),
      onWritten: (upTo) => this.onWritten(upTo),
      onSynced: (upTo) => this.onSynced(upTo),
      onFailed: (failure) => {
        this.#idleMarker.cancel()
        this.#spares.abandon()
        this.onFailed(failure)
      },
      onIdle: () => this.#idleMarker.arm(),
      onProgress: () => this.#spares.progress(this.#endOffset / this.#openSegmentBytes),
    }
  }

  async #begin(): Promise<void> {
    const bytes = this.#regularBytes(1)
    this.#spares.want(bytes)
    const made = await this.#spares.make(bytes, 'settle')
    this.#assertAlive()
    const spare = made ? this.#spares.take(bytes, 'settle') : undefined
    if (spare === undefined)
      throw new SpindleError('disk-full', `creating the journal of ${this.#disk.label} (${bytes} bytes)`)
    const salt = this.#drawSalt()
    this.#table.add(1, spare, salt)
    await this.#table.activate(1)
    this.#startAt({ position: { segment: 1, offset: SEGMENT_HEADER_BYTES }, before: 0 })
  }

  #startAt({ position, before }: JournalEnd): void {
    const { segment, offset } = position
    this.#open = emptyChunk(this.#sheets.open(segment, offset, 0))
    this.#openSegmentBytes = this.#table.bytesOf(segment)
    this.#openSeed = segmentSeed(segment, this.#table.fileOf(segment).salt)
    this.#before = before
    this.#writer.writtenTo = position
    this.#writer.syncedTo = position
  }

  #drawSalt(): number {
    return Buffer.from(this.#random.bytes(4)).readUInt32LE(0)
  }

  #fits(payloadBytes: number): boolean {
    return this.#endOffset + RECORD_HEADER_BYTES + payloadBytes + MARKER_BYTES + ROLL_BYTES <= this.#openSegmentBytes
  }

  /** File place of the next record, in the open segment. */
  get #endOffset(): number {
    return this.#open.sheet.fileOffset + this.#open.end
  }

  /** The next record's payload goes to the open chunk, behind a marker if it is the first. */
  #place(kind: number): number {
    const chunk = this.#open
    const { sheet } = chunk
    // In the last bytes of a segment there is no room for it: `compose` says so, and `reserve` comes here after a roll.
    if (chunk.end === chunk.start && this.#hasMarkerRoom()) this.#putMarker(chunk)
    const at = chunk.end + RECORD_HEADER_BYTES
    this.#kind = kind
    this.buffer = sheet.bytes
    this.view = sheet.view
    this.segment = sheet.segment
    this.offset = sheet.fileOffset + at
    return at
  }

  #regularBytes(id: number): number {
    return Math.min(this.#segmentBytesMax, FIRST_SEGMENT_BYTES * 2 ** Math.min(id - 1, 20))
  }

  #hasMarkerRoom(): boolean {
    return this.#fits(0) && this.#open.end + LEAST_BYTES <= this.#open.sheet.bytes.length
  }

  #putMarker(chunk: Chunk): void {
    this.#stated = this.#writer.syncedTo
    const { sheet } = chunk
    const follows = { seed: this.#openSeed, before: this.#before }
    this.#before = putMarker(follows, sheet.fileOffset + chunk.end, sheet, chunk.end, this.#stated)
    chunk.end += MARKER_BYTES
    sheet.used = chunk.end
    chunk.lastSealed = this.sealed
  }

  #roll(payloadBytes: number, room: RecordRoom): void {
    const bytes = segmentBytesFor(payloadBytes)
    const soon = room === 'settle' && !this.#spares.diskIsFull
    const spare = this.#spares.take(bytes, room) ?? (soon ? this.#spares.takeSoon(bytes) : undefined)
    if (spare === undefined)
      throw new SpindleError('disk-full', `writing ${payloadBytes} bytes to the journal of ${this.#disk.label}`)
    const chunk = this.#open
    const { sheet } = chunk
    const next = sheet.segment + 1
    putRoll(originOf(this.#openSeed, this.#before), sheet.fileOffset + chunk.end, sheet, chunk.end, next)
    chunk.end += ROLL_BYTES
    sheet.used = chunk.end
    chunk.rolls = true
    chunk.lastSealed = this.sealed
    this.#writer.enqueue(chunk)
    const salt = this.#drawSalt()
    this.#table.add(next, spare, salt)
    this.#openSegmentBytes = spare.bytes
    this.#openSeed = segmentSeed(next, salt)
    this.#before = 0
    this.#open = emptyChunk(this.#sheets.open(next, SEGMENT_HEADER_BYTES, payloadBytes + LEAST_BYTES))
    this.#spares.want(this.#regularBytes(next + 1))
  }

  /** The open sheet is too small for the next record: what it has leaves as it is. */
  #nextSheet(bytes: number): void {
    const { sheet, start, end } = this.#open
    if (end > start) this.#writer.enqueue(this.#open)
    this.#open = emptyChunk(this.#sheets.open(sheet.segment, sheet.fileOffset + end, bytes))
  }

  #handOver(): boolean {
    const chunk = this.#open
    if (chunk.end === chunk.start) return false
    this.#writer.enqueue(chunk)
    const { sheet, end } = chunk
    // What is left of a sheet takes the next chunk, unless that would be a small one.
    const goesOn = sheet.bytes.length - end >= this.#sheets.sheetBytes >>> 3
    this.#open = emptyChunk(goesOn ? sheet : this.#sheets.open(sheet.segment, sheet.fileOffset + end, 0))
    return true
  }

  /** Nothing is under way, and something was synced that no marker states. */
  #wantsMarker(): boolean {
    if (this.#state !== 'running' || this.#writer.failure !== undefined || !this.#writer.idle) return false
    const { syncedTo } = this.#writer
    const stated = this.#stated.segment === syncedTo.segment && this.#stated.offset + MARKER_BYTES >= syncedTo.offset
    return !stated && this.#open.end === this.#open.start && this.#hasMarkerRoom()
  }

  async #finish(): Promise<void> {
    await this.sync()
    await this.#writer.ended()
    if (!this.#wantsMarker()) return
    this.#putMarker(this.#open)
    await this.#writer.finish()
  }

  #assertAlive(): void {
    if (this.#writer.failure !== undefined) throw this.#writer.failure
  }

  #assertRunning(): void {
    if (this.#writer.failure !== undefined) throw this.#writer.failure
    if (this.#state !== 'running') throw new SpindleError('closed', `using the journal of ${this.#disk.label}`)
  }
}
