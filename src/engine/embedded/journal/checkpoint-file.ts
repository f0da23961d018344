/**
 * A checkpoint: sections of bytes that mean something to their writer, in a file that is either whole or not there.
 *
 *     section | length 4 | crc 4 | payload ... |     footer | 0xffffffff | crc 4 | number of sections 4 |
 *
 * The CRC covers the number of the checkpoint, the index of the section and its payload. Written beside the work in slices as
 * `checkpoint/NNNNNNNN.writing`, synced, renamed to `.ckpt`, the directory synced; only then does the one before go.
 */
import type { Disk, DiskFile } from '../../../runtime/disk.ts'
import type { Log } from '../../../runtime/log.ts'
import { CRC_START, crcFeed, crcFeedUint32 } from './crc32.ts'

export const DIRECTORY = 'checkpoint'
const FRAME_BYTES = 8
const FOOTER_LENGTH = 0xffffffff
/** A section is held in memory as a whole; the writer cuts its state accordingly. */
export const SECTION_BYTES_MAX = 16 * 1_048_576
/** Synced as it grows: one sync at the end would hold up those of the journal behind it. */
const SYNC_EVERY_BYTES = 1_048_576
const READ_AHEAD_BYTES = 1_048_576

export class CheckpointWriter {
  readonly #disk: Disk
  readonly #number: number
  readonly #file: DiskFile
  #at = 0
  #syncedAt = 0
  #sections = 0

  private constructor(disk: Disk, number: number, file: DiskFile) {
    this.#disk = disk
    this.#number = number
    this.#file = file
  }

  /** Begins checkpoint `number` (greater than any before). Rejects `DiskFullError` as every method: `abandon` it then. */
  static async start(disk: Disk, number: number): Promise<CheckpointWriter> {
    await disk.makeDirectory(DIRECTORY)
    await disk.remove(unfinishedPath(number))
    return new CheckpointWriter(disk, number, await disk.open(unfinishedPath(number), 'create'))
  }

