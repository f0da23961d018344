/** The order of the site: sections and their pages, as paths below docs/. `dir/*` stands for what is left of a folder, by name. */
export const SECTIONS: readonly { readonly title: string; readonly pages: readonly string[] }[] = [
  { title: 'Start', pages: ['start.md', 'operations/install.md', 'operations/commands.md', 'frameworks.md'] },
  {
    title: 'Guides',
    pages: [
      'guides/exactly-once.md',
      'guides/*',
      'migrate/from-bullmq.md',
      'migrate/from-localstack.md',
      'migrate/from-celery.md',
      'migrate/*',
    ],
  },
  { title: 'Concepts', pages: ['concepts/*'] },
  {
    title: 'Operations',
    pages: [
      'operations/security.md',
      'operations/backup.md',
      'operations/metrics.md',
      'operations/*',
      'reliability.md',
      'benchmarks.md',
    ],
  },
  { title: 'Compatibility', pages: ['compat/*'] },
  { title: 'Decisions', pages: ['decisions/README.md', 'decisions/*'] },
  { title: 'Runbooks', pages: ['operations/runbooks/*'] },
]

/** Every page of `all` in its section, once; what stands in none comes last. Throws for a page that is named and not there. */
export function arranged(
  all: readonly string[],
): readonly { readonly title: string; readonly pages: readonly string[] }[] {
  const left = new Set(all)
  const take = (page: string): string => {
    if (!left.delete(page)) throw new Error(`docs/${page} is on the list of the site and not there`)
    return page
  }
  // First those that are named, wherever they are: a folder's rest is what no section names.
  const named = SECTIONS.map(({ title, pages }) => ({
    title,
    pages: pages.map((page) => (page.endsWith('/*') ? page : take(page))),
  }))
  const sections = named.map(({ title, pages }) => ({
    title,
    pages: pages.flatMap((page) => (page.endsWith('/*') ? restOf(page.slice(0, -1), left).map(take) : [page])),
  }))
  return left.size === 0 ? sections : [...sections, { title: 'More', pages: [...left].sort() }]
}

function restOf(folder: string, left: ReadonlySet<string>): readonly string[] {
  return [...left].filter((page) => page.startsWith(folder) && !page.slice(folder.length).includes('/')).sort()
}
