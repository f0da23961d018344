import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { buildWeb } from './build-web.ts'

/**
 * src/ -> dist/, web/ -> dist/web. The compiler writes beside dist/ and the result is swapped in whole: a failed build leaves the last
 * good one, and a test that runs dist/ meanwhile never sees half of it.
 */
process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const next = `dist.${process.pid}`
const previous = `${next}.previous`

const compiler = spawnSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', next], {
  stdio: 'inherit',
})
if (compiler.status === 0) await buildWeb(`${next}/web`)
if (compiler.status === 0) {
  const cli = `${next}/cli/main.js`
  if (existsSync(cli)) chmodSync(cli, 0o755)
  if (existsSync('dist')) renameSync('dist', previous)
  renameSync(next, 'dist')
} else {
  process.exitCode = 1
}
for (const leftover of [next, previous]) rmSync(leftover, { recursive: true, force: true })
