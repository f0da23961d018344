import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import manifest from '../package.json' with { type: 'json' }

/** Judges what users would install: builds, packs, lints the tarball, and loads every entry point in plain Node. */
process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const LOAD_LIMIT_MS = 10_000

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
}

/**
 * By the package's own name, as an application would. The process must also end by itself: importing a module
 * starts no timer, socket or thread.
 */
function loadEveryEntryPoint(): void {
  const names = Object.keys(manifest.exports)
    .filter((subpath) => !subpath.endsWith('.json'))
    .map((subpath) => manifest.name + subpath.slice(1))
  const program = `for (const name of ${JSON.stringify(names)}) await import(name)`
  const loaded = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: 'inherit',
    timeout: LOAD_LIMIT_MS,
  })
  if (loaded.signal !== null) throw new Error(`an imported module kept the process alive for ${LOAD_LIMIT_MS / 1000} s`)
  if (loaded.status !== 0) throw new Error('an entry point could not be loaded')
}

const folder = mkdtempSync(join(tmpdir(), 'spindle-pack-'))
try {
  run(process.execPath, ['--import', 'tsx', 'scripts/build.ts'])
  // --ignore-scripts: `prepare` would build a second time.
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder])
  const tarball = join(folder, `${manifest.name}-${manifest.version}.tgz`)
  run('node_modules/.bin/publint', ['run', tarball, '--strict'])
  run('node_modules/.bin/attw', [tarball, '--profile', 'esm-only', '--no-emoji', '--format', 'ascii'])
  loadEveryEntryPoint()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
