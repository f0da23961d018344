/** The store under measurement: which build of the package, and which URL in a folder of its own. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as Package from 'spindle-mq'
import type { Spindle } from 'spindle-mq'

export type Durability = 'durable' | 'relaxed'

export interface StoreChoice {
  /** The package's index: dist/index.js, so that what is shipped is what is measured. */
  readonly package: string
  /** `file:` measures in a fresh folder; `memory:` is for smoke runs. */
  readonly engine: 'file:' | 'memory:'
}

export function loadPackage(choice: StoreChoice): Promise<typeof Package> {
  return import(pathToFileURL(resolve(choice.package)).href) as Promise<typeof Package> // the package's own build
}

/** Opens a store in a new folder, hands it to `body`, and removes both. */
export async function withStore<T>(
  choice: StoreChoice,
  body: (spindle: Spindle, spindleMq: typeof Package) => Promise<T>,
): Promise<T> {
  const spindleMq = await loadPackage(choice)
  return withFolder(async (folder) => {
    const spindle = await spindleMq.open(choice.engine === 'file:' ? `file:${folder}` : 'memory:')
    try {
      return await body(spindle, spindleMq)
    } finally {
      await spindle.close()
    }
  })
}

export async function withFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(diskFolder().path, 'spindle-bench-'))
  try {
    return await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const MEMORY_FILE_SYSTEMS = new Set([0x01021994, 0x858458f6]) // tmpfs, ramfs

/** Where data folders go: the first of the temporary folders that is no file system in memory. */
export function diskFolder(): { readonly path: string; readonly name: string } {
  for (const [name, path] of [
    ['the temporary folder of the system', tmpdir()],
    ['/var/tmp', '/var/tmp'],
  ] as const) {
    if (!MEMORY_FILE_SYSTEMS.has(statfsSync(path).type)) return { path, name }
  }
  return { path: '.', name: 'the working folder' }
}
