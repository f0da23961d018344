/** What a running command says: one line each, with the time. */
import process from 'node:process'
import type { Log } from '../runtime/log.ts'

export function print(line: string): void {
  process.stdout.write(`${new Date().toISOString()} ${line}\n`)
}

export const consoleLog: Log = {
  info: (message, fields) => print(`${message}${fieldsText(fields)}`),
  warn: (message, fields) =>
    process.stderr.write(`${new Date().toISOString()} warning: ${message}${fieldsText(fields)}\n`),
  error: (message, fields) =>
    process.stderr.write(`${new Date().toISOString()} error: ${message}${fieldsText(fields)}\n`),
}

function fieldsText(fields: Readonly<Record<string, unknown>> = {}): string {
  const texts = Object.entries(fields).map(
    ([name, value]) => `${name}=${value instanceof Error ? firstLine(value.message) : String(value)}`,
  )
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`
}

export function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

/** For commands whose output is an answer: only what went wrong. */
export const warningLog: Log = { ...consoleLog, info() {} }
