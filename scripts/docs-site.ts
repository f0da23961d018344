/** `npm run docs`: builds the docs site into site/, or where the argument says. */
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { buildSite } from './docs-site/build.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const to = process.argv[2] ?? fileURLToPath(new URL('../site', import.meta.url))
const { pages } = buildSite(root, to)
console.log(`${pages.length} pages in ${to}`)
