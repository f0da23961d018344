/** Reads the dashboard that scripts/build.ts made (dist/web), once, and keeps it: it is small. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { DashboardFile, DashboardFiles } from '../frontends/dashboard/files.ts'

/** From src/server and from dist/server alike. */
const FOLDER = fileURLToPath(new URL('../../dist/web/', import.meta.url))
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

let known: DashboardFiles | undefined

/** Empty when it was not built; then it is looked for again the next time. */
export function dashboardFiles(): DashboardFiles {
  if (known !== undefined) return known
  const files = readFolder(FOLDER)
  if (files.size > 0) known = files
  return files
}

function readFolder(folder: string): DashboardFiles {
  const files = new Map<string, DashboardFile>()
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const type = TYPES[extname(entry.name)]
      if (!entry.isFile() || type === undefined) continue
      const path = join(entry.parentPath, entry.name)
      const bytes = readFileSync(path)
      const zipped = gzipSync(bytes, { level: 9 })
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
      const gzip = zipped.length < bytes.length ? zipped : undefined
      files.set(relative(folder, path).split(sep).join('/'), { type, bytes, gzip, etag })
    }
  } catch {
    return new Map()
  }
  return files
}
