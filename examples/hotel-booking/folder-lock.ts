/** One hotel a folder: its database would be damaged by a second process. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Resolves to how to unlock. Rejects when a living process holds the folder; a dead one's lock is taken over. */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, 'hotel.pid')
  const holder = Number(await readFile(path, 'utf8').catch(() => ''))
  if (holder > 0 && holder !== process.pid && isAlive(holder)) {
    throw new Error(
      `The folder ${folder} belongs to a hotel that is open (process ${holder}). Close that one, or choose another ` +
        `folder with HOTEL_DATA. If process ${holder} is something else, delete ${path}.`,
    )
  }
  await writeFile(path, `${process.pid}\n`)
  return () => rm(path, { force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
