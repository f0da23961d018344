/** Records: key -> (value, version). */
import type { Outcome, RecordOp, StoredRecord } from '../engine.ts'
import { SortedRuns } from './sorted-runs.ts'
import type { UndoLog } from './undo-log.ts'

export class MemoryRecords {
  readonly #byKey = new Map<string, StoredRecord>()
  readonly #keys = new SortedRuns<string>((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  readonly #undo: UndoLog

  constructor(undo: UndoLog) {
    this.#undo = undo
  }

  read(key: string): StoredRecord | undefined {
    const record = this.#byKey.get(key)
    return record === undefined ? undefined : { ...record, value: record.value.slice() }
  }

  scan(prefix: string, after: string | undefined, limit: number): StoredRecord[] {
    const page: StoredRecord[] = []
    const start = after !== undefined && after > prefix ? after : prefix
    for (const key of this.#keys.from(start)) {
      if (page.length >= limit || !key.startsWith(prefix)) break
      const record = key === after ? undefined : this.read(key)
      if (record !== undefined) page.push(record)
    }
    return page
  }

  write({ key, value, expect }: RecordOp): Outcome {
    const version = this.#byKey.get(key)?.version ?? 0
    if (expect !== undefined && expect !== version) return { kind: 'mismatch', version }
    if (value === null) {
      this.remove(key)
      return { kind: 'written', version: 0 }
    }
    this.#set(key, { key, value: value.slice(), version: version + 1 })
    return { kind: 'written', version: version + 1 }
  }

  remove(key: string): void {
    this.#set(key, undefined)
  }

  #set(key: string, record: StoredRecord | undefined): void {
    const before = this.#put(key, record)
    this.#undo.note(() => this.#put(key, before))
  }

  #put(key: string, record: StoredRecord | undefined): StoredRecord | undefined {
    const before = this.#byKey.get(key)
    if (record === undefined) this.#byKey.delete(key)
    else this.#byKey.set(key, record)
    if (before === undefined && record !== undefined) this.#keys.add(key)
    else if (before !== undefined && record === undefined) this.#keys.delete(key)
    return before
  }
}
