/**
 * Files in waiting that have their size already, so that a roll never waits for the disk to allocate and a sync never changes a size: segments
 * that were deleted, and zero-filled ones where there are none. Two are kept: the next segment, and one held back so that leases and
 * settles go on when the disk is full.
 *
 *     spare-N.filling --zeros, sync, rename--> spare-N.ready --header, sync, rename, sync directory--> 00000007.seg
 */
import type { Clock, Timer } from '../../../runtime/clock.ts'
import { type Disk, type DiskFile, DiskFullError } from '../../../runtime/disk.ts'
import type { Log } from '../../../runtime/log.ts'

/**
 * Filling shares the device with the hot path. Measured beside a loop of 112 KB writes and syncs (sync p99, loop MB/s): nothing beside it
 * 3.5 ms, 340; 256 KiB slices synced each 5.0 ms, 116; 1 MiB slices synced each 4 MiB 13 ms, 39; synced at the end 32 ms, 20.
 */
const FILL_SLICE_BYTES = 262_144
/**
 * The next segment is filled in step with the use of the one before it: from a quarter of that on, since a deleted one often takes its place
 * by then, and done at seven eighths.
 */
const FILL_LEAD = -0.4
const FILL_PACE = 1.6
const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 8_000
const SPARES_KEPT = 2
/** A shorter leftover is not worth its file. */
const SPARE_BYTES_MIN = 16_384

const zeros = Buffer.alloc(FILL_SLICE_BYTES)

export interface Spare {
  readonly path: string
  readonly file: DiskFile
  readonly bytes: number
}

export interface PromisedSpare {
  /** What it will have at least. */
  readonly bytes: number
  readonly spare: Promise<Spare>
}

export interface SpareSegmentsOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  readonly directory: string
  /** A write or sync failed with something other than a full disk. */
  readonly onFault: (error: unknown) => void
}

export class SpareSegments {
  readonly #options: SpareSegmentsOptions
  #ready: Spare[] = []
  /** A spare made to measure for one large record. */
  #large: Spare | undefined
  #filling: Promise<void> | undefined
  #full = false
  #retry: Timer | undefined
  #retryMs = RETRY_FIRST_MS
  #nextNumber = 1
  #wantedBytes = SPARE_BYTES_MIN
  #stopped = false
  #abandoned = false
  /** How much of a spare may be filled by now, and whom to wake when that grows. */
  #paceFraction = FILL_LEAD
  #urgent = 0
  #wakeFill: (() => void) | undefined

  constructor(options: SpareSegmentsOptions) {
    this.#options = options
  }

  /** Takes over what an earlier run left: ready spares are good, since a roll syncs them again; unfinished ones go. */
  async adopt(): Promise<void> {
    const { disk, directory } = this.#options
    for (const name of await disk.list(directory)) {
      const match = /^spare-(\d+)\.(ready|filling)$/.exec(name)
      if (match === null) continue
      const path = `${directory}/${name}`
      this.#nextNumber = Math.max(this.#nextNumber, Number(match[1]) + 1)
      if (match[2] === 'filling' || this.#ready.length === SPARES_KEPT) {
        await disk.remove(path)
        continue
      }
      const file = await disk.open(path, 'existing')
      const bytes = await file.sizeBytes()
      if (bytes >= SPARE_BYTES_MIN) this.#ready.push({ path, file, bytes })
      else {
        await file.close()
        await disk.remove(path)
      }
    }
  }

  /** Starts to keep the stock. `bytes`: size of the spares made from now on. */
  want(bytes: number): void {
    this.#wantedBytes = bytes
    this.#refill()
  }

  get diskIsFull(): boolean {
    return this.#full
  }

  get bytes(): number {
    return this.#ready.reduce((sum, spare) => sum + spare.bytes, this.#large?.bytes ?? 0)
  }

