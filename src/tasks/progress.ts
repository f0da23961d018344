/**
 * How far a running task is: announced to whoever watches, and kept in a record for whoever asks later. The record is
 * written relaxed (a power cut may forget it) and goes in the unit that ends the run.
 */
import type { Port } from '../client/port.ts'
import { utf8Bytes, utf8Text } from '../model/bytes.ts'
import type { MessageId } from '../model/message.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import { newestWithin, readLines } from './log-lines.ts'
import type { LogLine } from './types.ts'

/** At most one report is passed on in this time, ms; the latest one counts. */
const PROGRESS_INTERVAL_MS = 200
/** JSON of `data`; a longer one is left out, as progress never fails a task. */
const PROGRESS_BYTES_MAX = 65_536

export interface ProgressReport {
  /** undefined: it has only logged. */
  readonly fraction: number | undefined
  readonly data: unknown
  readonly log?: readonly LogLine[] | undefined
}

export const PROGRESS_PREFIX = 'spindle/progress/'

export function progressKey(id: MessageId): string {
  return `${PROGRESS_PREFIX}${id}`
}

/** Where progress of one task is announced. */
export function taskChannel(id: MessageId): string {
  return `task/${id}`
}

export function decodeProgress(value: Uint8Array): ProgressReport | undefined {
  try {
    const { fraction, data, log } = JSON.parse(utf8Text(value)) as Record<string, unknown>
    return { fraction: typeof fraction === 'number' ? fraction : undefined, data, log: readLines(log) }
  } catch {
    return undefined
  }
}

export class Progress {
  readonly #id: MessageId
  readonly #port: Port
  readonly #clock: Clock
  readonly #deadlines: Deadlines
  readonly #log: Log
  readonly #lines: () => readonly LogLine[] | undefined
  #latest: ProgressReport | undefined
  #sentMs = Number.NEGATIVE_INFINITY
  #later: Deadline | undefined
  #ended = false

  /** `lines`: what it has logged. */
  constructor(parts: {
    id: MessageId
    port: Port
    clock: Clock
    deadlines: Deadlines
    log: Log
    lines: () => readonly LogLine[] | undefined
  }) {
    this.#id = parts.id
    this.#port = parts.port
    this.#clock = parts.clock
    this.#deadlines = parts.deadlines
    this.#log = parts.log
    this.#lines = parts.lines
  }

  /** Fractions are held within 0 to 1; what is no number counts as 0. */
  report(fraction: number, data: unknown): void {
    this.#latest = { fraction: Math.min(1, Math.max(0, Number.isNaN(fraction) ? 0 : fraction)), data }
    if (this.#later !== undefined || this.#ended) return
    if (this.#clock.monotonicMs() - this.#sentMs >= PROGRESS_INTERVAL_MS) this.#send()
    else this.#later = this.#deadlines.after(PROGRESS_INTERVAL_MS, () => this.#send())
  }

  /** A line was logged. Not at once: most tasks that log end soon, and keep their lines with their end. */
  logged(): void {
    if (this.#later !== undefined || this.#ended) return
    this.#latest ??= { fraction: undefined, data: undefined }
    this.#later = this.#deadlines.after(PROGRESS_INTERVAL_MS, () => this.#send())
  }

  /** There may be a record of it. */
  get wasSent(): boolean {
    return this.#sentMs !== Number.NEGATIVE_INFINITY
  }

  /** The latest one. */
  get fraction(): number | undefined {
    return this.#latest?.fraction
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#ended = true
    this.#later?.cancel()
  }

  #send(): void {
    this.#later = undefined
    if (this.#latest === undefined || this.#ended) return
    this.#sentMs = this.#clock.monotonicMs()
    const value = encode({ ...this.#latest, log: newestWithin(this.#lines()) })
    // The record first, so that whoever hears the announcement and looks finds it.
    const step = { kind: 'record', key: progressKey(this.#id), value } as const
    this.#port.transact([step], { relaxed: true }).then(
      () => this.#port.announce(taskChannel(this.#id), value),
      (fault: unknown) => this.#log.warn('progress was not stored', { id: this.#id, fault }),
    )
  }
}

function encode({ fraction, data, log }: ProgressReport): Uint8Array {
  try {
    const value = utf8Bytes(JSON.stringify({ fraction, data, log }))
    if (value.length <= PROGRESS_BYTES_MAX) return value
  } catch {
    // Falls through: data that JSON cannot carry is left out like data that is too long.
  }
  return utf8Bytes(JSON.stringify({ fraction, log }))
}
