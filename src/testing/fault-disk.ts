/**
 * A disk in memory that knows what is on stable storage and what is only written, and breaks on command: power cuts with torn
 * sectors, failing calls, a full disk, flipped bits. A seed replays everything it does.
 *
 * The model: bytes are durable after a `datasync` that began after their write ended; names (created, renamed, removed) after a
 * `syncDirectory` of their folder. What is not durable survives a power cut in any subset: writes torn at 512-byte sectors, names each on its own.
 * After a failed `datasync` the writes it was to cover are never made durable by a later one, as on Linux.
 */
import { type Disk, type DiskFile, DiskFullError } from '../runtime/disk.ts'
import { type Random, seededRandom } from '../runtime/random.ts'
import { FaultInode, type PowerCutMode } from './fault-inode.ts'

export interface SyncBoundary {
  /** From 1, over file and directory syncs. */
  readonly index: number
  /** `before`: it begins. `during`: it took a while, others went on, nothing of it is durable. `after`: it is, the caller was not told yet. */
  readonly phase: 'before' | 'during' | 'after'
  readonly path: string
}

export type FaultKind = 'write' | 'sync' | 'any'

interface NameChange {
  readonly directory: string
  apply(names: Map<string, FaultInode>): void
}

export class FaultDisk implements Disk {
  readonly label: string
  /** Bytes that all files together may have; more is `DiskFullError`. Default: no limit. May be changed at any time. */
  capacityBytes = Number.POSITIVE_INFINITY
  /** Calls so far. `sync`: of files and directories. `write`: writes, creations, renames, removals, truncations. */
  readonly calls = { write: 0, sync: 0 }

  #names = new Map<string, FaultInode>()
  #durableNames = new Map<string, FaultInode>()
  #changes: NameChange[] = []
  #listeners = new Set<(boundary: SyncBoundary) => void>()
  #failing: { kind: FaultKind; left: number } | undefined
  #faults = 0

  constructor(label = 'fault disk') {
    this.label = label
  }

  // --- faults

  /** The `n`-th call of that kind from now (1: the next) rejects with EIO. One at a time. A failed write may have left its first half. */
  failNth(n: number, kind: FaultKind): void {
    this.#failing = { kind, left: n }
  }

  /** How many calls `failNth` has failed. */
  get faults(): number {
    return this.#faults
  }

