/**
 * A consistent copy of a data folder, taken while it is in use, from outside: the owner of the folder notices nothing.
 *
 * Why the copy is one that a crash could have left, at some moment T after the backup began:
 * - Records are written from front to back, segment after segment. Read from back to front, the last segment first, whatever is seen at one
 *   place, what was written before it is seen, too, since it is read later. A write that is seen in part is the torn tail that recovery cuts.
 * - A segment is complete once there are two later ones: the next file is there before the roll to it is written.
 * - A replay needs the newest checkpoint, and the segments that were there while it was the newest. A segment that goes while it is copied may
 *   already be written again under another number, so its copy is thrown away and the pass is made again; it copies only what is new.
 * - More segments than needed do no harm: recovery removes those that the journal says were given back.
 *
 * A complete segment of a backup never changes, so a backup may share it with the one before by a hard link: each costs what is new. That
 * is why a backup is not a data folder (its folders have other names): a server that worked in it would write its files again, which
 * other backups share.
 */
import type { FileHandle } from 'node:fs/promises'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SEGMENT_HEADER_BYTES } from '../engine/embedded/journal/record-format.ts'
import { SpindleError } from '../model/errors.ts'

interface Layout {
  readonly journal: string
  readonly checkpoint: string
}

const LIVE: Layout = { journal: 'journal', checkpoint: 'checkpoint' }
const KEPT: Layout = { journal: 'journal.backup', checkpoint: 'checkpoint.backup' }
const SEGMENT = /^\d{8,}\.seg$/
const CHECKPOINT_FILE = /^\d{8,}\.ckpt$/
const BLOCK_BYTES = 1_048_576
/** Segments that may still change: the last one, and the one before it while the roll is written. */
const OPEN_SEGMENTS = 2
/** Whoever outruns a copy this often will go on doing so. */
const PASSES_MAX = 100
const UNFINISHED = '.unfinished'

export interface BackupProgress {
  readonly copiedBytes: number
  readonly totalBytes: number
}

export interface BackupOptions {
  readonly from: string
  /** Must not exist. It appears in one piece: a backup that was cut off leaves `TO.unfinished`. */
  readonly to: string
  /** An earlier backup of the same folder on the same disk, whose complete segments are shared. */
  readonly base?: string
  readonly progress?: (progress: BackupProgress) => void
}

export interface BackupReport {
  readonly segments: number
  /** Shared with the earlier backup. */
  readonly linked: number
  readonly copiedBytes: number
}

/** Rejects `invalid-argument` (no data folder there, or something stands where the backup should go) and what the file system says. */
export function backUp({ from, to, base, progress }: BackupOptions): Promise<BackupReport> {
  return copyStore({
    from: { at: from, ...LIVE },
    to: { at: to, ...KEPT },
    base: base === undefined ? undefined : { at: base, ...KEPT },
    progress,
  })
}

/** Makes a data folder of a backup, which stays as it is. Rejects as `backUp` does. */
export function restore({
  from,
  to,
  progress,
}: Pick<BackupOptions, 'from' | 'to' | 'progress'>): Promise<BackupReport> {
  return copyStore({ from: { at: from, ...KEPT }, to: { at: to, ...LIVE }, base: undefined, progress })
}

type Store = Layout & { readonly at: string }

interface CopyOptions {
  readonly from: Store
  readonly to: Store
  readonly base: Store | undefined
  readonly progress: ((progress: BackupProgress) => void) | undefined
}

async function copyStore({ from, to, base, progress = () => {} }: CopyOptions): Promise<BackupReport> {
  if ((await names(join(from.at, from.journal), SEGMENT)).length === 0) {
    const kind = from.journal === LIVE.journal ? 'data folder' : 'backup'
    throw new SpindleError('invalid-argument', `copy ${from.at}: there is no ${kind}`)
  }
  if (await exists(to.at)) throw new SpindleError('invalid-argument', `copy to ${to.at}: something is there already`)
  const work: Store = { ...to, at: `${to.at}${UNFINISHED}` }
  await rm(work.at, { recursive: true, force: true })
  const directories = [join(work.at, work.journal), join(work.at, work.checkpoint)]
  for (const directory of directories) await mkdir(directory, { recursive: true, mode: 0o700 })
  const copy = new Copy({ from, work, base, progress })
  await copy.run()
  for (const directory of [...directories, work.at]) await syncDirectory(directory)
  await rename(work.at, to.at)
  await syncDirectory(join(to.at, '..'))
  return copy.report()
}

interface CopyParts {
  readonly from: Store
  readonly work: Store
  readonly base: Store | undefined
  readonly progress: (progress: BackupProgress) => void
}

class Copy {
  readonly #parts: CopyParts
  /** Segments that are copied whole, and will not change. */
  readonly #complete = new Set<string>()
  #segments = 0
  #linked = 0
  #copiedBytes = 0

  constructor(parts: CopyParts) {
    this.#parts = parts
  }

