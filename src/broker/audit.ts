/**
 * What administrators did, kept with the store: the latest ENTRIES_MAX acts, as a ring of records under `spindle/audit/`, each of which
 * the one that comes ENTRIES_MAX later replaces. Entries are numbered from 1; every process on the store writes into the same ring.
 */
import { isFault } from '../model/errors.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Port } from './port.ts'

export const AUDIT_ENTRIES_MAX = 10_000
const PREFIX = 'spindle/audit/'
const DETAIL_MAX = 300
/** Writers that meet take the next number. */
const ATTEMPTS_MAX = 100
const PAGE = 1_000

export interface AuditAct {
  /** Name of the user; null: nobody is known, since there are no users or nobody proved to be one. */
  readonly by: string | null
  /** Address of the client; null: a command on the folder itself. */
  readonly from: string | null
  readonly via: 'admin' | 'management' | 'sqs' | 'sns' | 'amqp' | 'remote' | 'folder'
  /** `PUT /queues/orders`, `CreateQueue`, `login`. Never a body, which may hold secrets. */
  readonly act: string
  readonly outcome: 'done' | 'refused' | 'failed'
}

export interface AuditEntry extends AuditAct {
  readonly number: number
  readonly atMs: number
}

export interface AuditQuery {
  /** Entries before this number; absent: from the latest on. */
  readonly before?: number
  readonly limit: number
  /** Only acts of this user. */
  readonly by?: string
  /** Only acts that hold this text, in any case. */
  readonly text?: string
}

export interface Audit {
  /** Resolves once it is durable. Never rejects: what could not be written is logged as an error. */
  record(act: AuditAct): Promise<void>
  /** The latest first. */
  list(query: AuditQuery): Promise<AuditEntry[]>
}

export class StoredAudit implements Audit {
  readonly #port: Port
  readonly #clock: Clock
  readonly #log: Log
  /** The highest number that is known; undefined: not looked for yet. */
  #latest: number | undefined

  constructor({ port, clock, log }: { readonly port: Port; readonly clock: Clock; readonly log: Log }) {
    this.#port = port
    this.#clock = clock
    this.#log = log
  }

  async record(act: AuditAct): Promise<void> {
    const told = { ...act, act: act.act.slice(0, DETAIL_MAX) }
    this.#log.info('administered', { ...told })
    try {
      await this.#write(told)
    } catch (fault) {
      this.#log.error('an act could not be written to the audit log', { fault, act: told.act })
    }
  }

  async list({ before, limit, by, text }: AuditQuery): Promise<AuditEntry[]> {
    const latest = await this.#lookForLatest()
    const wanted = text?.toLowerCase()
    const entries: AuditEntry[] = []
    const first = Math.max(1, latest - AUDIT_ENTRIES_MAX + 1)
    for (
      let number = Math.min(latest, (before ?? latest + 1) - 1);
      number >= first && entries.length < limit;
      number--
    ) {
      const { entry } = await this.#at(number)
      if (entry === undefined || entry.number !== number) continue
      if (by !== undefined && entry.by !== by) continue
      if (wanted !== undefined && !entry.act.toLowerCase().includes(wanted)) continue
      entries.push(entry)
    }
    return entries
  }

  async #write(act: AuditAct): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const number = (await this.#lookForLatest()) + 1
      const { version } = await this.#at(number)
      // Before the write resolves another one may begin: it takes the number after this.
      this.#latest = Math.max(number, this.#latest ?? 0)
      const value = Buffer.from(JSON.stringify({ number, atMs: this.#clock.wallMs(), ...act }))
      try {
        await this.#port.transact([{ kind: 'record', key: keyOf(number), value, expect: version }])
        return
      } catch (fault) {
        const met = isFault(fault, 'aborted')
        if (!met || attempt === ATTEMPTS_MAX) throw fault
      }
    }
  }

  async #at(number: number): Promise<{ readonly entry: AuditEntry | undefined; readonly version: number }> {
    const record = await this.#port.read(keyOf(number))
    return record === undefined
      ? { entry: undefined, version: 0 }
      : { entry: decode(record.value), version: record.version }
  }

  /** Others may have gone further since we looked. */
  async #lookForLatest(): Promise<number> {
    let latest = this.#latest ?? (await this.#scanForLatest())
    for (;;) {
      const { entry } = await this.#at(latest + 1)
      if (entry === undefined || entry.number <= latest) break
      latest = entry.number
    }
    this.#latest = Math.max(latest, this.#latest ?? 0)
    return this.#latest
  }

  async #scanForLatest(): Promise<number> {
    let latest = 0
    let after: string | undefined
    for (;;) {
      const page = await this.#port.scan(PREFIX, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const { value } of page) latest = Math.max(latest, decode(value).number)
      after = page.at(-1)?.key
      if (page.length < PAGE) return latest
    }
  }
}

function decode(value: Uint8Array): AuditEntry {
  return JSON.parse(new TextDecoder().decode(value)) as AuditEntry // written by `#write`
}

function keyOf(number: number): string {
  return `${PREFIX}${String(number % AUDIT_ENTRIES_MAX).padStart(5, '0')}`
}