  /** What a process kill leaves: everything written, synced or not. This disk stays as it is; abandon what runs on it. */
  crash(): FaultDisk {
    const copies = new Map<FaultInode, FaultInode>()
    const copy = (inode: FaultInode): FaultInode => {
      const known = copies.get(inode) ?? inode.copy()
      copies.set(inode, known)
      return known
    }
    const disk = this.#successor()
    for (const [path, inode] of this.#names) disk.#names.set(path, copy(inode))
    for (const [path, inode] of this.#durableNames) disk.#durableNames.set(path, copy(inode))
    // Names that are not durable yet stay so: what is missing in the durable ones is one change a name.
    for (const path of new Set([...disk.#names.keys(), ...disk.#durableNames.keys()])) {
      const inode = disk.#names.get(path)
      if (inode === disk.#durableNames.get(path)) continue
      disk.#changes.push({
        directory: directoryOf(path),
        apply: (names) => void (inode === undefined ? names.delete(path) : names.set(path, inode)),
      })
    }
    return disk
  }

  /** A state that a power cut right now could leave. This disk stays as it is. Default mode `torn`, seed 1. */
  powerCut(options: { readonly random?: Random; readonly mode?: PowerCutMode } = {}): FaultDisk {
    const { random = seededRandom(1), mode = 'torn' } = options
    const keeps = (): boolean => (mode === 'torn' ? random.float() < 0.5 : mode === 'kept')
    const names = new Map(this.#durableNames)
    for (const change of this.#changes) if (keeps()) change.apply(names)
    const disk = this.#successor()
    const survivors = new Map<FaultInode, FaultInode>()
    for (const [path, inode] of names) {
      const survivor = survivors.get(inode) ?? inode.survivor(mode, random)
      survivors.set(inode, survivor)
      disk.#names.set(path, survivor)
      disk.#durableNames.set(path, survivor)
    }
    return disk
  }

  /** Flips one bit of a file, on stable storage too, as a failing medium does. */
  flipBit(path: string, offset: number, bit = 0): void {
    this.#inode(path).flipBit(offset, bit)
  }

  /** Cuts a file, on stable storage too. */
  truncateAt(path: string, bytes: number): void {
    this.#inode(path).damageLength(bytes)
  }

  /** Hears of every sync as it begins, goes on and has ended, before its caller does: `powerCut` there. */
  onSync(listener: (boundary: SyncBoundary) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Every file, for damage at a random place. */
  files(): { path: string; bytes: number }[] {
    return [...this.#names]
      .map(([path, inode]) => ({ path, bytes: inode.length }))
      .sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  /** What a file holds now. */
  contentOf(path: string): Buffer {
    return Buffer.from(this.#inode(path).content())
  }

  // --- Disk

  async open(path: string, mode: 'create' | 'existing'): Promise<DiskFile> {
    const found = this.#names.get(path)
    if (mode === 'existing') {
      if (found === undefined) throw systemError('ENOENT', `open ${path}`)
      return this.#file(path, found)
    }
    if (found !== undefined) throw systemError('EEXIST', `open ${path}`)
    this.#called('write', `create ${path}`)
    const inode = new FaultInode()
    this.#change({ directory: directoryOf(path), apply: (names) => void names.set(path, inode) })
    return this.#file(path, inode)
  }

  async list(directory: string): Promise<string[]> {
    const below = [...this.#names.keys()].filter((path) => directoryOf(path) === directory)
    return below.map((path) => path.slice(path.lastIndexOf('/') + 1)).sort()
  }

  async rename(from: string, to: string): Promise<void> {
    const inode = this.#inode(from)
    this.#called('write', `rename ${from} to ${to}`)
    this.#change({
      directory: directoryOf(to),
      apply(names) {
        if (names.get(from) === inode) names.delete(from)
        names.set(to, inode)
      },
    })
  }

  async remove(path: string): Promise<void> {
    const inode = this.#names.get(path)
    if (inode === undefined) return
    this.#called('write', `remove ${path}`)
    this.#change({
      directory: directoryOf(path),
      apply(names) {
        if (names.get(path) === inode) names.delete(path)
      },
    })
  }

  async syncDirectory(directory: string): Promise<void> {
    const index = this.#called('sync', `sync directory ${directory}`)
    this.#tell({ index, phase: 'before', path: directory })
    const covered = this.#changes.filter((change) => change.directory === directory)
    await turn(SYNC_HOPS)
    this.#tell({ index, phase: 'during', path: directory })
    for (const change of covered) change.apply(this.#durableNames)
    this.#changes = this.#changes.filter((change) => !covered.includes(change))
    this.#tell({ index, phase: 'after', path: directory })
  }

  /** Directories are taken to be durable at once. */
  async makeDirectory(): Promise<void> {}

  async freeBytes(): Promise<number> {
    return Math.max(0, this.capacityBytes - this.#usedBytes())
  }

  #file(path: string, inode: FaultInode): DiskFile {
    let closed = false
    const alive = (): void => {
      if (closed) throw systemError('EBADF', `using ${path}`)
    }
    return {
      write: async (bytes, position) => {
        alive()
        const half = this.#failsNow('write') ? Math.floor(bytes.length / 2) : bytes.length
        this.calls.write++
        const growth = position + bytes.length - inode.length
        if (growth > 0 && this.#usedBytes() + growth > this.capacityBytes)
          throw new DiskFullError(`ENOSPC: no space left on ${this.label}, write ${path}`)
        const copy = Buffer.from(bytes.subarray(0, half))
        await turn()
        inode.write(copy, position)
        if (half < bytes.length) throw systemError('EIO', `write ${path}`)
      },
      read: async (target, position) => {
        alive()
        await turn()
        return inode.read(target, position)
      },
      readSync(target, position) {
        alive()
        return inode.read(target, position)
      },
      datasync: async () => {
        alive()
        if (this.#failsNow('sync')) {
          this.calls.sync++
          inode.forgetUnsynced()
          throw systemError('EIO', `fdatasync ${path}`)
        }
        const index = ++this.calls.sync
        this.#tell({ index, phase: 'before', path })
        const covered = inode.unsynced()
        await turn(SYNC_HOPS)
        this.#tell({ index, phase: 'during', path })
        inode.makeDurable(covered)
        this.#tell({ index, phase: 'after', path })
      },
      async sizeBytes() {
        alive()
        return inode.length
      },
      truncate: async (bytes) => {
        alive()
        this.#called('write', `truncate ${path}`)
        inode.truncate(bytes)
      },
      async close() {
        closed = true
      },
    }
  }

  #successor(): FaultDisk {
    const disk = new FaultDisk(this.label)
    disk.capacityBytes = this.capacityBytes
    return disk
  }

  #change(change: NameChange): void {
    change.apply(this.#names)
    this.#changes.push(change)
  }

  #inode(path: string): FaultInode {
    const inode = this.#names.get(path)
    if (inode === undefined) throw systemError('ENOENT', path)
    return inode
  }

  #usedBytes(): number {
    let bytes = 0
    for (const inode of new Set(this.#names.values())) bytes += inode.length
    return bytes
  }

  /** Counts a call; throws when it is its turn to fail. Returns its number. */
  #called(kind: 'write' | 'sync', what: string): number {
    const fails = this.#failsNow(kind)
    const index = ++this.calls[kind]
    if (fails) throw systemError('EIO', what)
    return index
  }

  #failsNow(kind: 'write' | 'sync'): boolean {
    const failing = this.#failing
    if (failing === undefined || (failing.kind !== kind && failing.kind !== 'any')) return false
    failing.left--
    if (failing.left > 0) return false
    this.#failing = undefined
    this.#faults++
    return true
  }

  #tell(boundary: SyncBoundary): void {
    for (const listener of this.#listeners) listener(boundary)
  }
}

function directoryOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}

/** Calls take a moment, as work in the thread pool would, so that others can begin meanwhile. A sync takes longer than a write. */
const CALL_HOPS = 3
const SYNC_HOPS = 40

async function turn(hops = CALL_HOPS): Promise<void> {
  for (let hop = 0; hop < hops; hop++) await undefined
}
