/** What metrics tell of this process and its disk beside the store's own figures. */
import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { ServerFigures } from '../frontends/admin/api.ts'
import type { Clock } from '../runtime/clock.ts'
import type { DiskMeter } from '../runtime/measured-disk.ts'
import { folderOf } from './folder-path.ts'

/** Looking at every file of a folder for each scrape would cost more than the figure is worth. */
const FOLDER_FRESH_MS = 10_000
/** How finely delays of the event loop are told apart, ms. */
const LAG_RESOLUTION_MS = 10

export interface ServerFiguresSource {
  read(
    opened: readonly { readonly kind: keyof ServerFigures['connections']; connections(): number }[],
  ): Promise<ServerFigures>
  close(): void
}

export function serverFigures(parts: {
  /** `memory:`, `file:PATH`, or of a store that has no folder here. */
  readonly url: string
  readonly clock: Clock
  readonly diskMeter: DiskMeter
}): ServerFiguresSource {
  const { url, clock, diskMeter } = parts
  const folder = url.startsWith('file:') ? folderOf(url) : undefined
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  lag.enable()
  let known: { readonly atMs: number; readonly usage: Promise<ServerFigures['folder']> } | undefined

  function usage(): Promise<ServerFigures['folder']> {
    if (folder === undefined) return Promise.resolve(null)
    const nowMs = clock.monotonicMs()
    if (known === undefined || nowMs - known.atMs >= FOLDER_FRESH_MS) known = { atMs: nowMs, usage: usageOf(folder) }
    return known.usage
  }

  return {
    async read(opened) {
      const connections: Record<string, number> = {}
      for (const { kind, connections: count } of opened) connections[kind] = (connections[kind] ?? 0) + count()
      const disk = diskMeter.figures()
      const loopLagP99Ms = Math.max(0, lag.percentile(99) / 1e6 - LAG_RESOLUTION_MS)
      lag.reset()
      return { connections, disk: disk.writtenBytes === 0 ? null : disk, folder: await usage(), loopLagP99Ms }
    },
    close: () => lag.disable(),
  }
}

/** Files come and go meanwhile: what is gone counts nothing. */
async function usageOf(folder: string): Promise<ServerFigures['folder']> {
  const { bavail, bsize } = await statfs(folder)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  let usedBytes = 0
  for (const entry of entries.filter((one) => one.isFile())) {
    usedBytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ blocks }) => blocks * 512,
      () => 0,
    )
  }
  return { usedBytes, freeBytes: bavail * bsize }
}
