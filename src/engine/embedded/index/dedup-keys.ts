/**
 * The dedup keys of one queue: key -> (number of the first message, instant until which it counts). One map while they are few; then
 * many, so that none grows so large that growing it makes a pause. Keys whose time is over are absent to `get` and are swept in the
 * order of their instants.
 */

const SHARDS = 64
/** So many keys, and the one map is parted. */
const PARTED_FROM = 4_096

export interface DedupEntry {
  readonly number: number
  /** Monotonic ms; Infinity: as long as the message is queued. */
  readonly untilMs: number
}

export class DedupKeys {
  #shards: Map<string, DedupEntry>[] = [new Map()]
  /** Keys with a window, in the order of arrival. */
  readonly #order: { keys: string[]; head: number } = { keys: [], head: 0 }
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: string, nowMs: number): DedupEntry | undefined {
    const entry = this.#shard(key).get(key)
    return entry === undefined || entry.untilMs <= nowMs ? undefined : entry
  }

  set(key: string, entry: DedupEntry): void {
    const shard = this.#shard(key)
    const before = shard.size
    shard.set(key, entry)
    this.#size += shard.size - before
    if (this.#shards.length === 1 && before >= PARTED_FROM) this.#part()
    if (entry.untilMs === Number.POSITIVE_INFINITY) return
    this.#order.keys.push(key)
  }

  /** Forgets the key if that message holds it for as long as it is queued. */
  releaseQueued(key: string, number: number): void {
    const entry = this.#shard(key).get(key)
    if (entry?.number === number && entry.untilMs === Number.POSITIVE_INFINITY) this.delete(key)
  }

  delete(key: string): void {
    if (this.#shard(key).delete(key)) this.#size--
  }

  /** Drops keys whose window is over, `budget` at most. */
  sweep(nowMs: number, budget: number): void {
    const order = this.#order
    for (let swept = 0; swept < budget && order.head < order.keys.length; swept++) {
      const key = order.keys[order.head] as string
      const entry = this.#shard(key).get(key)
      if (entry !== undefined && entry.untilMs > nowMs && entry.untilMs !== Number.POSITIVE_INFINITY) break
      if (entry !== undefined && entry.untilMs <= nowMs) this.delete(key)
      order.head++
      if (order.head > 4_096 && order.head > order.keys.length >>> 1) {
        order.keys.splice(0, order.head)
        order.head = 0
      }
    }
  }

  clear(): void {
    this.#shards = [new Map()]
    this.#order.keys.length = 0
    this.#order.head = 0
    this.#size = 0
  }

  /** The keys in pieces of bounded size. */
  *shards(): IterableIterator<Map<string, DedupEntry>> {
    for (const shard of this.#shards) if (shard.size > 0) yield shard
  }

  #shard(key: string): Map<string, DedupEntry> {
    const at = this.#shards.length === 1 ? 0 : shardOf(key)
    return this.#shards[at] as Map<string, DedupEntry>
  }

  #part(): void {
    const [all] = this.#shards
    this.#shards = Array.from({ length: SHARDS }, () => new Map())
    for (const [key, entry] of all ?? []) this.#shard(key).set(key, entry)
  }
}

function shardOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & (SHARDS - 1)
}
