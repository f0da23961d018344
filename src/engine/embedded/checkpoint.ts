/**
 * A checkpoint: the whole index as of one place P of the journal, so that a reopen replays only what came after and the
 * segments before P are needed for contents alone.
 *
 * It is written in slices beside the work. Rows are exactly as of P: a chunk that has not been written yet is serialised just before its
 * first change. Records and dedup keys are as of the moment of their slice, at or after P: their effects say what is, not
 * what changes, so replaying them once more ends in the same state. All that a slice saw is synced before the file counts.
 */
import { SpindleError } from '../../model/errors.ts'
import type { StoreTag } from '../../model/message-id.ts'
import { type Disk, DiskFullError } from '../../runtime/disk.ts'
import type { Log } from '../../runtime/log.ts'
import type { Core } from './core.ts'
import { CHUNK_BITS } from './index/slots.ts'
import { type Checkpoint, CheckpointWriter } from './journal/checkpoint-file.ts'
import type { Journal, ReplayStart } from './journal/journal.ts'
import { RECORD_SHARDS } from './records.ts'
import type { QueueRules } from './replay.ts'
import { KeyWriter, readDedup, readRecords } from './snapshot-keys.ts'
import { RowLoader, RowWriter, Section } from './snapshot-rows.ts'

export interface CheckpointHeader {
  readonly start: ReplayStart
  readonly epoch: number
  readonly nextNumber: number
  readonly nextQueueId: number
  readonly tag: StoreTag
  readonly queues: readonly { readonly id: number; readonly rules: QueueRules }[]
}

export class Checkpointer {
  readonly #core: Core
  readonly #journal: Journal
  readonly #disk: Disk
  readonly #log: Log
  readonly #rows = new RowWriter()
  #number: number
  #stopping = false
  /** Of the one under way: which chunks are written, and rows saved from a change that came first. */
  #written = new Uint8Array(0)
  #saved: Buffer[] = []
  #chunks = 0

  constructor(parts: { core: Core; journal: Journal; disk: Disk; log: Log; number: number }) {
    this.#core = parts.core
    this.#journal = parts.journal
    this.#disk = parts.disk
    this.#log = parts.log
    this.#number = parts.number
  }

  /** Lets the one under way give up. */
  stop(): void {
    this.#stopping = true
  }

  /** Writes one; the place it stands for, or undefined when it was given up. Call between verbs. */
  async write(): Promise<ReplayStart | undefined> {
    const { index } = this.#core
    const header = this.#begin()
    let writer: CheckpointWriter | undefined
    try {
      writer = await CheckpointWriter.start(this.#disk, ++this.#number)
      await writer.section(sectionOf(Section.header, Buffer.from(JSON.stringify(header))))
      for (let chunk = 0; chunk < this.#chunks && !this.#stopping; chunk++) {
        this.#save(chunk)
        for (const section of this.#saved.splice(0)) await writer.section(section)
      }
      await this.#keys(writer, header.nextNumber)
      // What the slices saw must not be lost by a power cut that the checkpoint survives.
      await this.#journal.sync()
      if (this.#stopping) {
        await writer.abandon()
        return undefined
      }
      await writer.finish()
      return header.start
    } catch (error) {
      // A full disk is no fault: the journal is whole without a checkpoint. Any other failed write or sync is one.
      if (!(error instanceof DiskFullError)) this.#journal.poison('writing a checkpoint', error)
      this.#log.warn('a checkpoint was given up', { error })
      await writer?.abandon().catch(() => {})
      return undefined
    } finally {
      index.beforeWrite = ignore
      this.#saved = []
    }
  }

  #begin(): CheckpointHeader {
    const { index, epoch, nextNumber, tag } = this.#core
    this.#core.readClocks()
    this.#chunks = index.slots.chunks.length
    this.#written = new Uint8Array(this.#chunks)
    this.#saved = []
    this.#rows.restart()
    index.beforeWrite = (slot) => {
      const chunk = slot >>> CHUNK_BITS
      if (chunk < this.#chunks && this.#written[chunk] === 0) this.#save(chunk)
    }
    const queues = [...this.#core.byName.values()].map(({ id, name, policy, lifetime }) => ({
      id,
      rules: { name, policy, lifetime },
    }))
    const start = this.#journal.replayStart()
    return { start, epoch, nextNumber, nextQueueId: this.#core.nextQueueId(), tag, queues }
  }

  #save(chunk: number): void {
    if (this.#written[chunk] === 1) return
    this.#written[chunk] = 1
    this.#saved.push(...this.#rows.chunk(this.#core, chunk))
  }

  async #keys(writer: CheckpointWriter, nextNumber: number): Promise<void> {
    const keys = new KeyWriter(this.#core, nextNumber)
    for (const queue of [...this.#core.byName.values()]) {
      if (queue.dedup.size === 0) continue
      for (const shard of [...queue.dedup.shards()]) {
        if (this.#stopping) return
        for (const section of keys.dedup(queue.id, shard)) await writer.section(section)
      }
    }
    for (let shard = 0; shard < RECORD_SHARDS; shard++) {
      if (this.#stopping) return
      for (const section of keys.records(this.#core.records.shard(shard))) await writer.section(section)
    }
  }
}

/** Puts a checkpoint into an empty index, unlinked; answers from where the journal goes on. */
export async function readCheckpoint(core: Core, checkpoint: Checkpoint, label: string): Promise<ReplayStart> {
  let start: ReplayStart | undefined
  const rows = new RowLoader(core)
  await checkpoint.read((payload) => {
    switch (payload[0]) {
      case Section.header:
        start = readHeader(core, JSON.parse(payload.toString('utf8', 1)) as CheckpointHeader)
        return
      case Section.rows:
        rows.section(payload)
        return
      case Section.dedup:
        readDedup(core, payload)
        return
      case Section.records:
        readRecords(core, payload)
        return
      default:
        throw new SpindleError('corrupt', `read checkpoint ${checkpoint.number} of ${label}`)
    }
  })
  if (start === undefined) throw new SpindleError('corrupt', `read checkpoint ${checkpoint.number} of ${label}`)
  rows.done.sort((a, b) => a.ended - b.ended || a.number - b.number)
  for (const { number } of rows.done) core.index.queueOf(core.index.numbers.get(number)).done.push(number)
  return start
}

function readHeader(core: Core, header: CheckpointHeader): ReplayStart {
  core.startEpoch(header.epoch)
  core.nextNumber = header.nextNumber
  core.setTag(header.tag)
  for (const { id, rules } of header.queues) {
    core.addQueue(id, rules.name, rules.policy, rules.lifetime)
    if (rules.lifetime.kind === 'holder') core.meetHolder(rules.lifetime.holder)
  }
  if (core.index.queues.length < header.nextQueueId) core.index.queues.length = header.nextQueueId
  return header.start
}

function sectionOf(kind: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.of(kind), payload])
}

function ignore(): void {}
