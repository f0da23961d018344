/** Patterns in which `*` stands for any text; `\*` and `\\` are the characters themselves. Matching takes time linear in the text. */

export type Wildcard =
  /** The texts between the wildcards: one more than there are wildcards. */
  { readonly kind: 'parts'; readonly parts: readonly string[] } | { readonly kind: 'fault'; readonly text: string }

export function parseWildcard(pattern: string): Wildcard {
  const parts: string[] = []
  let part = ''
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at)
    if (char === '\\') {
      const escaped = pattern.charAt(at + 1)
      if (escaped !== '*' && escaped !== '\\') return fault(`Invalid escape character at pos ${at + 1}`)
      part += escaped
      at++
    } else if (char === '*') {
      if (pattern.charAt(at - 1) === '*' && part === '') return fault(`Consecutive wildcard characters at pos ${at}`)
      parts.push(part)
      part = ''
    } else part += char
  }
  return { kind: 'parts', parts: [...parts, part] }
}

function fault(text: string): Wildcard {
  return { kind: 'fault', text }
}

/** The native search is linear for short needles only; for longer ones it may look at each place as far as the needle is long. */
const NATIVE_CHARS_MAX = 64

/** A test of texts. The leftmost place of each part is as good as any, so nothing is ever tried twice. */
export function compileWildcard(parts: readonly string[]): (text: string) => boolean {
  const [first = '', ...others] = parts
  const last = others.pop()
  if (last === undefined) return (text) => text === first
  const searches = others.map(searchOf)
  const ends = first.length + last.length
  return (text) => {
    if (text.length < ends || !text.startsWith(first) || !text.endsWith(last)) return false
    let from = first.length
    for (const search of searches) {
      const next = search(text, from)
      if (next < 0) return false
      from = next
    }
    return from <= text.length - last.length
  }
}

/** Where the needle ends at its first place from `from`, or -1. */
function searchOf(needle: string): (text: string, from: number) => number {
  if (needle.length <= NATIVE_CHARS_MAX) {
    return (text, from) => {
      const at = text.indexOf(needle, from)
      return at < 0 ? -1 : at + needle.length
    }
  }
  const borders = bordersOf(needle)
  // Knuth, Morris, Pratt: never goes back in the text.
  return (text, from) => {
    let matched = 0
    for (let at = from; at < text.length; at++) {
      const code = text.charCodeAt(at)
      while (matched > 0 && needle.charCodeAt(matched) !== code) matched = borders[matched - 1] ?? 0
      if (needle.charCodeAt(matched) === code) matched++
      if (matched === needle.length) return at + 1
    }
    return -1
  }
}

/** For each prefix of the needle, how long its longest proper prefix is that is also its end. */
function bordersOf(needle: string): Uint32Array {
  const borders = new Uint32Array(needle.length)
  let matched = 0
  for (let at = 1; at < needle.length; at++) {
    while (matched > 0 && needle.charCodeAt(matched) !== needle.charCodeAt(at)) matched = borders[matched - 1] ?? 0
    if (needle.charCodeAt(matched) === needle.charCodeAt(at)) matched++
    borders[at] = matched
  }
  return borders
}
