/** Pages of a hundred. A token is the last key of the page before, in base64url: opaque to clients, checked when it comes back. */
import { invalidParameter } from './errors.ts'

const TOKEN_CHARACTERS_MAX = 2_048

/** undefined: the first page. Throws `InvalidParameter`. */
export function afterToken(token: string | undefined, name = 'NextToken'): string | undefined {
  if (token === undefined || token === '') return undefined
  const bytes = Buffer.from(token, 'base64url')
  if (token.length > TOKEN_CHARACTERS_MAX || bytes.toString('base64url') !== token) throw invalidParameter(name)
  return bytes.toString('utf8')
}

/** `items`: one more than fits, if there are more. */
export function pageOf<T>(
  items: readonly T[],
  { limit, keyOf }: { readonly limit: number; readonly keyOf: (item: T) => string },
): { readonly page: readonly T[]; readonly token: string | undefined } {
  const page = items.slice(0, limit)
  const last = page.at(-1)
  const isMore = items.length > limit && last !== undefined
  return { page, token: isMore ? Buffer.from(keyOf(last), 'utf8').toString('base64url') : undefined }
}
