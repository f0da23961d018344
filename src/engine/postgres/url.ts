/** What a store's URL says: where the database is, and which schema in it. */
import { SpindleError } from '../../model/errors.ts'

const SCHEMA_PARAMETER = 'schema'

export function isPostgresUrl(url: string): boolean {
  return /^postgres(ql)?:\/\//.test(url)
}

/** `?schema=NAME` is Spindle's own; the rest is `pg`'s, as it stands. */
export function parseStoreUrl(url: string): { readonly url: string; readonly schema: string | undefined } {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch (cause) {
    throw new SpindleError('unknown-url', `open '${withoutPassword(url)}'`, { cause })
  }
  const schema = parsed.searchParams.get(SCHEMA_PARAMETER) ?? undefined
  if (schema === undefined) return { url, schema }
  parsed.searchParams.delete(SCHEMA_PARAMETER)
  return { url: parsed.href, schema }
}

/** For messages to a person. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/([^:@/]*)(:[^@/]*)?@/, '//$1@')
}
