/**
 * Reads a data folder that may be damaged, as far as it can be read, and says what is there, what is not, and what nobody can know.
 * Never writes.
 *
 * The order of belief is that of recovery: the newest checkpoint that is whole, then the journal behind its place. Where there is none,
 * what is left of a damaged one is laid over what the segments say. Whatever is missing is a gap: a message whose last word stands
 * before a gap may have been settled in it, and is called uncertain.
 */
import { formatId, type StoreTag } from '../../../model/message-id.ts'
import type { Disk, DiskFile } from '../../../runtime/disk.ts'
import type { CheckpointHeader } from '../checkpoint.ts'
import { FORMAT_VERSION } from '../codec.ts'
import { DIRECTORY as CHECKPOINTS, readSections } from '../journal/checkpoint-file.ts'
import type { Position } from '../journal/position.ts'
import { getUint32, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../journal/record-format.ts'
import { segmentPath } from '../journal/segment-table.ts'
import { DedupReader, storedRecords } from '../snapshot-keys.ts'
import { RowReader, Section } from '../snapshot-rows.ts'
import { Contents } from './contents.ts'
import { type Place, type Told, told } from './effects.ts'
import { Account } from './remains.ts'
import { type FoundSegment, findSegments } from './segment-files.ts'
import { type Step, walk } from './segment-walk.ts'

export interface Finding {
  readonly where: string
  readonly what: string
}

/** A message that is not there any more, or not whole. */
export interface LostMessage {
  readonly id: string
  readonly queue: string | undefined
  readonly why: string
}

/** Whole messages of damaged records, and contents without a queue: what they say of themselves is not certain. */
export interface Stray {
  readonly id: string
  /** As far as is known. */
  readonly queue: string | undefined
  readonly content: Place
}

export interface Examination {
  readonly kind: 'empty' | 'older' | 'newer' | 'read'
  readonly version: number
  readonly segments: readonly {
    readonly id: number
    readonly path: string
    readonly bytes: number
    readonly records: number
  }[]
  readonly checkpoint: { readonly number: number; readonly whole: boolean } | undefined
  /** Damage, in words. [] and no `lost`: the folder opens, and everything in it was read. */
  readonly findings: readonly Finding[]
  /** Worth a word, but no damage. */
  readonly notes: readonly Finding[]
  readonly account: Account
  readonly contents: Contents
  readonly lost: readonly LostMessage[]
  /** Messages that cannot be named one by one but by the range of their ids. */
  readonly lostRanges: readonly {
    readonly where: string
    readonly first: string
    readonly last: string | undefined
    readonly count: number | undefined
  }[]
  readonly strays: readonly Stray[]
  /** Ids of messages that are there and may have been settled in what is missing. */
  readonly uncertain: readonly string[]
  close(): Promise<void>
}

/** `disk` is only read from. */
export async function examine(disk: Disk): Promise<Examination> {
  const { segments, problems, strangers, version } = await findSegments(disk)
  const examiner = new Examiner(disk, segments)
  examiner.findings.push(...problems)
  examiner.notes.push(...strangers.map((where) => ({ where, what: 'it is no file of Spindle, and is not read' })))
  if (version > FORMAT_VERSION) return examiner.result('newer', version)
  if (version > 0 && version < FORMAT_VERSION) return examiner.result('older', version)
  await examiner.read()
  const nothing = segments.length === 0 && examiner.checkpoint === undefined
  return examiner.result(nothing ? 'empty' : 'read', version)
}

/** As model/message-id.ts makes it. */
const TAG = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8$/

interface FoundCheckpoint {
  readonly number: number
  readonly whole: boolean
  readonly header: CheckpointHeader
}

class Examiner {
  readonly findings: Finding[] = []
  readonly notes: Finding[] = []
  readonly account = new Account()
  checkpoint: FoundCheckpoint | undefined
  readonly #disk: Disk
  readonly #segments: readonly FoundSegment[]
  readonly #contents: Contents
  readonly #records = new Map<number, number>()
  readonly #lost: { readonly number: number; readonly queue: string | undefined; readonly why: string }[] = []
  readonly #lostNumbers = new Set<number>()
  readonly #strays: { readonly number: number; readonly queue: string | undefined; readonly content: Place }[] = []
  /** Appends in records that fail their check, by number. Something whole may know more of them. */
  readonly #sifted = new Map<number, { readonly queue: number; readonly content: Place }>()
  #doubtfulTag: string | undefined
  /** The last list of segments that the journal gives. */
  #listed: readonly number[] | undefined

  constructor(disk: Disk, segments: readonly FoundSegment[]) {
    this.#disk = disk
    this.#segments = segments
    this.#contents = new Contents(new Map(segments.map(({ id, file }): [number, DiskFile] => [id, file])))
  }

  async read(): Promise<void> {
    this.checkpoint = await this.#bestCheckpoint()
    const { checkpoint } = this
    const start = checkpoint?.header.start.position
    this.#listed = checkpoint?.header.start.segments
    if (checkpoint === undefined || !checkpoint.whole) await this.#walk(undefined, start)
    if (checkpoint !== undefined) {
      await this.#layOver(checkpoint)
      await this.#walk(start, undefined)
    }
    this.#nameMissing(start)
    this.#judgeTag()
    this.#judgeSifted()
    this.#checkContents()
  }

  result(kind: Examination['kind'], version: number): Examination {
    const { account, findings, notes, checkpoint } = this
    const uncertain: string[] = []
    for (const message of account.messages.values())
      if (account.isUncertain(message) && !this.#lostNumbers.has(message.number))
        uncertain.push(this.#id(message.number))
    return {
      kind,
      version,
      segments: this.#segments.map(({ id, path, bytes }) => ({ id, path, bytes, records: this.#records.get(id) ?? 0 })),
      checkpoint: checkpoint === undefined ? undefined : { number: checkpoint.number, whole: checkpoint.whole },
      findings,
      notes,
      account,
      contents: this.#contents,
      lost: this.#lost.map(({ number, ...rest }) => ({ id: this.#id(number), ...rest })),
      lostRanges: this.#lostRanges(),
      strays: this.#strays.map(({ number, ...rest }) => ({ id: this.#id(number), ...rest })),
      uncertain,
      close: async () => {
        for (const { file } of this.#segments) await file.close()
      },
    }
  }

  // --- checkpoints

  async #bestCheckpoint(): Promise<FoundCheckpoint | undefined> {
    let partial: FoundCheckpoint | undefined
    const numbers: number[] = []
    for (const name of await this.#disk.list(CHECKPOINTS)) {
      const match = /^(\d{8,})\.(ckpt|writing)$/.exec(name)
      if (match === null)
        this.notes.push({ where: `${CHECKPOINTS}/${name}`, what: 'it is no file of Spindle, and is not read' })
      else if (match[2] === 'ckpt') numbers.push(Number(match[1]))
    }
    for (const number of numbers.sort((a, b) => b - a)) {
      let header: CheckpointHeader | undefined
      const damaged: number[] = []
      const whole = await readSections(
        this.#disk,
        number,
        (payload) => {
          if (payload[0] === Section.header) header = JSON.parse(payload.toString('utf8', 1)) as CheckpointHeader
        },
        (index) => damaged.push(index),
      )
      if (whole && header !== undefined) return { number, whole, header }
      const which = damaged.length > 0 ? `sections ${damaged.join(', ')} are damaged` : 'it is cut or damaged'
      this.findings.push({ where: `checkpoint ${number}`, what: which })
      if (header !== undefined) partial ??= { number, whole, header }
    }
    return partial
  }

  async #layOver({ number, whole, header }: FoundCheckpoint): Promise<void> {
    const { account } = this
    if (!whole) account.silentGap()
    for (const { id, rules } of header.queues) account.tell({ kind: 'putQueue', queue: id, rules })
    account.tell({ kind: 'open', epoch: header.epoch, next: header.nextNumber, identity: { tag: header.tag } })
    const rows = new RowReader()
    const visit = (payload: Buffer): void => {
      switch (payload[0]) {
        case Section.rows:
          rows.section(payload)
          while (rows.next()) account.row(rows)
          return
        case Section.dedup: {
          const stored = new DedupReader(payload)
          while (stored.next()) {
            const { queue, number, until } = stored
            const key = stored.key ?? account.messages.get(number)?.dedup
            if (until !== 0 && key !== undefined) account.holdDedup(queue, { key, number, until })
          }
          return
        }
        case Section.records:
          for (const { key, version, value } of storedRecords(payload)) account.records.set(key, { version, value })
          return
      }
    }
    await readSections(this.#disk, number, visit, () => {})
  }

  // --- segments

  /** Tells the account what the segments say from one place up to another. */
  async #walk(from: Position | undefined, to: Position | undefined): Promise<void> {
    const ids = this.#segments.map(({ id }) => id)
    const first = from?.segment ?? ids[0] ?? 1
    const last = to?.segment ?? Math.max(ids.at(-1) ?? 0, from?.segment ?? 0)
    if (from === undefined && first > 1)
      this.#gap(`segments 1 to ${first - 1}`, 'they are gone, and no whole checkpoint stands for what they told')
    const byId = new Map(this.#segments.map((segment) => [segment.id, segment]))
    let rolledTo: number | undefined
    for (let id = first; id <= last; id++) {
      const segment = byId.get(id)
      if (segment === undefined) {
        // What was deleted in peace is missing before a checkpoint; that this one is damaged shows elsewhere.
        if (from === undefined && this.#listed?.includes(id) === false) this.account.gap(segmentPath(id))
        else this.#gap(segmentPath(id), 'it is missing')
        rolledTo = undefined
        continue
      }
      rolledTo = await this.#segment(segment, {
        from: id === from?.segment ? from.offset : SEGMENT_HEADER_BYTES,
        to: id === to?.segment ? to.offset : Number.POSITIVE_INFINITY,
        isLast: to === undefined && !(await this.#anyRecordBehind(id)),
      })
    }
    if (to === undefined && rolledTo !== undefined && !byId.has(rolledTo))
      this.#gap(segmentPath(rolledTo), 'it is missing')
  }

  /** Returns the segment that it says follows. */
  async #segment(
    segment: FoundSegment,
    range: { readonly from: number; readonly to: number; readonly isLast: boolean },
  ): Promise<number | undefined> {
    const { id, path } = segment
    const bytes = await wholeOf(segment)
    const steps = [...walk(bytes, segment)]
    const cut = range.isLast ? tornAt(steps, id, range.from) : undefined
    let next: number | undefined
    let records = 0
    for (const step of steps) {
      switch (step.kind) {
        case 'record':
          if (step.start < range.from || step.start >= range.to) break
          if (cut !== undefined && step.start > cut) break
          records++
          this.#record({ bytes, start: step.start, end: step.end, segment: id, offset: step.start })
          break
        case 'segments':
          this.#listed = step.ids
          break
        case 'roll':
          next = step.next
          break
        case 'hole':
          if (step.to <= range.from || step.from >= range.to || (cut !== undefined && step.from >= cut)) break
          this.#gap(`${path}, bytes ${step.from} to ${step.to}`, 'what stands there fails its checksum')
          this.#sift(bytes, step.from, step.to, id)
          break
        case 'marker':
          break
        case 'end': {
          if (step.at >= range.to) break
          if (range.to !== Number.POSITIVE_INFINITY) {
            this.#gap(`${path}, from byte ${step.at}`, 'what stood there is missing')
            break
          }
          // A segment gets its name only once its header is durable.
          const short = segment.bytesWanted === undefined || segment.bytes < segment.bytesWanted
          if (next !== undefined && !short) break
          if (!range.isLast || short) {
            if (next === undefined) this.#gap(`${path}, from byte ${step.at}`, 'its end is missing')
            if (next === undefined && step.written) this.#sift(bytes, step.at, bytes.length, id)
          }
          break
        }
        default:
          step satisfies never
      }
    }
    if (cut !== undefined)
      this.notes.push({
        where: `${path}, byte ${cut}`,
        what: 'an unfinished write, as a crash leaves it; opening the store cuts it',
      })
    this.#records.set(id, (this.#records.get(id) ?? 0) + records)
    return next
  }

  async #anyRecordBehind(id: number): Promise<boolean> {
    for (const segment of this.#segments) {
      if (segment.id <= id) continue
      for (const { kind } of walk(await wholeOf(segment), segment)) if (kind !== 'end' && kind !== 'hole') return true
    }
    return false
  }

  #record(payload: Parameters<typeof told>[0]): void {
    try {
      for (const one of told(payload)) this.account.tell(one)
    } catch (error) {
      const where = `${segmentPath(payload.segment)}, byte ${payload.start}`
      this.#gap(where, `the record is whole and makes no sense (${(error as Error).message})`)
    }
  }

  /** Names the messages of records that fail their check, as far as they can still be told apart. */
  #sift(bytes: Buffer, from: number, to: number, segment: number): void {
    for (let at = from; at + RECORD_HEADER_BYTES < to; ) {
      const start = at + RECORD_HEADER_BYTES
      const end = start + getUint32(bytes, at)
      if (end <= start || end > to) return
      this.#siftRecord({ bytes, start, end, segment, offset: start })
      at = end
    }
  }

  #siftRecord(payload: Parameters<typeof told>[0]): void {
    try {
      for (const one of told(payload)) {
        if (one.kind === 'append') this.#siftAppend(one)
        else if (one.kind === 'open') this.#siftTag(one.identity)
      }
    } catch {
      // The rest of it cannot be told apart; the range of numbers names it.
    }
  }

  /** The store's tag stands in few places; better a doubtful one than other ids for every message. */
  #siftTag(identity: unknown): void {
    const { tag } = (identity ?? {}) as { readonly tag?: unknown }
    if (typeof tag === 'string' && TAG.test(tag)) this.#doubtfulTag = tag
  }

  #siftAppend({ number, queue, content }: Extract<Told, { kind: 'append' }>): void {
    if (Number.isSafeInteger(number) && number >= 1) this.#sifted.set(number, { queue, content })
  }

  // --- afterwards

  /** Segments that should exist for their contents alone. */
  #nameMissing(start: Position | undefined): void {
    const present = new Set(this.#segments.map(({ id }) => id))
    for (const id of this.#listed ?? [])
      if (!present.has(id) && start !== undefined && id < start.segment)
        this.findings.push({ where: segmentPath(id), what: 'it is missing' })
  }

  #judgeTag(): void {
    const { account } = this
    if (account.tag !== undefined || account.next === 1) return
    account.tag = this.#doubtfulTag
    const fate =
      account.tag === undefined
        ? 'is lost: a salvaged store gives every message another one'
        : 'was read from a damaged record'
    this.findings.push({ where: 'ids', what: `what all ids of the store begin with ${fate}` })
  }

  #judgeSifted(): void {
    const { account } = this
    for (const [number, { queue, content }] of this.#sifted) {
      if (account.messages.has(number)) continue
      const name = account.queues.get(queue)?.rules.name
      this.#lostNumbers.add(number)
      if (this.#contents.read(content) === undefined)
        this.#lost.push({ number, queue: name, why: 'its record is damaged, and so is its content' })
      else this.#strays.push({ number, queue: name, content })
    }
  }

  #checkContents(): void {
    const { account } = this
    const byPlace = [...account.messages.values()].sort(
      (a, b) => a.content.segment - b.content.segment || a.content.offset - b.content.offset,
    )
    for (const message of byPlace) {
      const queue = account.queues.get(message.queue)?.rules.name
      if (this.#contents.read(message.content) !== undefined) continue
      this.#lostNumbers.add(message.number)
      const { segment, offset } = message.content
      this.#lost.push({
        number: message.number,
        queue,
        why: `its content in segment ${segment} at ${offset} is gone or damaged`,
      })
      this.findings.push({ where: `${segmentPath(segment)}, byte ${offset}`, what: 'a content is gone or damaged' })
    }
    for (const message of account.messages.values())
      for (const blob of [message.note, message.kept])
        if (blob !== undefined && this.#contents.read(blob) === undefined) {
          const what = `the note or the result of ${this.#id(message.number)} is gone or damaged`
          this.findings.push({ where: `${segmentPath(blob.segment)}, byte ${blob.offset}`, what })
        }
    for (const { number, content } of account.homeless.values()) this.#stray(number, content)
    for (const [number, content] of account.strays) if (!account.messages.has(number)) this.#stray(number, content)
  }

  #stray(number: number, content: Place): void {
    // Deleted queues leave copies behind, and so do messages that were settled later than a whole checkpoint tells.
    if (this.account.gaps === 0) return
    this.#lostNumbers.add(number)
    if (this.#contents.read(content) === undefined)
      this.#lost.push({ number, queue: undefined, why: 'its queue and its content are gone' })
    else this.#strays.push({ number, queue: undefined, content })
  }

  #lostRanges(): Examination['lostRanges'] {
    const { account } = this
    return account.numberGaps.flatMap(({ where, from, to }) => {
      const ranges: { where: string; first: string; last: string | undefined; count: number | undefined }[] = []
      if (to === undefined) return [{ where, first: this.#id(from), last: undefined, count: undefined }]
      let first = from
      const close = (end: number): void => {
        if (end > first) ranges.push({ where, first: this.#id(first), last: this.#id(end - 1), count: end - first })
      }
      for (let number = from; number < to; number++) {
        if (!account.messages.has(number) && !this.#lostNumbers.has(number)) continue
        close(number)
        first = number + 1
      }
      close(to)
      return ranges
    })
  }

  #gap(where: string, what: string): void {
    this.findings.push({ where, what })
    this.account.gap(where)
  }

  #id(number: number): string {
    const { tag } = this.account
    return tag === undefined ? `number ${number}` : formatId(tag as StoreTag, number) // the store gave it
  }
}

async function wholeOf({ file, bytes }: FoundSegment): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes)
  return buffer.subarray(0, await file.read(buffer, 0))
}

/** Where the unfinished write at the end begins; undefined: there is none. What a marker proves to have been synced is never one. */
function tornAt(steps: readonly Step[], id: number, from: number): number | undefined {
  for (const [index, step] of steps.entries()) {
    const at = step.kind === 'hole' ? step.from : step.kind === 'end' && step.written ? step.at : undefined
    if (at === undefined || at < from) continue
    const isProven = steps
      .slice(index + 1)
      .some((later) => later.kind === 'marker' && later.segment === id && later.offset > at)
    if (!isProven) return at
  }
  return undefined
}
