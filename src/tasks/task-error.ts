/** What was thrown -> what is stored and shown. A handler may throw anything at all. */
import { utf8Bytes, utf8Text } from '../model/bytes.ts'
import { NOTE_BYTES_MAX } from '../model/limits.ts'
import { newestWithin, readLines } from './log-lines.ts'
import type { LogLine, TaskError } from './types.ts'

/** Thrown by a handler that knows trying again is of no use: the task fails now, whatever attempts are left. */
export class PermanentFailure extends Error {
  override readonly name = 'PermanentFailure'
}

/** Thrown by a handler that wants to be asked again later: the task waits `delayMs`, and no attempt is spent. */
export class Snooze extends Error {
  override readonly name = 'Snooze'
  readonly delayMs: number

  constructor(options: { readonly delayMs: number }) {
    super(`asked to run again in ${options.delayMs} ms`)
    this.delayMs = options.delayMs
  }
}

/** Thrown by a handler for which there is nothing to do: the task ends `discarded`, is not retried and is no failure. */
export class Discard extends Error {
  override readonly name = 'Discard'
}

/** The thread or process of a handler ended under it. */
export class IsolateEnded extends Error {
  override readonly name = 'IsolateEnded'
}

/** What a handler asks for by throwing. */
export type Control =
  | { readonly kind: 'permanent' }
  | { readonly kind: 'snooze'; readonly delayMs: number }
  | { readonly kind: 'discard' }

/** By their names, as two copies of this package may meet. Total, as `describeError`: asking a revoked proxy what it is throws. */
export function controlOf(thrown: unknown): Control | undefined {
  try {
    if (!(thrown instanceof Error)) return undefined
    if (thrown.name === 'PermanentFailure') return { kind: 'permanent' }
    if (thrown.name === 'Discard') return { kind: 'discard' }
    if (thrown.name !== 'Snooze' || !('delayMs' in thrown)) return undefined
    const { delayMs } = thrown
    return typeof delayMs === 'number' && delayMs >= 0 ? { kind: 'snooze', delayMs } : undefined
  } catch {
    return undefined
  }
}

/** Why a run was told to stop: the `reason` of its `signal`. */
export type Interruption = 'lost' | 'cancelled' | 'timeout' | 'shutdown'

const interruptionWords: Readonly<Record<Interruption, string>> = {
  lost: 'the lease was lost: somebody else may have the task',
  cancelled: 'the task was cancelled',
  timeout: 'the attempt took longer than its timeoutMs',
  shutdown: 'the worker is stopping',
}

export class TaskInterrupted extends Error {
  override readonly name = 'TaskInterrupted'
  readonly kind: Interruption

  constructor(kind: Interruption) {
    super(interruptionWords[kind])
    this.kind = kind
  }
}

/** An Error again, from what was stored or told of one. */
export function rebuildError({ name, message, stack = '', code }: TaskError): Error {
  return Object.assign(new Error(message), { name, stack, ...(code === undefined ? {} : { code }) })
}

/** Total: getters that throw, revoked proxies and cyclic objects are described too. */
export function describeError(thrown: unknown): TaskError {
  try {
    if (thrown instanceof Error) {
      const { name, message, stack } = thrown
      const code =
        'code' in thrown && (typeof thrown.code === 'string' || typeof thrown.code === 'number')
          ? thrown.code
          : undefined
      return {
        name: String(name),
        message: String(message),
        ...(typeof stack === 'string' ? { stack } : {}),
        ...(code === undefined ? {} : { code: String(code) }),
      }
    }
    return { name: 'NonError', message: `the handler threw ${inWords(thrown)}, which is not an Error` }
  } catch {
    return { name: 'NonError', message: 'the handler threw a value that cannot be described' }
  }
}

const WORDS_MAX = 500

function inWords(thrown: unknown): string {
  if (thrown === undefined || thrown === null || typeof thrown === 'symbol' || typeof thrown === 'function')
    return String(thrown)
  if (typeof thrown === 'bigint') return `${thrown}n`
  const text = JSON.stringify(thrown) ?? String(thrown)
  return text.length > WORDS_MAX ? `${text.slice(0, WORDS_MAX)}…` : text
}

/** The note of a failed attempt: its error, and how long it ran. */
export interface FailureNote {
  readonly error: TaskError
  readonly runMs: number | undefined
  /** Attempts that ended with an error so far; undefined where another than this executor wrote it. */
  readonly failed?: number
  /** Those of them that took their isolate with them. */
  readonly kills?: number
  /** Deliveries it had spent at the end that its worker told the webhook of. */
  readonly told?: number | undefined
  /** What its handlers logged. */
  readonly log?: readonly LogLine[] | undefined
}

/** Of a note, for its log. */
const LOG_BYTES_MAX = NOTE_BYTES_MAX / 2

/** JSON of the error's fields and `runMs`, cut (first the stack, then the message) to NOTE_BYTES_MAX. */
export function encodeFailureNote({ error, runMs, failed, kills = 0, told, log }: FailureNote): Uint8Array {
  const lines = newestWithin(log, LOG_BYTES_MAX)
  const fields = {
    ...error,
    ...(runMs === undefined ? {} : { runMs: Math.round(runMs * 1000) / 1000 }),
    ...(failed === undefined ? {} : { failed }),
    ...(kills === 0 ? {} : { kills }),
    ...(told === undefined ? {} : { told }),
    ...(lines === undefined ? {} : { log: lines }),
  }
  const whole = utf8Bytes(JSON.stringify(fields))
  if (whole.length <= NOTE_BYTES_MAX) return whole
  const { stack = '', ...rest } = fields
  for (let stackMax = 2_000, messageMax = 1_500; ; stackMax >>= 1, messageMax >>= 1) {
    const cut = {
      ...rest,
      name: rest.name.slice(0, 100),
      message: rest.message.slice(0, messageMax),
      ...(rest.code === undefined ? {} : { code: rest.code.slice(0, 100) }),
      stack: stack.slice(0, stackMax),
    }
    const note = utf8Bytes(JSON.stringify(cut))
    if (note.length <= NOTE_BYTES_MAX) return note
  }
}

/** Notes may come from others than this executor: text that is no JSON is taken as the message. */
export function decodeFailureNote(note: Uint8Array): FailureNote {
  const text = utf8Text(note)
  const fields = parseFields(text)
  if (fields === undefined || typeof fields['message'] !== 'string') {
    return { error: { name: 'Error', message: text }, runMs: undefined }
  }
  const { name, message, stack, code, runMs, failed, kills, told, log } = fields
  const lines = readLines(log)
  return {
    error: {
      name: typeof name === 'string' ? name : 'Error',
      message: message as string,
      ...(typeof stack === 'string' ? { stack } : {}),
      ...(typeof code === 'string' ? { code } : {}),
    },
    runMs: typeof runMs === 'number' ? runMs : undefined,
    ...(typeof failed === 'number' ? { failed } : {}),
    ...(typeof kills === 'number' ? { kills } : {}),
    ...(typeof told === 'number' ? { told } : {}),
    ...(lines === undefined ? {} : { log: lines }),
  }
}

function parseFields(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
