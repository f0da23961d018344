import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Disk, type DiskFile, DiskFullError } from './disk.ts'

const fdatasync = promisify(fs.fdatasync)
const close = promisify(fs.close)
const ftruncate = promisify(fs.ftruncate)
const fstat = promisify(fs.fstat)

/** The disk of production: files below `folder`, which is created when missing. */
export function nodeDisk(folder: string): Disk {
  const place = (path: string): string => join(folder, path)
  return {
    label: folder,
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    async open(path, mode) {
      const flags = mode === 'create' ? 'wx+' : 'r+'
      const fd = await attempt(
        new Promise<number>((resolve, reject) => {
          fs.open(place(path), flags, 0o600, (error, opened) => (error ? reject(error) : resolve(opened)))
        }),
      )
      return new NodeFile(fd)
    },
    async list(directory) {
      try {
        const entries = await fs.promises.readdir(place(directory), { withFileTypes: true })
        return entries
          .filter((entry) => entry.isFile())
          .map((entry) => entry.name)
          .sort()
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return []
        throw error
      }
    },
    rename: (from, to) => attempt(fs.promises.rename(place(from), place(to))),
    remove: (path) => fs.promises.rm(place(path), { force: true }),
    async syncDirectory(directory) {
      const handle = await fs.promises.open(place(directory), 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
    async makeDirectory(directory) {
      const first = await attempt(fs.promises.mkdir(place(directory), { recursive: true, mode: 0o700 }))
      if (first === undefined) return
      // Every directory just made is an entry of its parent, and lost with it unless the parent is synced.
      for (let made = place(directory); made.length >= first.length; made = dirname(made)) await syncPath(dirname(made))
    },
    async freeBytes() {
      const { bavail, bsize } = await fs.promises.statfs(folder)
      return bavail * bsize
    },
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await fs.promises.open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * A write this small is a copy into the page cache: 3 µs in the calling thread (some 40 at the most), where the thread pool takes 27 to
 * 60 µs, three to ten times the CPU, and on a busy machine milliseconds until both threads have had their turn. Larger ones would hold up the
 * loop, most of all where the file grows: 256 KiB of zeros at a file's end take 350 µs.
 */
const WRITTEN_AT_ONCE_BYTES_MAX = 131_072

class NodeFile implements DiskFile {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    if (bytes.length > WRITTEN_AT_ONCE_BYTES_MAX) return this.#writeBeside(bytes, position)
    try {
      const count = fs.writeSync(this.#fd, bytes, 0, bytes.length, position)
      if (count === bytes.length) return Promise.resolve()
      return this.#writeBeside(bytes.subarray(count), position + count)
    } catch (error) {
      return Promise.reject(asFault(error))
    }
  }

  #writeBeside(bytes: Uint8Array, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // Linux writes at most 2 GiB a call and may write less; the rest follows.
      const step = (from: number): void => {
        fs.write(this.#fd, bytes, from, bytes.length - from, position + from, (error, count) => {
          if (error) reject(asFault(error))
          else if (from + count === bytes.length) resolve()
          else if (count === 0) reject(new Error(`write at ${position + from} made no progress`))
          else step(from + count)
        })
      }
      if (bytes.length === 0) resolve()
      else step(0)
    })
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const step = (from: number): void => {
        fs.read(this.#fd, target, from, target.length - from, position + from, (error, count) => {
          if (error) reject(error)
          else if (count === 0 || from + count === target.length) resolve(from + count)
          else step(from + count)
        })
      }
      if (target.length === 0) resolve(0)
      else step(0)
    })
  }

  readSync(target: Uint8Array, position: number): number {
    let done = 0
    while (done < target.length) {
      const count = fs.readSync(this.#fd, target, done, target.length - done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  datasync(): Promise<void> {
    return attempt(fdatasync(this.#fd))
  }

  async sizeBytes(): Promise<number> {
    return (await fstat(this.#fd)).size
  }

  truncate(bytes: number): Promise<void> {
    return attempt(ftruncate(this.#fd, bytes))
  }

  close(): Promise<void> {
    return close(this.#fd)
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function asFault(error: unknown): unknown {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return new DiskFullError(String(error), { cause: error })
  return error
}

async function attempt<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw asFault(error)
  }
}
