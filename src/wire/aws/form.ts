/** `application/x-www-form-urlencoded`: the text of a Query request, as pairs. */
import { malformedQuery } from './error.ts'

/** Fields of one request; a batch of ten with ten attributes each takes about 400. */
const FIELDS_MAX = 4_096

export type FormField = readonly [name: string, value: string]

/** In the order of the text. Throws `MalformedQueryString` for escapes that are none, text that is not UTF-8, or too many fields. */
export function readForm(text: string): FormField[] {
  const fields: FormField[] = []
  let from = 0
  while (from < text.length) {
    let to = text.indexOf('&', from)
    if (to < 0) to = text.length
    if (to > from) {
      if (fields.length >= FIELDS_MAX) throw malformedQuery(`The request has more than ${FIELDS_MAX} fields.`)
      const equals = text.indexOf('=', from)
      const end = equals < 0 || equals > to ? to : equals
      fields.push([unescaped(text.slice(from, end)), unescaped(text.slice(Math.min(end + 1, to), to))])
    }
    from = to + 1
  }
  return fields
}

function unescaped(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    throw malformedQuery('The request has a percent escape that is no UTF-8 text.')
  }
}
