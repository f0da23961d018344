/** `spindle doctor` without its terminal: examines a data folder that nobody has open, and writes what can be saved into a new one. */
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { liveOwner } from '../client/folder/claim.ts'
import { type Examination, examine } from '../engine/embedded/doctor/examine.ts'
import { type Salvaged, salvage } from '../engine/embedded/doctor/salvage.ts'
import { SpindleError } from '../model/errors.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Disk } from '../runtime/disk.ts'
import { nodeDisk } from '../runtime/node-disk.ts'
import type { Random } from '../runtime/random.ts'
import { readOnlyDisk } from '../runtime/read-only-disk.ts'

/** What `--json` prints. */
export interface DoctorReport {
  readonly folder: string
  /** `sound`: it opens, and everything in it can be read. */
  readonly verdict: 'sound' | 'damaged' | 'empty'
  readonly format: number
  readonly segments: Examination['segments']
  readonly checkpoint: NonNullable<Examination['checkpoint']> | null
  readonly queues: readonly QueueReport[]
  readonly records: number
  readonly findings: Examination['findings']
  readonly notes: Examination['notes']
  readonly lost: Examination['lost']
  readonly lostRanges: Examination['lostRanges']
  /** Ids of messages that are there, and may have been settled in what is missing. */
  readonly uncertain: readonly string[]
  /** Whole messages whose queue is not certain. */
  readonly strays: readonly { readonly id: string; readonly queue: string | undefined }[]
  readonly salvaged: (Salvaged & { readonly folder: string }) | null
}

export interface QueueReport {
  readonly name: string
  readonly waiting: number
  readonly leased: number
  readonly done: number
  readonly dead: number
}

export interface DoctorOptions {
  readonly clock: Clock
  readonly random: Random
  /** A folder that is empty or not there yet. */
  readonly salvageTo?: string
}

/**
 * The folder is never written to. Rejects `folder-busy` while a process has it open, `format-newer`, `invalid-argument` for a folder that
 * is not there or a target that is not empty or lies inside it, and what the file system says.
 */
export async function examineFolder(path: string, options: DoctorOptions): Promise<DoctorReport> {
  const folder = resolve(path)
  if (!(await isDirectory(folder))) throw new SpindleError('invalid-argument', `examine ${folder}: it is no folder`)
  const owner = await liveOwner(folder)
  if (owner !== undefined) throw new SpindleError('folder-busy', `examine ${folder} (process ${owner} has it open)`)
  const target = options.salvageTo === undefined ? undefined : await emptyTarget(folder, options.salvageTo)
  const examination = await examine(readOnlyDisk(folder))
  try {
    const { kind, version } = examination
    if (kind === 'newer' || kind === 'older')
      throw new SpindleError(`format-${kind}`, `examine ${folder} (format ${version})`)
    const salvaged = target === undefined ? null : await salvageInto(target, examination, options)
    return reportOf(folder, examination, salvaged)
  } finally {
    await examination.close()
  }
}

async function salvageInto(folder: string, examination: Examination, { clock, random }: DoctorOptions) {
  const salvaged = await salvage({ examination, target: nodeDisk(folder), clock, random })
  await confirm(nodeDisk(folder), salvaged)
  return { ...salvaged, folder }
}

/** What was written is read again: a salvage that cannot be opened is none. */
async function confirm(disk: Disk, salvaged: Salvaged): Promise<void> {
  const again = await examine(disk)
  try {
    const found = again.account.messages.size
    const wanted = salvaged.messages + salvaged.strays
    if (again.findings.length > 0 || found !== wanted)
      throw new SpindleError('corrupt', `salvage into ${disk.label} (${found} of ${wanted} messages can be read again)`)
  } finally {
    await again.close()
  }
}

async function isDirectory(folder: string): Promise<boolean> {
  return stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

async function emptyTarget(folder: string, path: string): Promise<string> {
  const target = resolve(path)
  const inside = relative(folder, target)
  if (inside === '' || !inside.startsWith('..'))
    throw new SpindleError('invalid-argument', `salvage into ${target}: it lies in the damaged folder`)
  await mkdir(target, { recursive: true, mode: 0o700 })
  if ((await readdir(target)).length > 0)
    throw new SpindleError('invalid-argument', `salvage into ${target}: it is not empty`)
  await mkdir(join(target, 'journal'), { mode: 0o700 })
  return target
}

function reportOf(folder: string, examination: Examination, salvaged: DoctorReport['salvaged']): DoctorReport {
  const { kind, version, segments, checkpoint, findings, notes, lost, lostRanges, uncertain, strays, account } =
    examination
  return {
    folder,
    verdict: kind === 'empty' ? 'empty' : findings.length + lost.length > 0 ? 'damaged' : 'sound',
    format: version,
    segments,
    checkpoint: checkpoint ?? null,
    queues: queuesOf(examination),
    records: account.records.size,
    findings,
    notes,
    lost,
    lostRanges,
    uncertain,
    strays: strays.map(({ id, queue }) => ({ id, queue })),
    salvaged,
  }
}

function queuesOf({ account }: Examination): QueueReport[] {
  const counts = new Map<number, { name: string; waiting: number; leased: number; done: number; dead: number }>()
  for (const { id, rules } of account.queues.values())
    counts.set(id, { name: rules.name, waiting: 0, leased: 0, done: 0, dead: 0 })
  for (const { queue, state } of account.messages.values()) {
    const count = counts.get(queue)
    if (count !== undefined) count[state]++
  }
  return [...counts.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
