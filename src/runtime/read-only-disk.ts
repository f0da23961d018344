/** A folder that is only looked at: files are opened for reading, and everything that would write rejects. */
import fs from 'node:fs'
import { join } from 'node:path'
import type { Disk, DiskFile } from './disk.ts'

export function readOnlyDisk(folder: string): Disk {
  const refuse = (): Promise<never> => Promise.reject(new Error(`${folder} is only read`))
  return {
    label: folder,
    async open(path) {
      return readOnlyFile(await fs.promises.open(join(folder, path), 'r'), refuse)
    },
    async list(directory) {
      try {
        const entries = await fs.promises.readdir(join(folder, directory), { withFileTypes: true })
        return entries
          .filter((entry) => entry.isFile())
          .map(({ name }) => name)
          .sort()
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
        throw error
      }
    },
    rename: refuse,
    remove: refuse,
    syncDirectory: refuse,
    makeDirectory: refuse,
    freeBytes: async () => 0,
  }
}

function readOnlyFile(handle: fs.promises.FileHandle, refuse: () => Promise<never>): DiskFile {
  const readSync = (target: Uint8Array, position: number): number => {
    let done = 0
    while (done < target.length) {
      const count = fs.readSync(handle.fd, target, done, target.length - done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  }
  return {
    readSync,
    read: async (target, position) => {
      let done = 0
      while (done < target.length) {
        const { bytesRead } = await handle.read(target, done, target.length - done, position + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return done
    },
    sizeBytes: async () => (await handle.stat()).size,
    close: () => handle.close(),
    write: refuse,
    datasync: refuse,
    truncate: refuse,
  }
}
