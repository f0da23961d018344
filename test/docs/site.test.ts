import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { apiReference } from '../../scripts/docs-site/api.ts'
import { buildSite } from '../../scripts/docs-site/build.ts'
import { arranged } from '../../scripts/docs-site/pages.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

it('builds a site of every page, whose links lead somewhere', () => {
  const to = mkdtempSync(join(tmpdir(), 'spindle-site-'))
  try {
    const { pages } = buildSite(root, to, { api: false })
    expect(pages.length).toBeGreaterThan(40)
    for (const page of pages) {
      const html = readFileSync(join(to, page), 'utf8')
      expect(html).toMatch(/<h1 /)
      expect(html).not.toContain('<script')
      for (const [, href = ''] of html.matchAll(/<a href="([^"#:]+)(?:#[^"]*)?"/g)) {
        expect([page, href, existsSync(join(to, page, '..', href))]).toEqual([page, href, true])
      }
    }
    const first = readFileSync(join(to, 'index.html'), 'utf8')
    expect(first).toContain('Five minutes')
    // A page that is linked by its file's name is called by its title; comments stand back, and code is text.
    expect(first).toContain('<a href="migrate/from-bullmq.html">Replace BullMQ</a>')
    expect(first).toContain('<i> // resolves once it is on disk</i>')
    expect(first).toContain('spindle.queue&lt;{ to: string')
  } finally {
    rmSync(to, { recursive: true, force: true })
  }
})

it('knows where each page stands, and puts what stands nowhere last', () => {
  expect(() => arranged(['start.md'])).toThrow(/is on the list of the site and not there/)
  const every = ['start.md', 'frameworks.md', 'reliability.md', 'benchmarks.md', 'decisions/README.md']
  const named = [
    'operations/install.md',
    'operations/commands.md',
    'operations/security.md',
    'operations/backup.md',
    'operations/metrics.md',
  ]
  const guides = [
    'guides/exactly-once.md',
    'migrate/from-bullmq.md',
    'migrate/from-localstack.md',
    'migrate/from-celery.md',
  ]
  const sections = arranged([...every, ...named, ...guides, 'lost/page.md', 'concepts/lease.md'])
  expect(sections.at(-1)).toEqual({ title: 'More', pages: ['lost/page.md'] })
  expect(sections.find(({ title }) => title === 'Concepts')?.pages).toEqual(['concepts/lease.md'])
})

it('takes the reference from the docstrings', { timeout: 120_000 }, () => {
  const reference = apiReference(root)
  expect(reference).toMatch(/### open\n\nOpens a store/)
  expect(reference).toContain('Resolves when every bound queue that takes it has it durably')
  expect(reference).toMatch(/### VirtualClock\n/)
  expect(reference).not.toContain('#port')
})
