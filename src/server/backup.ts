/**
 * A consistent copy of a data folder, taken while it is in use, from outside: the owner of the folder notices nothing.
 *
 * Why the copy is one that a crash could have left, at some moment T after the backup began:
 * - Segments only grow, and are written from front to back. Read from back to front, a segment that is being written gives a prefix of what
 *   was written: whatever is seen at one place, what was written before it is seen, too, since it is read later. A write that is seen
 *   in part is the torn tail that recovery cuts.
 * - A segment is complete once a later one exists. Segments are copied in their order until none is later than the last one copied.
 * - A segment is deleted only when nothing in it is alive and a checkpoint says what it said. While the newest checkpoint is the same at the end
 *   of a pass as at its beginning, no replay from it needs a segment that went meanwhile; otherwise the pass is made again, and copies
 *   only what is new.
 *
 * A complete segment never changes, so a backup may share it with the one before by a hard link: each costs what is new.
 */
import type { FileHandle } from 'node:fs/promises'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SpindleError } from '../model/errors.ts'

const JOURNAL = 'journal'
const CHECKPOINT = 'checkpoint'
const SEGMENT = /^\d{8,}\.seg$/
const CHECKPOINT_FILE = /^\d{8,}\.ckpt$/
const BLOCK_BYTES = 1_048_576
/** A checkpoint comes with hundreds of megabytes of new messages; somebody who outruns a copy this often will go on doing so. */
const PASSES_MAX = 20
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
export async function backUp({ from, to, base, progress = () => {} }: BackupOptions): Promise<BackupReport> {
  if ((await names(join(from, JOURNAL), SEGMENT)).length === 0) {
    throw new SpindleError('invalid-argument', `back up ${from}: there is no data folder`)
  }
  if (await exists(to)) throw new SpindleError('invalid-argument', `back up to ${to}: something is there already`)
  const work = `${to}${UNFINISHED}`
  await rm(work, { recursive: true, force: true })
  for (const directory of [JOURNAL, CHECKPOINT]) await mkdir(join(work, directory), { recursive: true, mode: 0o700 })
  const copy = new Copy({ from, work, base, progress })
  await copy.run()
  for (const directory of [join(work, JOURNAL), join(work, CHECKPOINT), work]) await syncDirectory(directory)
  await rename(work, to)
  await syncDirectory(join(to, '..'))
  return copy.report()
}

/** Puts a backup where a server will open it. Rejects `invalid-argument` when something is there, or the backup is none. */
export async function restore(options: Pick<BackupOptions, 'from' | 'to' | 'progress'>): Promise<BackupReport> {
  return backUp(options)
}

interface CopyParts {
  readonly from: string
  readonly work: string
  readonly base: string | undefined
  readonly progress: (progress: BackupProgress) => void
}

class Copy {
  readonly #parts: CopyParts
  /** Segments that are copied whole, and will not change. */
  readonly #complete = new Set<string>()
  #linked = 0
  #copiedBytes = 0

  constructor(parts: CopyParts) {
    this.#parts = parts
  }

  report(): BackupReport {
    return { segments: this.#complete.size + 1, linked: this.#linked, copiedBytes: this.#copiedBytes }
  }

  async run(): Promise<void> {
    for (let pass = 1; pass <= PASSES_MAX; pass++) {
      const checkpoint = await this.#newestCheckpoint()
      if (!(await this.#copyCheckpoint(checkpoint))) continue
      await this.#copySegments()
      if ((await this.#newestCheckpoint()) === checkpoint) return
    }
    throw new SpindleError(
      'overloaded',
      `back up ${this.#parts.from}, which is written to faster than it can be copied`,
    )
  }

  async #newestCheckpoint(): Promise<string | undefined> {
    return (await names(join(this.#parts.from, CHECKPOINT), CHECKPOINT_FILE)).at(-1)
  }

  /** false: it went while it was copied, since a newer one came. */
  async #copyCheckpoint(name: string | undefined): Promise<boolean> {
    const { from, work } = this.#parts
    for (const other of await names(join(work, CHECKPOINT), CHECKPOINT_FILE)) {
      if (other !== name) await rm(join(work, CHECKPOINT, other))
    }
    if (name === undefined || (await exists(join(work, CHECKPOINT, name)))) return true
    return this.#file(join(CHECKPOINT, name), from)
  }

  async #copySegments(): Promise<void> {
    const { from, work } = this.#parts
    for (;;) {
      const segments = await names(join(from, JOURNAL), SEGMENT)
      const last = segments.at(-1) as string
      // What the owner gave back since the pass before is not missed by the newer checkpoint.
      for (const name of this.#complete) {
        if (segments.includes(name)) continue
        await rm(join(work, JOURNAL, name), { force: true })
        this.#complete.delete(name)
      }
      for (const name of segments) {
        if (this.#complete.has(name)) continue
        const done = await this.#segment(name, { complete: name !== last })
        if (done && name !== last) this.#complete.add(name)
      }
      // The last one is copied again in every pass: it says which segments were given back.
      if ((await names(join(from, JOURNAL), SEGMENT)).at(-1) === last) return
    }
  }

  async #segment(name: string, { complete }: { readonly complete: boolean }): Promise<boolean> {
    const { from, work, base } = this.#parts
    const path = join(JOURNAL, name)
    await rm(join(work, path), { force: true })
    if (complete && base !== undefined && (await this.#isComplete(base, name))) {
      try {
        await link(join(base, path), join(work, path))
        this.#linked++
        return true
      } catch {
        // On another disk, or one without links: copied then.
      }
    }
    return this.#file(path, from)
  }

  /** Only a segment that has a later one beside it was complete when it was copied. */
  async #isComplete(backup: string, name: string): Promise<boolean> {
    const segments = await names(join(backup, JOURNAL), SEGMENT)
    return segments.includes(name) && segments.at(-1) !== name
  }

  /** Back to front, holes left out. false: there is no such file any more. */
  async #file(path: string, from: string): Promise<boolean> {
    const { work, progress } = this.#parts
    let source: FileHandle
    try {
      source = await open(join(from, path), 'r')
    } catch (fault) {
      if (codeOf(fault) === 'ENOENT') return false
      throw fault
    }
    const target = await open(join(work, path), 'w', 0o600)
    try {
      const { size } = await source.stat()
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
      return true
    } finally {
      await source.close()
      await target.close()
    }
  }
}

const STEP_BYTES = 65_536

/**
 * From the end, in small steps. Within one step the system copies upwards, so each is read until two readings agree: what only grows
 * and is the same twice is what stood there between the two.
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
