import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }

it('has a row for every command that measures, and for no other', () => {
  const page = readFileSync(new URL('../../docs/benchmarks.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `npm run ([\w:-]+)` \|/gm)].map(([, name]) => name)
  const scripts = Object.keys(manifest.scripts).filter((name) => /^(?:bench|simulate|soak)(?::|$)/.test(name))
  expect(rows.sort()).toEqual(scripts.sort())
})
