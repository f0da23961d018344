import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

it('runs the ten lines of the README as printed', async () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const program = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  expect(program.trim().split('\n').length).toBeLessThanOrEqual(11)

  // Inside the project, so that `spindle-mq` is what this tree holds.
  const folder = mkdtempSync(join(root, 'test', '.readme-'))
  try {
    writeFileSync(join(folder, 'app.mjs'), program)
    const loader = join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', loader, 'app.mjs'], {
      cwd: folder,
      env: { ...process.env, TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') },
    })
    expect(stdout).toBe('sending mail to ada@example.com, attempt 1\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
