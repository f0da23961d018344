/**
 * RabbitMQ's permissions are regular expressions; Spindle's grants are names in which `*` stands for any run of characters. Those that
 * can be said as such are: literals, `\.` and its like, `.*` and `.+` (as `*`), `^`, `$`, and `|` at the top or in one group. Anything else
 * is refused by name, so that nobody gets more, or less, than was written. `''` and `^$` are nothing.
 */
import { badRequest } from './fault.ts'

const LITERAL = /^[A-Za-z0-9 _:/@#,~=%&!<>;'"-]$/

/** Throws 400. */
export function globsOf(field: string, pattern: string): readonly string[] {
  if (pattern === '' || pattern === '^$') return []
  const whole = /^(\^?)\(([^()]*)\)(\$?)$/.exec(pattern)
  const [open, inner, shut] = whole === null ? ['', pattern, ''] : [whole[1], whole[2] ?? '', whole[3]]
  return inner.split('|').map((part) => globOf(field, pattern, `${open}${part}${shut}`))
}

function globOf(field: string, pattern: string, part: string): string {
  const isAnchored = part.startsWith('^')
  const isEnded = part.endsWith('$') && !part.endsWith('\\$')
  const core = part.slice(isAnchored ? 1 : 0, isEnded ? -1 : undefined)
  let glob = isAnchored ? '' : '*'
  for (let at = 0; at < core.length; at++) {
    const character = core[at] as string
    const next = core[at + 1] ?? ''
    if (character === '.' && (next === '*' || next === '+')) {
      glob += '*'
      at++
    } else if (character === '\\' && /[^A-Za-z0-9*]/.test(next)) {
      glob += next
      at++
    } else if (LITERAL.test(character) && !['*', '+', '?', '{'].includes(next)) glob += character
    else {
      const how = "use literals, '.*', '^', '$' and '|'"
      throw badRequest(`${field}: the pattern '${pattern.slice(0, 200)}' cannot be kept exactly as a grant; ${how}`)
    }
  }
  if (!isEnded) glob += '*'
  return glob.replace(/\*{2,}/g, '*')
}
