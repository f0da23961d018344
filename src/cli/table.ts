/** Columns for people, and text that cannot steer their terminal. */
import process from 'node:process'

export interface Column<T> {
  readonly title: string
  readonly of: (row: T) => string | number | null
}

/** Numbers to the right. Nothing but the titles when there are no rows. */
export function printTable<T>(rows: readonly T[], columns: readonly Column<T>[]): void {
  const cells = rows.map((row) => columns.map(({ of }) => of(row)))
  const texts = [
    columns.map(({ title }) => title),
    ...cells.map((row) => row.map((cell) => printable(String(cell ?? '-')))),
  ]
  const widths = columns.map((_, at) => Math.max(...texts.map((row) => row[at]?.length ?? 0)))
  const isNumber = columns.map((_, at) => cells.some((row) => typeof row[at] === 'number'))
  for (const row of texts) {
    const line = row.map((text, at) =>
      isNumber[at] === true ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0),
    )
    process.stdout.write(`${line.join('  ').trimEnd()}\n`)
  }
}

/** Controls and the marks that turn the direction of writing become visible escapes. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (control) => {
    const code = control.codePointAt(0) ?? 0
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
  })
}

/** A body: as it stands into a pipe or file, made harmless on a terminal. */
export function printBody(body: string): void {
  process.stdout.write(`${process.stdout.isTTY ? body.split('\n').map(printable).join('\n') : body}\n`)
}

export function age(atMs: number | null): string {
  if (atMs === null) return '-'
  const seconds = Math.max(0, Math.round((Date.now() - atMs) / 1_000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`
}
