/** `?page= &page_size= &name= &use_regex= &sort= &sort_reverse= &columns=` of collections, as RabbitMQ reads them. */
import { compileNamePattern } from '../amqp/policies/name-pattern.ts'
import { badRequest } from './fault.ts'

const PAGE_SIZE = 100
const PAGE_SIZE_MAX = 500

/** The whole collection as a list, or the page that was asked for. Throws 400. */
export function paged(items: readonly object[], query: URLSearchParams): unknown {
  const sorted = sortedBy(items, query)
  if (!query.has('page')) return withColumns(sorted, query)
  const page = whole(query, 'page', 1)
  const pageSize = whole(query, 'page_size', PAGE_SIZE)
  if (pageSize > PAGE_SIZE_MAX) throw badRequest(`page_size must be at most ${PAGE_SIZE_MAX}`)
  const filtered = namedAs(sorted, query)
  const pageCount = Math.max(1, Math.ceil(filtered.length / pageSize))
  if (page > pageCount) throw badRequest('page_out_of_range')
  const shown = filtered.slice((page - 1) * pageSize, page * pageSize)
  return {
    filtered_count: filtered.length,
    item_count: shown.length,
    items: withColumns(shown, query),
    page,
    page_count: pageCount,
    page_size: pageSize,
    total_count: items.length,
  }
}

/** Of one object: the columns that were asked for. */
export function columnsOf(item: unknown, query: URLSearchParams): unknown {
  return typeof item === 'object' && item !== null && !Array.isArray(item) ? withColumns([item], query)[0] : item
}

function withColumns(items: readonly object[], query: URLSearchParams): readonly object[] {
  const columns = query.get('columns')
  if (columns === null || columns === '') return items
  const paths = columns.split(',', 100).map((column) => column.split('.', 8))
  return items.map((item) => {
    const picked: Record<string, unknown> = Object.create(null)
    for (const path of paths) copy(item, path, picked)
    return picked
  })
}

function copy(from: object, [name = '', ...rest]: readonly string[], to: Record<string, unknown>): void {
  if (!Object.hasOwn(from, name)) return
  const value = (from as Readonly<Record<string, unknown>>)[name]
  if (rest.length === 0 || typeof value !== 'object' || value === null) {
    to[name] = value
    return
  }
  const inner = (to[name] ?? Object.create(null)) as Record<string, unknown>
  to[name] = inner
  copy(value, rest, inner)
}

function namedAs(items: readonly object[], query: URLSearchParams): readonly object[] {
  const wanted = query.get('name')
  if (wanted === null || wanted === '') return items
  const fits = query.get('use_regex') === 'true' ? compileNamePattern(wanted) : containing(wanted.toLowerCase())
  return items.filter((item) => fits(String((item as { name?: unknown }).name ?? '')))
}

function containing(part: string): (name: string) => boolean {
  return (name) => name.toLowerCase().includes(part)
}

function sortedBy(items: readonly object[], query: URLSearchParams): readonly object[] {
  const column = query.get('sort')
  if (column === null || column === '') return items
  const path = column.split('.', 8)
  const sign = query.get('sort_reverse') === 'true' ? -1 : 1
  return [...items].sort((a, b) => sign * compared(at(a, path), at(b, path)))
}

function at(item: object, path: readonly string[]): unknown {
  let value: unknown = item
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[name]
  }
  return value
}

function compared(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [left, right] = [String(a ?? ''), String(b ?? '')]
  return left < right ? -1 : left > right ? 1 : 0
}

function whole(query: URLSearchParams, name: string, fallback: number): number {
  const said = query.get(name)
  if (said === null) return fallback
  if (!/^[1-9]\d{0,8}$/.test(said)) throw badRequest(`${name} must be a whole number above 0`)
  return Number(said)
}
