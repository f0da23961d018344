/**
 * Takes chunks to the disk, in order: one write at a time, one sync at a time, a write beside a sync when somebody waits for the write
 * alone. The first fault ends it.
 */
import { SpindleError } from '../../../model/errors.ts'
import type { Disk, DiskFile } from '../../../runtime/disk.ts'
import type { Log } from '../../../runtime/log.ts'
import type { Chunk } from './chunk.ts'
import type { Position } from './position.ts'
import type { SegmentTable } from './segment-table.ts'

/** Microtask rounds without a new record after which the callers of this turn are taken to have had their say. */
const QUIET_ROUNDS = 8
/** Turns of the event loop for which a write waits at most, while each brings another caller's record. */
const TURNS_MAX = 3
/** A chunk of more records is large enough to share a sync well: waiting for more would only leave the disk idle. */
const GATHER_RECORDS_MAX = 64

/** Records of single calls that are enough for a write and sync of their own, measured with 1,000 callers. */
const CROWD_RECORDS = 256
/** Where chunks come from: the part that gathers records. */
export interface ChunkSource {
  /** Number of the last sealed record. */
  readonly sealed: number
  /** Does somebody wait for the write of what is being gathered, whatever becomes of its sync? */
  readonly hasRelaxed: boolean
  /** Ends the open chunk and calls `enqueue` with it; false: it is empty. */
  handOver(): boolean
  onWritten(upTo: number): void
  onSynced(upTo: number): void
  onFailed(failure: SpindleError): void
  /** Nothing is under way any more. */
  onIdle(): void
  /** How much of the segment in use is used, 0 to 1. */
  onProgress(): void
}

