/** Decides when the journal gets a checkpoint, and has segments given back after it. One thing at a time, beside the work. */
import type { Disk } from '../../runtime/disk.ts'
import type { Log } from '../../runtime/log.ts'
import { Checkpointer } from './checkpoint.ts'
import { Compactor } from './compaction.ts'
import type { Core } from './core.ts'
import type { Journal } from './journal/journal.ts'

/** A checkpoint at a clean close is worth it from this much to replay, bytes, ... */
const CLOSING_FROM_BYTES = 1_048_576
/** ... while it is smaller than this, or than half of what it saves. */
const CLOSING_BYTES_MAX = 64 * 1_048_576
/** As soon as a segment is full a checkpoint is due, too, when this share of the usual distance has gone by ... */
const EARLY_SHARE = 1 / 8
/** ... and it has no more than this share of what it saves: the full segment can then be used again instead of filling another. */
const EARLY_SIZE_SHARE = 1 / 16
/** A plain row of a checkpoint, about. */
const ROW_BYTES = 40

export class Upkeep {
  readonly #core: Core
  readonly #journal: Journal
  readonly #log: Log
  readonly #checkpoints: Checkpointer
  readonly #checkpointBytes: number
  #compactor: Compactor | undefined
  /** Bytes sealed when the last checkpoint began; negative: what there was to replay at the start. */
  #sinceBytes: number
  /** The segment in use then. */
  #sinceSegment: number
  #running: Promise<void> | undefined
  #stopped = false

  constructor(parts: {
    core: Core
    journal: Journal
    disk: Disk
    log: Log
    checkpointBytes: number
    checkpointNumber: number
    replayedBytes: number
  }) {
    const { core, journal, disk, log } = parts
    this.#core = core
    this.#journal = journal
    this.#log = log
    this.#checkpointBytes = parts.checkpointBytes
    this.#sinceBytes = core.ledger.sealedBytes - parts.replayedBytes
    this.#sinceSegment = journal.segment
    this.#checkpoints = new Checkpointer({ core, journal, disk, log, number: parts.checkpointNumber })
  }

  /** Starts a checkpoint when one is due. Cheap; called after each sync. */
  consider(): void {
    if (this.#running !== undefined || this.#stopped) return
    const since = this.#core.ledger.sealedBytes - this.#sinceBytes
    const { segment } = this.#journal
    if (
      since >= this.#checkpointBytes ? since < this.#sizeBytes() : segment === this.#sinceSegment || !this.#pays(since)
    )
      return
    this.#start()
  }

  /** Would an early one cost next to nothing? */
  #pays(since: number): boolean {
    return since >= this.#checkpointBytes * EARLY_SHARE && this.#sizeBytes() <= since * EARLY_SIZE_SHARE
  }

  /** At a clean close: ends what is under way, and writes a last checkpoint if that makes the next start faster. */
  async finish(): Promise<void> {
    await this.#running
    const since = this.#core.ledger.sealedBytes - this.#sinceBytes
    const size = this.#sizeBytes()
    if (this.#stopped || since < CLOSING_FROM_BYTES || size > Math.max(CLOSING_BYTES_MAX, since / 2)) return
    this.#start()
    await this.#running
  }

  /** Gives up what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#checkpoints.stop()
    this.#compactor?.stop()
    await this.#running
  }

  /** What a checkpoint of the index as it is would have, about. */
  #sizeBytes(): number {
    return this.#core.index.slots.live * ROW_BYTES + this.#core.records.bytes
  }

  #start(): void {
    this.#sinceBytes = this.#core.ledger.sealedBytes
    this.#sinceSegment = this.#journal.segment
    this.#running = this.#run().then(() => {
      this.#running = undefined
    })
  }

  async #run(): Promise<void> {
    const start = await this.#checkpoints.write()
    if (start === undefined || this.#stopped) return
    this.#compactor = new Compactor({ core: this.#core, journal: this.#journal, log: this.#log })
    try {
      await this.#compactor.run(start)
    } catch (error) {
      this.#log.warn('segments could not be given back; the next checkpoint tries again', { error })
    }
  }
}