  /** Is there one of at least `bytes` that may be taken? The last one is for `settle`. */
  has(bytes: number, room: 'append' | 'settle'): boolean {
    if (this.#large !== undefined && this.#large.bytes >= bytes) return true
    const first = this.#ready[0]
    return first !== undefined && first.bytes >= bytes && this.#ready.length >= (room === 'append' ? SPARES_KEPT : 1)
  }

  take(bytes: number, room: 'append' | 'settle'): Spare | undefined {
    if (!this.has(bytes, room)) return undefined
    const large = this.#large
    if (large !== undefined && large.bytes >= bytes) {
      this.#large = undefined
      return large
    }
    this.#paceFraction = FILL_LEAD
    return this.#ready.shift()
  }

  /**
   * As `take`, for a `settle` record that comes before its segment is ready: it is made while the records before it are written. Of at least
   * `bytes`; rejects when the disk turns out to be full.
   */
  takeSoon(bytes: number): PromisedSpare {
    const atLeast = Math.max(bytes, this.#wantedBytes)
    const spare = this.#takeWhenMade(atLeast)
    // Whoever activates it hears of the failure.
    spare.catch(() => {})
    return { bytes: atLeast, spare }
  }

  async #takeWhenMade(bytes: number): Promise<Spare> {
    for (;;) {
      if (!(await this.make(bytes, 'settle'))) throw new DiskFullError('no room for a segment of leases and settles')
      const spare = this.take(bytes, 'settle')
      if (spare !== undefined) return spare
    }
  }

  /** Is one of that size of use? Larger ones than those that are made would only take room. */
  wants(bytes: number): boolean {
    return !this.#stopped && this.#ready.length < SPARES_KEPT && bytes === this.#wantedBytes
  }

  /** Takes in a file of whatever content. One that is being filled is given up when there are enough. */
  give(spare: Spare): void {
    this.#ready.push(spare)
    this.#wakeFill?.()
  }

  newPath(): string {
    return `${this.#options.directory}/spare-${this.#nextNumber++}.ready`
  }

  /** Waits until `has` would say yes. false: the disk is full. Rejects when a write failed. */
  async make(bytes: number, room: 'append' | 'settle'): Promise<boolean> {
    this.#urgent++
    this.#wakeFill?.()
    try {
      return await this.#make(bytes, room)
    } finally {
      this.#urgent--
    }
  }

  /** How much of the segment in use is used, 0 to 1: the next one is filled at the same pace. */
  progress(used: number): void {
    this.#paceFraction = FILL_LEAD + FILL_PACE * used
    this.#wakeFill?.()
  }

  async #make(bytes: number, room: 'append' | 'settle'): Promise<boolean> {
    while (!this.has(bytes, room) && !this.#stopped) {
      if (this.#filling !== undefined) {
        await this.#filling
        continue
      }
      const short = this.#ready.length < SPARES_KEPT
      if (short && this.#full) return false
      const first = this.#ready[0]
      if (short && (first === undefined || first.bytes >= bytes)) this.#refill()
      else if (!(await this.#makeLarge(bytes))) return false
    }
    return !this.#stopped
  }

  /** Space may have come back: a segment was deleted. */
  retry(): void {
    this.#retry?.cancel()
    this.#retry = undefined
    if (this.#ready.length >= SPARES_KEPT) this.#full = false
    if (this.#full) this.#refill({ evenIfFull: true })
  }

  /** Waits for the fill under way, if any. */
  async idle(): Promise<void> {
    while (this.#filling !== undefined) await this.#filling
  }

  /** The journal failed: nothing is written any more, not even to tidy up. */
  abandon(): void {
    this.#abandoned = true
    this.#stop()
  }

  async close(): Promise<void> {
    this.#stop()
    await this.idle()
    for (const spare of this.#ready) await spare.file.close()
    await this.#large?.file.close()
    this.#ready = []
    this.#large = undefined
  }

  #stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
    this.#wakeFill?.()
  }

  #refill(how: { readonly evenIfFull?: boolean } = {}): void {
    if (this.#stopped || this.#filling !== undefined || this.#ready.length >= SPARES_KEPT) return
    if (this.#full && how.evenIfFull !== true) return
    this.#filling = this.#fill(this.#wantedBytes, () => this.#ready.length >= SPARES_KEPT)
      .then(
        (spare) => {
          if (spare !== undefined) this.#ready.push(spare)
        },
        (error: unknown) => {
          this.#stopped = true
          this.#options.onFault(error)
        },
      )
      .then(() => {
        this.#filling = undefined
        this.#refill()
      })
  }

  async #makeLarge(bytes: number): Promise<boolean> {
    let made = false
    this.#filling = this.#fill(bytes, () => false)
      .then(
        (spare) => {
          if (spare === undefined) return
          void this.#large?.file.close()
          this.#large = spare
          made = true
        },
        (error: unknown) => {
          this.#stopped = true
          this.#options.onFault(error)
        },
      )
      .then(() => {
        this.#filling = undefined
        this.#refill()
      })
    await this.#filling
    return made
  }

  /** Waits until `fraction` of a spare may be filled. Without any spare there is no reserve, so that one is made at once. */
  async #myTurn(fraction: number, inVain: () => boolean): Promise<void> {
    const early = (): boolean =>
      !this.#stopped && !inVain() && this.#urgent === 0 && this.#ready.length > 0 && fraction > this.#paceFraction
    while (early()) await new Promise<void>((resolve) => (this.#wakeFill = resolve))
    this.#wakeFill = undefined
  }

  /** undefined: no room, or `inVain` said so on the way. */
  async #fill(bytes: number, inVain: () => boolean): Promise<Spare | undefined> {
    const { disk, directory, log } = this.#options
    const path = this.newPath()
    const unfinished = path.replace(/ready$/, 'filling')
    let file: DiskFile | undefined
    try {
      file = await disk.open(unfinished, 'create')
      for (let at = 0; at < bytes; at += FILL_SLICE_BYTES) {
        const end = Math.min(at + FILL_SLICE_BYTES, bytes)
        await this.#myTurn(end / bytes, inVain)
        if (this.#stopped || inVain()) break
        await file.write(end - at === zeros.length ? zeros : zeros.subarray(0, end - at), at)
        if (!this.#abandoned) await file.datasync()
      }
      if (this.#stopped || inVain()) {
        await file.close()
        if (!this.#abandoned) await disk.remove(unfinished)
        return undefined
      }
      await disk.rename(unfinished, path)
      if (this.#full) log.info('the disk has room again; appends resume', { folder: disk.label, directory })
      this.#full = false
      this.#retryMs = RETRY_FIRST_MS
      return { path, file, bytes }
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error
      await file?.close()
      await disk.remove(unfinished)
      this.#sayFull()
      return undefined
    }
  }

  #sayFull(): void {
    const { clock, disk, directory, log } = this.#options
    if (!this.#full)
      log.warn('the disk is full; appends are refused until it has room', { folder: disk.label, directory })
    this.#full = true
    if (this.#stopped) return
    this.#retry?.cancel()
    this.#retry = clock.setTimer(this.#retryMs, () => this.retry())
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
  }
}