interface Waiter {
  readonly upTo: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class JournalWriter {
  written = 0
  synced = 0
  writtenTo: Position = { segment: 0, offset: 0 }
  /** Everything before it is on stable storage. */
  syncedTo: Position = { segment: 0, offset: 0 }
  failure: SpindleError | undefined
  pumping = false

  readonly #disk: Disk
  readonly #log: Log
  readonly #table: SegmentTable
  readonly #source: ChunkSource
  readonly #queue: Chunk[] = []
  #pumped: Promise<void> = Promise.resolve()
  #syncing: Promise<void> | undefined
  #syncWanted = 0
  #hurry = false
  /** Records handed over up to here; and did the last chunk hold several, not many? Then callers come in small groups. */
  #handedOver = 0
  #crowded = false
  #writeWaiters: Waiter[] = []
  #syncWaiters: Waiter[] = []

  constructor(parts: { disk: Disk; log: Log; table: SegmentTable; source: ChunkSource }) {
    this.#disk = parts.disk
    this.#log = parts.log
    this.#table = parts.table
    this.#source = parts.source
  }

  enqueue(chunk: Chunk): void {
    this.#queue.push(chunk)
  }

  get idle(): boolean {
    return !this.pumping && this.#syncing === undefined
  }

  start(): void {
    this.pumping = true
    this.#pumped = this.#pump()
  }

  /** Writes what is being gathered without waiting for the sync under way. */
  hurry(): void {
    this.#hurry = true
    if (!this.pumping) this.start()
  }

  async flush(): Promise<void> {
    const { sealed } = this.#source
    if (this.failure !== undefined) throw this.failure
    if (this.written >= sealed) return
    const waiting = waitFor(this.#writeWaiters, sealed)
    this.hurry()
    await waiting
  }

  async sync(): Promise<void> {
    const { sealed } = this.#source
    if (this.failure !== undefined) throw this.failure
    if (this.synced >= sealed) return
    this.#syncWanted = Math.max(this.#syncWanted, sealed)
    const waiting = waitFor(this.#syncWaiters, sealed)
    if (this.written < sealed) {
      if (!this.pumping) this.start()
    } else if (this.#syncing === undefined) {
      this.#syncing = this.#syncWhileWanted(this.#table.fileOf(this.writtenTo.segment).file)
    }
    await waiting
  }

  /** Resolves when nothing is under way. */
  async ended(): Promise<void> {
    while (!this.idle) {
      await this.#pumped
      await this.#syncing
    }
  }

  /** Writes what is being gathered as the last thing, and syncs it. Nothing else may be under way. */
  async finish(): Promise<void> {
    if (!this.#source.handOver()) return
    const chunk = this.#queue.shift()
    if (chunk === undefined) return
    try {
      await this.#write(chunk)
      await this.#syncOnce(this.#table.fileOf(chunk.sheet.segment).file)
    } catch (error) {
      this.fail('closing the journal', error)
    }
  }

  fail(doing: string, cause: unknown): void {
    if (this.failure !== undefined) return
    const failure = new SpindleError('poisoned', `${doing} of ${this.#disk.label}`, { cause })
    this.failure = failure
    const fields = { folder: this.#disk.label, error: String(cause) }
    this.#log.error('the journal failed; every call is refused until it is opened anew', fields)
    for (const waiter of [...this.#writeWaiters, ...this.#syncWaiters]) waiter.reject(failure)
    this.#writeWaiters = []
    this.#syncWaiters = []
    this.#source.onFailed(failure)
  }

  async #pump(): Promise<void> {
    try {
      while (this.failure === undefined) {
        if (this.#queue.length === 0) {
          await this.#quiet()
          if (this.#mayGather()) {
            await this.#syncing
            continue
          }
          if (this.#crowded) await this.#gather()
          if (this.failure !== undefined) break
          if (this.#queue.length === 0 && !this.#source.handOver()) break
          const records = this.#source.sealed - this.#handedOver
          this.#crowded = records > 1 && records <= GATHER_RECORDS_MAX
          this.#handedOver = this.#source.sealed
        }
        const chunk = this.#queue.shift()
        if (chunk !== undefined) await this.#write(chunk)
      }
    } catch (error) {
      this.fail('writing the journal', error)
    }
    this.pumping = false
    if (this.idle) this.#source.onIdle()
  }

  /** Records that need a sync anyway lose nothing by gathering until the one under way has ended. */
  #mayGather(): boolean {
    return this.#syncing !== undefined && this.#queue.length === 0 && !this.#hurry && !this.#source.hasRelaxed
  }

  /** Lets the callers of this turn, and those that a progress call just woke, add their records. */
  async #quiet(): Promise<void> {
    let seen = -1
    for (let quiet = 0; quiet < QUIET_ROUNDS && this.#queue.length === 0 && !this.#isWorthSync(); ) {
      quiet = seen === this.#source.sealed ? quiet + 1 : 0
      seen = this.#source.sealed
      await undefined
    }
  }

  /** With so many records an idle disk should not wait for the rest of a crowd. */
  #isWorthSync(): boolean {
    return this.#syncing === undefined && this.#source.sealed - this.#handedOver >= CROWD_RECORDS
  }

  /** Callers on sockets come one in each callback: those whose requests are here already share this write, instead of waiting for the next. */
  async #gather(): Promise<void> {
    for (let turns = 0, seen = -1; turns < TURNS_MAX && seen !== this.#source.sealed; turns++) {
      seen = this.#source.sealed
      await this.#disk.turn?.()
    }
  }

  async #write(chunk: Chunk): Promise<void> {
    const { sheet, start, end } = chunk
    if (chunk.rolls) await this.#table.activate(sheet.segment + 1)
    const { file } = this.#table.fileOf(sheet.segment)
    await file.write(sheet.bytes.subarray(start, end), sheet.fileOffset + start)
    if (this.failure !== undefined) return
    sheet.written = end
    this.writtenTo = { segment: sheet.segment, offset: sheet.fileOffset + end }
    this.written = chunk.lastSealed
    if (this.#queue.length === 0) this.#hurry = false
    this.#source.onProgress()
    this.#source.onWritten(this.written)
    settleUpTo(this.#writeWaiters, this.written)
    if (chunk.durable) this.#syncWanted = Math.max(this.#syncWanted, this.written)
    if (chunk.rolls) await this.#syncWhole(file)
    else if (this.#syncWanted > this.synced && this.#syncing === undefined) this.#syncing = this.#syncWhileWanted(file)
  }

  /** The next segment may hold records only once this one is durable to its end. */
  async #syncWhole(file: DiskFile): Promise<void> {
    await this.#syncing
    if (this.failure === undefined) await this.#syncOnce(file)
  }

  async #syncWhileWanted(file: DiskFile): Promise<void> {
    try {
      while (this.failure === undefined && this.#syncWanted > this.synced && this.written > this.synced)
        await this.#syncOnce(file)
    } catch (error) {
      this.fail('syncing the journal', error)
    }
    this.#syncing = undefined
    if (this.idle) this.#source.onIdle()
  }

  async #syncOnce(file: DiskFile): Promise<void> {
    const { written, writtenTo } = this
    await file.datasync()
    if (this.failure !== undefined) return
    this.synced = written
    this.syncedTo = writtenTo
    this.#source.onSynced(written)
    settleUpTo(this.#syncWaiters, written)
  }
}

function waitFor(waiters: Waiter[], upTo: number): Promise<void> {
  return new Promise((resolve, reject) => waiters.push({ upTo, resolve, reject }))
}

function settleUpTo(waiters: Waiter[], upTo: number): void {
  while (waiters[0] !== undefined && waiters[0].upTo <= upTo) waiters.shift()?.resolve()
}
