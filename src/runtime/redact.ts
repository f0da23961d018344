/** Takes secrets out of what is logged: a net below the rule that none is passed to a log at all. */

const SECRET_FIELD = /password|passwd|secret|token|authorization|cookie|credential|privatekey|apikey/i
/** Tokens that Spindle makes, passwords in URLs, bearer and basic credentials, signatures of AWS. */
const SECRET_TEXT =
  /\bspt_[\w-]{20,}|(?<=\/\/[^\s:/@]{0,200}:)[^\s@/]+(?=@)|(?<=\b(?:bearer|basic)\s{1,4})[\w.~+/=-]{8,}|(?<=\bSignature=)[0-9a-f]{16,}/gi
const HIDDEN = '[redacted]'
const DEPTH_MAX = 6
const ENTRIES_MAX = 100

export function redactText(text: string): string {
  return text.replace(SECRET_TEXT, HIDDEN)
}

/** Plain data for JSON: errors with code, message and stack; nothing deeper or longer than a log line should be. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactEntries(Object.entries(fields), 0)
}

function redactEntries(entries: readonly (readonly [string, unknown])[], depth: number): Record<string, unknown> {
  return Object.fromEntries(
    entries
      .slice(0, ENTRIES_MAX)
      .map(([name, value]) => [name, SECRET_FIELD.test(name) ? HIDDEN : redactValue(value, depth + 1)]),
  )
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value
  if (depth > DEPTH_MAX) return '…'
  if (value instanceof Error) {
    const { name, message, stack, cause } = value
    const code = 'code' in value ? { code: value.code } : {}
    const more = cause === undefined ? {} : { cause: redactValue(cause, depth + 1) }
    return { name, ...code, message: redactText(message), stack: redactText(stack ?? ''), ...more }
  }
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (Array.isArray(value)) return value.slice(0, ENTRIES_MAX).map((one) => redactValue(one, depth + 1))
  return redactEntries(Object.entries(value), depth)
}
