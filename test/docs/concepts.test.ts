import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

it.each(['schedules', 'isolation', 'workflows', 'outcomes', 'limits'])(
  'runs the program of the page on %s, which prints what the page says',
  async (page) => {
    const path = join(root, 'docs', 'concepts', `${page}.md`)
    expect(existsSync(path)).toBe(true)
    const text = readFileSync(path, 'utf8')
    const programs = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, program = '']) => program)
    const printed = /```text\n([\s\S]*?)```/.exec(text)?.[1]
    // Inside the project, so that `spindle-mq` is what this tree holds.
    const folder = mkdtempSync(join(root, 'test', '.concepts-'))
    try {
      for (const program of programs) {
        writeFileSync(join(folder, /^\/\/ (\w+\.mjs)\n/.exec(program)?.[1] ?? 'app.mjs'), program)
      }
      const loader = join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', loader, 'app.mjs'], {
        cwd: folder,
        env: { ...process.env, TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') },
      })
      expect(stdout).toBe(printed)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