  report(): BackupReport {
    return { segments: this.#segments, linked: this.#linked, copiedBytes: this.#copiedBytes }
  }

  async run(): Promise<void> {
    const { from } = this.#parts
    for (let pass = 1; pass <= PASSES_MAX; pass++) {
      const checkpoint = await this.#newestCheckpoint()
      if (!(await this.#copyCheckpoint(checkpoint))) continue
      const segments = await names(join(from.at, from.journal), SEGMENT)
      if ((await this.#newestCheckpoint()) !== checkpoint) continue
      if (await this.#copySegments(segments)) return
    }
    throw new SpindleError('overloaded', `back up ${from.at}, which is written to faster than it can be copied`)
  }

  async #newestCheckpoint(): Promise<string | undefined> {
    const { from } = this.#parts
    return (await names(join(from.at, from.checkpoint), CHECKPOINT_FILE)).at(-1)
  }

  /** false: it went while it was copied, since a newer one came. */
  async #copyCheckpoint(name: string | undefined): Promise<boolean> {
    const { from, work } = this.#parts
    const directory = join(work.at, work.checkpoint)
    for (const other of await names(directory, CHECKPOINT_FILE)) if (other !== name) await rm(join(directory, other))
    if (name === undefined || (await exists(join(directory, name)))) return true
    return this.#file(join(from.at, from.checkpoint, name), join(directory, name))
  }

  /** false: one of them went before it was copied. */
  async #copySegments(segments: readonly string[]): Promise<boolean> {
    const { work } = this.#parts
    for (const name of await names(join(work.at, work.journal), SEGMENT)) {
      if (segments.includes(name)) continue
      await rm(join(work.at, work.journal, name))
      this.#complete.delete(name)
    }
    for (const [at, name] of [...segments.entries()].reverse()) {
      if (this.#complete.has(name)) continue
      const complete = at < segments.length - OPEN_SEGMENTS
      if (!(await this.#segment(name, complete))) return false
      if (complete) this.#complete.add(name)
      if (name === segments.at(-1) && !(await this.#beginNext(name))) return false
    }
    this.#segments = segments.length
    return true
  }

  /**
   * The last one on the list may have rolled before it was read; then it leads to the next one, which is copied as it was at that roll:
   * a header, and no record. false: that one is gone already.
   */
  async #beginNext(last: string): Promise<boolean> {
    const { from, work } = this.#parts
    const next = (await names(join(from.at, from.journal), SEGMENT)).find((name) => name > last)
    if (next === undefined) return true
    if (Number.parseInt(next, 10) !== Number.parseInt(last, 10) + 1) return false
    const path = join(from.at, from.journal, next)
    const source = await open(path, 'r').catch(() => undefined)
    if (source === undefined) return false
    const target = await open(join(work.at, work.journal, next), 'w', 0o600)
    try {
      const { size, ino } = await source.stat()
      const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
      await source.read(header, 0, header.length, 0)
      await target.truncate(size)
      await target.write(header, 0, header.length, 0)
      await target.sync()
      return (await inodeOf(path)) === ino
    } finally {
      await source.close()
      await target.close()
    }
  }

  async #segment(name: string, complete: boolean): Promise<boolean> {
    const { from, work, base } = this.#parts
    const to = join(work.at, work.journal, name)
    await rm(to, { force: true })
    if (complete && base !== undefined && (await isComplete(base, name))) {
      try {
        await link(join(base.at, base.journal, name), to)
        this.#linked++
        return true
      } catch {
        // On another disk, or one without links: copied then.
      }
    }
    return this.#file(join(from.at, from.journal, name), to)
  }

  /** Back to front, holes left out. false: the file is not there any more, and what was copied of it is not, either. */
  async #file(from: string, to: string): Promise<boolean> {
    const { progress } = this.#parts
    let source: FileHandle
    try {
      source = await open(from, 'r')
    } catch (fault) {
      if (codeOf(fault) === 'ENOENT') return false
      throw fault
    }
    const target = await open(to, 'w', 0o600)
    try {
      const { size, ino } = await source.stat()
      await target.truncate(size)
      const block = Buffer.allocUnsafe(BLOCK_BYTES)
      for (let end = size; end > 0; ) {
        const start = Math.max(0, end - BLOCK_BYTES)
        const part = block.subarray(0, end - start)
        await readBackwards(source, part, start)
        if (!isZero(part)) await target.write(part, 0, part.length, start)
        this.#copiedBytes += part.length
        progress({ copiedBytes: size - start, totalBytes: size })
        end = start
      }
      await target.sync()
      // Given back meanwhile, its file may have been written again while it was read.
      if ((await inodeOf(from)) === ino) return true
      await rm(to)
      return false
    } finally {
      await source.close()
      await target.close()
    }
  }
}

/** Of a backup, whose last segments were open when they were copied. */
async function isComplete({ at, journal }: Store, name: string): Promise<boolean> {
  return (await names(join(at, journal), SEGMENT)).slice(0, -OPEN_SEGMENTS).includes(name)
}

async function inodeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  )
}

const STEP_BYTES = 65_536

/**
 * From the end, in small steps. Within one step the system copies upwards, so each is read until two readings agree: each place
 * changes once, so what is the same twice is what stood there between the two.
 */
async function readBackwards(source: FileHandle, into: Buffer, from: number): Promise<void> {
  const again = Buffer.allocUnsafe(STEP_BYTES)
  for (let end = into.length; end > 0; ) {
    const start = Math.max(0, end - STEP_BYTES)
    const step = into.subarray(start, end)
    const second = again.subarray(0, step.length)
    await source.read(step, 0, step.length, from + start)
    for (;;) {
      await source.read(second, 0, second.length, from + start)
      if (second.equals(step)) break
      second.copy(step)
    }
    end = start
  }
}

const zeros = Buffer.alloc(BLOCK_BYTES)

function isZero(bytes: Buffer): boolean {
  return bytes.equals(zeros.subarray(0, bytes.length))
}

async function names(directory: string, pattern: RegExp): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => pattern.test(name)).sort()
  } catch (fault) {
    if (codeOf(fault) === 'ENOENT') return []
    throw fault
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function codeOf(fault: unknown): unknown {
  return fault instanceof Error && 'code' in fault ? fault.code : undefined
}
