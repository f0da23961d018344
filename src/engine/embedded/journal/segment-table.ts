/** The segments that exist: which files they are, and how a spare becomes one. */
import type { Disk } from '../../../runtime/disk.ts'
import { encodeSegmentHeader } from './record-format.ts'
import { corrupt, openSegment, type SegmentFile } from './recovery.ts'
import type { PromisedSpare, Spare } from './spare-segments.ts'

export const DIRECTORY = 'journal'

interface Segment {
  readonly id: number
  bytes: number
  /** undefined: still a spare. */
  file: SegmentFile | undefined
  readonly spare: Spare | PromisedSpare | undefined
  readonly salt: number
}

export class SegmentTable {
  readonly #disk: Disk
  readonly #formatVersion: number
  readonly #segments = new Map<number, Segment>()

  constructor(disk: Disk, formatVersion: number) {
    this.#disk = disk
    this.#formatVersion = formatVersion
  }

  async load(): Promise<void> {
    for (const name of await this.#disk.list(DIRECTORY)) {
      const match = /^(\d{8,10})\.seg$/.exec(name)
      if (match === null) continue
      const id = Number(match[1])
      const file = await openSegment(this.#disk, { id, path: `${DIRECTORY}/${name}` }, this.#formatVersion)
      this.#segments.set(id, { id, bytes: file.bytes, file, spare: undefined, salt: file.salt })
    }
  }

  /** Gives a spare its number; it has no file until `activate`. */
  add(id: number, spare: Spare | PromisedSpare, salt: number): void {
    this.#segments.set(id, { id, bytes: spare.bytes, file: undefined, spare, salt })
  }

  /** A spare becomes segment `id`: its header, its size and its name are durable when this resolves. Idempotent. */
  async activate(id: number): Promise<void> {
    const segment = this.#segments.get(id)
    if (segment?.spare === undefined || segment.file !== undefined) return
    const { file, bytes, path: from } = 'spare' in segment.spare ? await segment.spare.spare : segment.spare
    const path = segmentPath(id)
    const { salt } = segment
    await file.write(encodeSegmentHeader({ version: this.#formatVersion, segment: id, bytes, salt }), 0)
    await file.datasync()
    await this.#disk.rename(from, path)
    await this.#disk.syncDirectory(DIRECTORY)
    segment.bytes = bytes
    segment.file = { id, path, file, bytes, salt }
  }

  /** Closes the file and removes it; durable when this resolves. */
  async remove(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return
    for (const id of ids) {
      const { file } = this.fileOf(id)
      this.#segments.delete(id)
      await file.close()
      await this.#disk.remove(segmentPath(id))
    }
    await this.#disk.syncDirectory(DIRECTORY)
  }

  /** Takes a segment out, as a spare at `path`, durably. A power cut on the way may leave it where it was. */
  async toSpare(id: number, path: string): Promise<Spare> {
    const { file, bytes, path: from } = this.fileOf(id)
    this.#segments.delete(id)
    await this.#disk.rename(from, path)
    await this.#disk.syncDirectory(DIRECTORY)
    return { path, file, bytes }
  }

  has(id: number): boolean {
    return this.#segments.has(id)
  }

  /** undefined: not there, or not active yet. */
  find(id: number): SegmentFile | undefined {
    return this.#segments.get(id)?.file
  }

  /** Throws `corrupt` when there is none. */
  fileOf(id: number): SegmentFile {
    const file = this.find(id)
    if (file === undefined) throw corrupt(this.#disk, `segment ${id} (${segmentPath(id)}) is missing`)
    return file
  }

  bytesOf(id: number): number {
    return this.#segments.get(id)?.bytes ?? 0
  }

  ids(): number[] {
    return [...this.#segments.keys()].sort((a, b) => a - b)
  }

  async close(): Promise<void> {
    for (const { file, spare } of this.#segments.values()) {
      if (file !== undefined) await file.file.close()
      else if (spare !== undefined && 'file' in spare) await spare.file.close()
    }
    this.#segments.clear()
  }
}

export function segmentPath(id: number): string {
  return `${DIRECTORY}/${String(id).padStart(8, '0')}.seg`
}