  /** Adds one section, at most SECTION_BYTES_MAX. The bytes may be used again once this resolves. */
  async section(payload: Buffer): Promise<void> {
    if (payload.length > SECTION_BYTES_MAX) throw new RangeError(`a checkpoint section of ${payload.length} bytes`)
    const head = Buffer.alloc(FRAME_BYTES)
    head.writeUInt32LE(payload.length, 0)
    head.writeUInt32LE(sectionCrc(this.#number, this.#sections, payload), 4)
    await this.#append(head)
    await this.#append(payload)
    this.#sections++
  }

  /** Makes it the newest one, durably, and removes the others. */
  async finish(): Promise<void> {
    const footer = Buffer.alloc(FRAME_BYTES + 4)
    footer.writeUInt32LE(FOOTER_LENGTH, 0)
    footer.writeUInt32LE(this.#sections, FRAME_BYTES)
    footer.writeUInt32LE(sectionCrc(this.#number, FOOTER_LENGTH, footer.subarray(FRAME_BYTES)), 4)
    await this.#append(footer)
    await this.#file.datasync()
    await this.#file.close()
    await this.#disk.rename(unfinishedPath(this.#number), finishedPath(this.#number))
    await this.#disk.syncDirectory(DIRECTORY)
    for (const name of await this.#disk.list(DIRECTORY))
      if (name !== nameOf(this.#number)) await this.#disk.remove(`${DIRECTORY}/${name}`)
    await this.#disk.syncDirectory(DIRECTORY)
  }

  /** Gives it up; the one before stays. */
  async abandon(): Promise<void> {
    await this.#file.close()
    await this.#disk.remove(unfinishedPath(this.#number))
  }

  async #append(bytes: Buffer): Promise<void> {
    await this.#file.write(bytes, this.#at)
    this.#at += bytes.length
    if (this.#at - this.#syncedAt < SYNC_EVERY_BYTES) return
    await this.#file.datasync()
    this.#syncedAt = this.#at
  }
}

export interface Checkpoint {
  readonly number: number
  /** Reads the sections in order; each was verified before, and is verified again. */
  read(visit: (payload: Buffer, index: number) => void): Promise<void>
}

/**
 * The newest checkpoint that is whole; undefined when there is none: replay the journal from its beginning then. Damaged ones are
 * passed over with a warning; `read` runs over the file a second time, so that half a state is never applied.
 */
export async function newestCheckpoint(disk: Disk, log: Log): Promise<Checkpoint | undefined> {
  const numbers = (await disk.list(DIRECTORY))
    .map((name) => /^(\d{8,})\.ckpt$/.exec(name))
    .map((match) => (match === null ? 0 : Number(match[1])))
    .filter((number) => number > 0)
    .sort((a, b) => b - a)
  for (const number of numbers) {
    const whole = await readSections(disk, number, () => {})
    if (whole)
      return {
        number,
        async read(visit) {
          if (!(await readSections(disk, number, visit)))
            throw new Error(`checkpoint ${number} changed while it was read`)
        },
      }
    log.warn('a checkpoint is damaged; an older one, or the whole journal, is read instead', {
      folder: disk.label,
      checkpoint: finishedPath(number),
    })
  }
  return undefined
}

/**
 * Visits the sections in order. false: the file is not whole, and the visit ended at the first section that is damaged; with `onDamaged`
 * it goes on behind it, for as long as the lengths make sense.
 */
export async function readSections(
  disk: Pick<Disk, 'open'>,
  number: number,
  visit: (payload: Buffer, index: number) => void,
  onDamaged?: (index: number) => void,
): Promise<boolean> {
  const file = await disk.open(finishedPath(number), 'existing')
  let whole = true
  try {
    const size = await file.sizeBytes()
    const window = new ReadAhead(file)
    let at = 0
    for (let index = 0; ; index++) {
      if (window.left < FRAME_BYTES) await window.fill(at, FRAME_BYTES)
      const head = window.take(FRAME_BYTES)
      if (head === undefined) return false
      at += FRAME_BYTES
      const length = head.readUInt32LE(0)
      const crc = head.readUInt32LE(4)
      const isFooter = length === FOOTER_LENGTH
      if (!isFooter && (length > SECTION_BYTES_MAX || at + length > size)) return false
      const payloadBytes = isFooter ? 4 : length
      if (window.left < payloadBytes) await window.fill(at, payloadBytes)
      const payload = window.take(payloadBytes)
      if (payload === undefined) return false
      at += payloadBytes
      const sound = crc === sectionCrc(number, isFooter ? FOOTER_LENGTH : index, payload)
      if (!sound && (onDamaged === undefined || isFooter)) return false
      if (isFooter) return whole && payload.readUInt32LE(0) === index && at === size
      if (sound) visit(payload, index)
      else onDamaged?.(index)
      whole &&= sound
    }
  } finally {
    await file.close()
  }
}

function sectionCrc(number: number, index: number, payload: Buffer): number {
  const seed = crcFeedUint32(crcFeedUint32(crcFeedUint32(CRC_START, number), index), payload.length)
  return ~crcFeed(seed, payload, 0, payload.length) >>> 0
}

function nameOf(number: number): string {
  return `${String(number).padStart(8, '0')}.ckpt`
}

function finishedPath(number: number): string {
  return `${DIRECTORY}/${nameOf(number)}`
}

function unfinishedPath(number: number): string {
  return `${DIRECTORY}/${String(number).padStart(8, '0')}.writing`
}

/** Reads a file from front to back in large pieces: a store of many queues has many small sections, and each read is a turn of the loop. */
class ReadAhead {
  readonly #file: DiskFile
  #bytes = Buffer.alloc(0)
  #at = 0

  constructor(file: DiskFile) {
    this.#file = file
  }

  /** Bytes that may be taken without another read. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** Reads on from `position`, what is left included. A new buffer each time: what was taken stays as it is. */
  async fill(position: number, bytes: number): Promise<void> {
    const next = Buffer.alloc(Math.max(bytes, READ_AHEAD_BYTES))
    const count = await this.#file.read(next, position)
    this.#bytes = next.subarray(0, count)
    this.#at = 0
  }

  /** undefined: the file ended before. */
  take(bytes: number): Buffer | undefined {
    if (this.left < bytes) return undefined
    const taken = this.#bytes.subarray(this.#at, this.#at + bytes)
    this.#at += bytes
    return taken
  }
}
