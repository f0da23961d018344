/** docs/ -> a folder of HTML that needs no server and no script. Throws for a link that leads nowhere. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { Marked, type Tokens } from 'marked'
import { apiReference } from './api.ts'
import { layout } from './layout.ts'
import { arranged } from './pages.ts'

export interface SiteReport {
  readonly pages: readonly string[]
}

/** `api: false` leaves the reference out, which takes most of the time. */
export function buildSite(root: string, to: string, { api = true } = {}): SiteReport {
  const docs = join(root, 'docs')
  const all = readdirSync(docs, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'))
  const sources = all.filter((path) => path.endsWith('.md'))
  const sections = arranged(sources)
  const texts = new Map(sources.map((path) => [path, readFileSync(join(docs, path), 'utf8')]))
  if (api) texts.set('api.md', apiReference(root))
  const anchors = new Map([...texts].map(([path, text]) => [path, anchorsOf(text)]))
  const titles = new Map([...texts].map(([path, text]) => [path, /^# (.+)$/m.exec(text)?.[1] ?? path]))
  const navigation = api
    ? [...sections.slice(0, 3), { title: 'Reference', pages: ['api.md'] }, ...sections.slice(3)]
    : sections

  rmSync(to, { recursive: true, force: true })
  for (const [path, text] of texts) {
    const html = render(text, { path, root, anchors, titles })
    const file = join(to, htmlOf(path))
    mkdirSync(dirname(file), { recursive: true })
    const links = navigation.map(({ title, pages }) => ({
      title,
      pages: pages.map((page) => ({
        title: titles.get(page) ?? page,
        href: posix.relative(posix.dirname(path), htmlOf(page)),
        here: page === path,
      })),
    }))
    const home = posix.relative(posix.dirname(path), 'index.html')
    writeFileSync(file, layout({ title: titles.get(path) ?? path, html, home, links }))
  }
  cpSync(join(to, 'start.html'), join(to, 'index.html'))
  for (const path of all.filter((one) => /\.(?:svg|png)$/.test(one))) {
    mkdirSync(dirname(join(to, path)), { recursive: true })
    cpSync(join(docs, path), join(to, path))
  }
  return { pages: [...texts.keys()].map(htmlOf) }
}

interface Place {
  readonly path: string
  readonly root: string
  readonly anchors: ReadonlyMap<string, ReadonlySet<string>>
  readonly titles: ReadonlyMap<string, string>
}

function render(text: string, place: Place): string {
  const taken = new Map<string, number>()
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }: Tokens.Heading): string {
        const id = uniqueSlug(plain(tokens), taken)
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`
      },
      code({ text, lang = '' }: Tokens.Code): string {
        return `<pre><code>${withDimComments(text, lang)}</code></pre>\n`
      },
      link({ href, tokens }: Tokens.Link): string {
        const words = titleFor(href, plain(tokens), place) ?? this.parser.parseInline(tokens)
        const target = targetOf(href, place)
        return target === undefined ? `<span class="file">${words}</span>` : `<a href="${escaped(target)}">${words}</a>`
      },
    },
  })
  return marked.parse(text, { async: false })
}

/** What a reader may skip looks so: comments, whole or behind code. A mark within a word, as in an address, is none. */
function withDimComments(code: string, language: string): string {
  const mark = COMMENTS[language]
  const lines = code.split('\n').map((line) => {
    const at = mark === undefined ? -1 : line.search(mark)
    return at < 0 ? shown(line) : `${shown(line.slice(0, at))}<i>${shown(line.slice(at))}</i>`
  })
  return lines.join('\n')
}

const SLASHES = /(?:^|\s)(?:\/\/ |\/\*\*? )|^\s*\*\/?(?:\s|$)/
const HASH = /(?:^|\s)# /
const COMMENTS: Readonly<Record<string, RegExp>> = {
  ts: SLASHES,
  tsx: SLASHES,
  js: SLASHES,
  sh: HASH,
  yaml: HASH,
  py: HASH,
  python: HASH,
  sql: /(?:^|\s)-- /,
}

function shown(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** A page that is named by its file is named by its title here. */
function titleFor(href: string, words: string, { path, titles }: Place): string | undefined {
  if (!/^[\w-]+\.md$/.test(words)) return undefined
  const title = titles.get(posix.normalize(posix.join(posix.dirname(path), href.split('#')[0] ?? '')))
  return title === undefined ? undefined : shown(title)
}

/** undefined: a file of the repository that is no page. Throws when there is no such file or heading. */
function targetOf(href: string, { path, root, anchors }: Place): string | undefined {
  if (/^[a-z]+:/.test(href)) return href
  const [file = '', anchor] = href.split('#')
  const target = file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file))
  const known = anchors.get(target)
  if (known === undefined) {
    if (!existsSync(join(root, 'docs', target))) throw new Error(`docs/${path} links to ${href}, which is not there`)
    return /\.(?:svg|png)$/.test(target) && !target.startsWith('..') ? file : undefined
  }
  if (anchor !== undefined && !known.has(anchor))
    throw new Error(`docs/${path} links to ${href}, and there is no such heading`)
  const page = file === '' ? '' : relative(posix.dirname(path), htmlOf(target)).replaceAll('\\', '/')
  return anchor === undefined ? page : `${page}#${anchor}`
}

function anchorsOf(text: string): ReadonlySet<string> {
  const taken = new Map<string, number>()
  const headings = new Marked().lexer(text).filter((token): token is Tokens.Heading => token.type === 'heading')
  return new Set(headings.map(({ tokens }) => uniqueSlug(plain(tokens), taken)))
}

function plain(tokens: readonly { readonly raw: string; readonly text?: string }[]): string {
  return tokens.map(({ text, raw }) => text ?? raw).join('')
}

/** As GitHub makes them, where the pages are read as well. */
function uniqueSlug(heading: string, taken: Map<string, number>): string {
  const slug = heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-')
  const count = taken.get(slug) ?? 0
  taken.set(slug, count + 1)
  return count === 0 ? slug : `${slug}-${count}`
}

function htmlOf(path: string): string {
  return path.replace(/\.md$/, '.html')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
}
