/**
 * Renders the part of Helm's templates that our chart uses, and refuses the rest: `.Values.…`, `.Release.Name`, `quote`, `toYaml … |
 * nindent N`, and `if … else … end` on a value. Helm itself does not run where these tests do.
 */
import { stringify } from 'yaml'

interface Values {
  readonly [name: string]: unknown
}

export function renderChart(template: string, values: Values, release: string): string {
  const tokens = template.split(/(\{\{-?.*?-?\}\})/s)
  let at = 0
  const text = block(() => true)
  if (at < tokens.length) throw new Error(`an end without an if: ${tokens[at]}`)
  return text

  /** Up to the `else` or `end` of this block. */
  function block(shown: () => boolean): string {
    let out = ''
    while (at < tokens.length) {
      const token = tokens[at] ?? ''
      const action = /^\{\{(-?)\s*(.*?)\s*(-?)\}\}$/s.exec(token)
      if (action === null) {
        at++
        if (shown()) out += token
        continue
      }
      const [, trimsBefore, words = ''] = action
      if (words === 'end' || words === 'else') return trimsBefore === '-' ? out.trimEnd() : out
      at++
      if (trimsBefore === '-') out = out.trimEnd()
      const condition = /^if (\.\S+)$/.exec(words)?.[1]
      if (condition === undefined) {
        if (shown()) out += expression(words)
        continue
      }
      const holds = Boolean(valueAt(condition))
      out += block(() => shown() && holds)
      if (tokens[at]?.includes('else') === true) {
        at++
        out += block(() => shown() && !holds)
      }
      if (!/^\{\{-?\s*end\s*-?\}\}$/.test(tokens[at] ?? '')) throw new Error(`an if without an end: ${words}`)
      at++
    }
    return out
  }

  function expression(words: string): string {
    const indented = /^toYaml (\.\S+) \| nindent (\d+)$/.exec(words)
    if (indented !== null) {
      const pad = ' '.repeat(Number(indented[2]))
      return `\n${stringify(valueAt(indented[1] ?? ''))
        .trimEnd()
        .replaceAll(/^/gm, pad)}`
    }
    const quoted = /^(\.\S+) \| quote$/.exec(words)?.[1]
    if (quoted !== undefined) return JSON.stringify(String(valueAt(quoted)))
    if (/^\.\S+$/.test(words)) return String(valueAt(words))
    throw new Error(`this renderer does not know {{ ${words} }}`)
  }

  function valueAt(path: string): unknown {
    if (path === '.Release.Name') return release
    if (!path.startsWith('.Values.')) throw new Error(`this renderer does not know ${path}`)
    let value: unknown = values
    for (const name of path.slice('.Values.'.length).split('.')) {
      if (typeof value !== 'object' || value === null || !(name in value)) throw new Error(`values.yaml has no ${path}`)
      value = (value as Values)[name]
    }
    return value
  }
}
