/** What handlers said by `ctx.log`: the newest lines of all attempts, kept with the status for as long as that is. */
import { utf8Length } from '../model/bytes.ts'
import type { LogLine } from './types.ts'

const LINES_MAX = 100
const BYTES_MAX = 8_192
/** Of one line; the rest of it is cut off. */
const LINE_LENGTH_MAX = 1_000

export class LogLines {
  #lines: LogLine[]

  constructor(before: readonly LogLine[]) {
    this.#lines = [...before]
  }

  add(line: LogLine): void {
    const { message } = line
    const isLong = message.length > LINE_LENGTH_MAX
    this.#lines.push(isLong ? { ...line, message: `${message.slice(0, LINE_LENGTH_MAX)}…` } : line)
    if (this.#lines.length > LINES_MAX) this.#lines.shift()
  }

  get all(): readonly LogLine[] {
    return this.#lines
  }
}

/** The newest of them whose JSON has at most so many bytes; undefined: none. */
export function newestWithin(
  lines: readonly LogLine[] | undefined,
  bytesMax = BYTES_MAX,
): readonly LogLine[] | undefined {
  if (lines === undefined) return undefined
  let from = lines.length
  for (let bytes = 2; from > 0; from--) {
    bytes += utf8Length(JSON.stringify(lines[from - 1])) + 1
    if (bytes > bytesMax) break
  }
  return from === lines.length ? undefined : lines.slice(from)
}

/** Lenient: what is no line is left out. */
export function readLines(value: unknown): readonly LogLine[] | undefined {
  if (!Array.isArray(value)) return undefined
  const lines = value.filter(isLine)
  return lines.length === 0 ? undefined : lines
}

function isLine(value: unknown): value is LogLine {
  if (typeof value !== 'object' || value === null) return false
  const { atMs, attempt, message } = value as Partial<LogLine>
  return typeof atMs === 'number' && typeof attempt === 'number' && typeof message === 'string'
}
