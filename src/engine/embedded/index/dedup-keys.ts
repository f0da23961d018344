/**
 * The dedup keys of one queue: key -> (number of the first message, instant until which it counts). Sharded, so that no map
 * grows so large that growing it makes a pause. Keys whose time is over are absent to `get` and are swept in the order of
 * their instants.
 */

const SHARDS = 64

export interface DedupEntry {
  readonly number: number
  /** Monotonic ms; Infinity: as long as the message is queued. */
  readonly untilMs: number
}

export class DedupKeys {
  readonly #shards: (Map<string, DedupEntry> | undefined)[] = []
  /** Keys with a window, in the order of arrival. */
  readonly #order: { keys: string[]; head: number } = { keys: [], head: 0 }
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: string, nowMs: number): DedupEntry | undefined {
    const entry = this.#shards[shardOf(key)]?.get(key)
    return entry === undefined || entry.untilMs <= nowMs ? undefined : entry
  }

  set(key: string, entry: DedupEntry): void {
    const at = shardOf(key)
    const shard = this.#shards[at] ?? new Map<string, DedupEntry>()
    this.#shards[at] = shard
    if (!shard.has(key)) this.#size++
    shard.set(key, entry)
    if (entry.untilMs === Number.POSITIVE_INFINITY) return
    this.#order.keys.push(key)
  }

  /** Forgets the key if that message holds it for as long as it is queued. */
  releaseQueued(key: string, number: number): void {
    const entry = this.#shards[shardOf(key)]?.get(key)
    if (entry?.number === number && entry.untilMs === Number.POSITIVE_INFINITY) this.delete(key)
  }

  delete(key: string): void {
    if (this.#shards[shardOf(key)]?.delete(key) === true) this.#size--
  }

  /** Drops keys whose window is over, `budget` at most. */
  sweep(nowMs: number, budget: number): void {
    const order = this.#order
    for (let swept = 0; swept < budget && order.head < order.keys.length; swept++) {
      const key = order.keys[order.head] as string
      const entry = this.#shards[shardOf(key)]?.get(key)
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
    this.#shards.length = 0
    this.#order.keys.length = 0
    this.#order.head = 0
    this.#size = 0
  }

  /** The keys in pieces of bounded size. */
  *shards(): IterableIterator<Map<string, DedupEntry>> {
    for (const shard of this.#shards) if (shard !== undefined && shard.size > 0) yield shard
  }
}

function shardOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & (SHARDS - 1)
}
