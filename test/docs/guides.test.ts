/** The programs of docs/guides, run as they stand, over a database of their own. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { freshDatabase } from '../postgres/database.ts'
import { whyNoPostgres } from '../postgres/server.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pages = readdirSync(join(root, 'docs', 'guides'))
const missing = whyNoPostgres()

it.skipIf(missing !== undefined).each(pages)(
  `the program of %s prints what the page says${missing === undefined ? '' : ` (${missing})`}`,
  { timeout: 60_000 },
  async (page) => {
    const text = readFileSync(join(root, 'docs', 'guides', page), 'utf8')
    const [, program] = /```js\n([\s\S]*?)```/.exec(text) ?? []
    const [, printed] = /```text\n([\s\S]*?)```/.exec(text) ?? []
    expect(program).toBeDefined()
    // Inside the project, so that `spindle-mq` is what this tree holds.
    const folder = mkdtempSync(join(root, 'test', '.guides-'))
    try {
      writeFileSync(join(folder, 'app.mjs'), program ?? '')
      const loader = join(root, 'node_modules', 'tsx', 'dist', 'loader.mjs')
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', loader, 'app.mjs'], {
        cwd: folder,
        env: { ...process.env, DATABASE_URL: await freshDatabase(), TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') },
      })
      expect(stdout).toBe(printed)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
