/** What a running command says: one line each, as text for people or as JSON for programs. Secrets are taken out of both. */
import process from 'node:process'
import type { Log } from '../runtime/log.ts'
import { redactFields, redactText } from '../runtime/redact.ts'

export const LOG_FORMATS = ['text', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export function print(line: string): void {
  process.stdout.write(`${new Date().toISOString()} ${line}\n`)
}

export const consoleLog: Log = {
  info: (message, fields) => print(`${redactText(message)}${fieldsText(fields)}`),
  warn: (message, fields) => complain('warning', message, fields),
  error: (message, fields) => complain('error', message, fields),
}

/** One JSON object a line on standard output: `time` (ISO 8601), `level`, `msg`, then the fields. */
export const jsonLog: Log = {
  info: (message, fields) => printJsonLine('info', redactText(message), fields),
  warn: (message, fields) => printJsonLine('warn', redactText(message), fields),
  error: (message, fields) => printJsonLine('error', redactText(message), fields),
}

export function logOf(format: LogFormat): Log {
  return format === 'json' ? jsonLog : consoleLog
}

/** A line for whoever started the command, as it stands: the token of the first administrator is told so, once. */
export function sayer(format: LogFormat): (line: string) => void {
  return format === 'json' ? (line) => printJsonLine('info', line) : print
}

/** For commands whose output is an answer: only what went wrong. */
export const warningLog: Log = { ...consoleLog, info() {} }

export function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

function complain(level: string, message: string, fields?: Readonly<Record<string, unknown>>): void {
  process.stderr.write(`${new Date().toISOString()} ${level}: ${redactText(message)}${fieldsText(fields)}\n`)
}

function printJsonLine(level: string, msg: string, fields: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...redactFields(fields) })}\n`)
}

function fieldsText(fields: Readonly<Record<string, unknown>> = {}): string {
  const texts = Object.entries(redactFields(fields)).map(([name, value]) => `${name}=${valueText(value, fields[name])}`)
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`
}

function valueText(redacted: unknown, given: unknown): string {
  if (given instanceof Error) return redactText(firstLine(given.message))
  return typeof redacted === 'object' ? JSON.stringify(redacted) : String(redacted)
}
