/**
 * Records: key -> (value, version), with the keys in UTF-16 code unit order for scans. Sorted runs of bounded length:
 * an insert moves at most one run, so no size makes a pause.
 */
import type { StoredRecord } from '../engine.ts'

const RUN_KEYS_MAX = 512
/** A record belongs to the shard of its key's hash, so that no map grows so large that growing it makes a pause. */
export const RECORD_SHARDS = 64

export interface RecordValue {
  readonly value: Uint8Array
  readonly version: number
}

export class Records {
  readonly #shards: Map<string, RecordValue>[] = Array.from({ length: RECORD_SHARDS }, () => new Map())
  #runs: string[][] = []
  #bytes = 0

  /** Bytes of keys and values, about. */
  get bytes(): number {
    return this.#bytes
  }

  get(key: string): RecordValue | undefined {
    return this.shard(shardOf(key)).get(key)
  }

  shard(index: number): Map<string, RecordValue> {
    return this.#shards[index] as Map<string, RecordValue>
  }

  set(key: string, record: RecordValue): void {
    const at = shardOf(key)
    const shard = this.shard(at)
    const before = shard.get(key)
    if (before === undefined) this.#insert(key)
    this.#bytes += record.value.length - (before === undefined ? -key.length : before.value.length)
    shard.set(key, record)
  }

  delete(key: string): void {
    const at = shardOf(key)
    const shard = this.shard(at)
    const before = shard.get(key)
    if (before === undefined) return
    shard.delete(key)
    this.#bytes -= before.value.length + key.length
    const place = this.#runOf(key)
    const run = this.#runs[place]
    if (run === undefined) return
    run.splice(lowerBound(run, key), 1)
    if (run.length === 0) this.#runs.splice(place, 1)
  }

  scan(prefix: string, after: string | undefined, limit: number): StoredRecord[] {
    const page: StoredRecord[] = []
    const from = after !== undefined && after >= prefix ? after : prefix
    for (let place = this.#runOf(from); place < this.#runs.length; place++) {
      const run = this.#runs[place] as string[]
      for (let i = lowerBound(run, from); i < run.length; i++) {
        const key = run[i] as string
        if (key === after) continue
        if (!key.startsWith(prefix)) return page
        if (page.length === limit) return page
        const record = this.get(key)
        if (record !== undefined) page.push({ key, value: record.value.slice(), version: record.version })
      }
    }
    return page
  }

  #insert(key: string): void {
    const place = Math.min(this.#runOf(key), this.#runs.length - 1)
    const run = this.#runs[place]
    if (run === undefined) {
      this.#runs.push([key])
      return
    }
    run.splice(lowerBound(run, key), 0, key)
    if (run.length > RUN_KEYS_MAX) this.#runs.splice(place + 1, 0, run.splice(RUN_KEYS_MAX >>> 1))
  }

  /** The first run whose last key is not before `key`; the number of runs when there is none. */
  #runOf(key: string): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const run = this.#runs[middle] as string[]
      if ((run[run.length - 1] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

function lowerBound(run: readonly string[], key: string): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((run[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}

export function shardOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & (RECORD_SHARDS - 1)
}
