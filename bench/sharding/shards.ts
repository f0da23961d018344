/**
 * Messages over many PostgreSQLs, as fluid: 4,096 slots, each on one shard; a shard serves so many messages a second, shared evenly among its
 * slots that have some. Time goes in ticks; messages of one tick in one slot are a cohort, served first come, first served. A
 * seed draws where names hash to; nothing else is chance.
 *
 * Slots move as docs/decisions/sharding.md says. Standard: new messages go to the new shard at once, the old one drains what it has.
 * Ordered: the slot is fenced (senders wait), the old shard drains it, the map's next epoch names the new shard, senders go on.
 */
import { seededRandom } from '../../src/runtime/random.ts'

export const SLOTS = 4_096
export const TICK_MS = 100
/** What one shard serves, messages a second: the aim of bench:postgres at batch 10 on two cores. */
export const SHARD_RATE = 10_000
/** From a change of the map until every broker has it, ms: the fence of an ordered slot lasts at least so long. */
const MAP_MS = 500

export interface Stream {
  readonly name: string
  /** Messages a second. */
  readonly rate: number
  /** Places that its name hashes to: sub-queues of a standard queue, groups of an ordered one. */
  readonly places: number
  readonly ordered: boolean
}

interface Cohort {
  readonly tick: number
  count: number
}

interface Slot {
  shard: number
  /** Messages a tick. */
  arrivals: number
  ordered: boolean
  /** By shard: what waits there. After a move of a standard slot two shards have some. */
  readonly waiting: Map<number, Cohort[]>
  fence: { readonly to: number; readonly sinceTick: number } | undefined
  /** Held by senders while it is fenced. */
  readonly held: Cohort[]
}

export interface Figures {
  readonly offeredPerS: number
  readonly servedPerS: number
  /** The busiest shard's offered load over the mean. */
  readonly imbalance: number
  readonly waitP50Ms: number
  readonly waitP99Ms: number
  readonly waitMaxMs: number
  readonly backlog: number
  readonly slotsMoved: number
  /** The longest time that senders to one ordered slot waited, ms. */
  readonly fenceMaxMs: number
}

export class Shards {
  readonly #slots: Slot[]
  readonly #down = new Set<number>()
  readonly #waits = new Map<number, number>()
  #shards: number
  #tick = 0
  #arrived = 0
  #served = 0
  #moved = 0
  #fenceMaxTicks = 0

  constructor({ shards, streams, seed }: { shards: number; streams: readonly Stream[]; seed: number }) {
    this.#shards = shards
    this.#slots = Array.from({ length: SLOTS }, (_, slot) => ({
      shard: slot % shards,
      arrivals: 0,
      ordered: false,
      waiting: new Map(),
      fence: undefined,
      held: [],
    }))
    const random = seededRandom(seed)
    for (const { rate, places, ordered } of streams) {
      for (let place = 0; place < places; place++) {
        const slot = this.#slots[Math.floor(random.float() * SLOTS)] as Slot
        slot.arrivals += (rate / places) * (TICK_MS / 1_000)
        slot.ordered ||= ordered
      }
    }
  }

  get backlog(): number {
    return this.#arrived - this.#served
  }

  /** Every message is somewhere, once: what came is served, waits at a shard, or is held by its sender. */
  conserves(): boolean {
    const cohorts = this.#slots.flatMap((slot) => [...[...slot.waiting.values()].flat(), ...slot.held])
    const there = cohorts.reduce((sum, { count }) => sum + count, 0)
    return Math.abs(there - this.backlog) < 1e-3 * Math.max(1, this.#arrived)
  }

  run(seconds: number): this {
    for (let left = (seconds * 1_000) / TICK_MS; left > 0; left--) this.#step()
    return this
  }

  setDown(shard: number, down: boolean): this {
    if (down) this.#down.add(shard)
    else this.#down.delete(shard)
    return this
  }

  /** Adds shards, and moves just as many slots to them as evens the load out: the hottest that fit, from the busiest shard. */
  grow(by: number): this {
    const added = Array.from({ length: by }, (_, at) => this.#shards + at)
    this.#shards += by
    const mean = this.#slots.reduce((sum, { arrivals }) => sum + arrivals, 0) / this.#shards
    for (const to of added) {
      for (let load = 0; ; ) {
        const loads = this.#loads()
        const from = loads.indexOf(Math.max(...loads))
        const room = Math.min(mean - load, (loads[from] ?? 0) - mean)
        const fit = this.#slots
          .filter(
            ({ shard, fence, arrivals }) => shard === from && fence === undefined && arrivals > 0 && arrivals <= room,
          )
          .reduce<Slot | undefined>(
            (best, slot) => (best === undefined || slot.arrivals > best.arrivals ? slot : best),
            undefined,
          )
        if (fit === undefined) break
        load += fit.arrivals
        this.#move(fit, to)
      }
    }
    return this
  }

  figures(seconds: number): Figures {
    const loads = this.#loads()
    const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length
    return {
      offeredPerS: this.#arrived / seconds,
      servedPerS: this.#served / seconds,
      imbalance: Math.max(...loads) / mean,
      waitP50Ms: this.#wait(0.5),
      waitP99Ms: this.#wait(0.99),
      waitMaxMs: this.#wait(1),
      backlog: this.backlog,
      slotsMoved: this.#moved,
      fenceMaxMs: this.#fenceMaxTicks * TICK_MS,
    }
  }

  /** Offered to each shard, messages a tick. */
  #loads(): number[] {
    const loads = new Array<number>(this.#shards).fill(0)
    for (const { shard, fence, arrivals } of this.#slots) {
      const to = fence?.to ?? shard
      loads[to] = (loads[to] ?? 0) + arrivals
    }
    return loads
  }

  #move(slot: Slot, to: number): void {
    this.#moved++
    if (slot.ordered) slot.fence = { to, sinceTick: this.#tick }
    else slot.shard = to
  }

  #step(): void {
    const tick = this.#tick++
    for (const slot of this.#slots) {
      this.#arrived += slot.arrivals
      this.#liftFence(slot, tick)
      if (slot.arrivals === 0) continue
      const cohort = { tick, count: slot.arrivals }
      if (slot.fence === undefined) queueOf(slot, slot.shard).push(cohort)
      else slot.held.push(cohort)
    }
    const busy = Array.from({ length: this.#shards }, () => [] as Cohort[][])
    for (const { waiting } of this.#slots) {
      for (const [shard, cohorts] of waiting) if (cohorts.length > 0) busy[shard]?.push(cohorts)
    }
    for (const [shard, queues] of busy.entries()) if (!this.#down.has(shard)) this.#serve(queues, tick)
  }

  /** The old shard is drained and everybody has the new map: what was held goes to the new one, in order. */
  #liftFence(slot: Slot, tick: number): void {
    const { fence } = slot
    if (fence === undefined) return
    const drained = (slot.waiting.get(slot.shard)?.length ?? 0) === 0
    if (!drained || (tick - fence.sinceTick) * TICK_MS < MAP_MS) return
    this.#fenceMaxTicks = Math.max(this.#fenceMaxTicks, tick - fence.sinceTick)
    slot.shard = fence.to
    slot.fence = undefined
    queueOf(slot, slot.shard).push(...slot.held.splice(0))
  }

  /** An equal share to each slot; what one does not need goes to the others. */
  #serve(queues: readonly Cohort[][], tick: number): void {
    let budget = SHARD_RATE * (TICK_MS / 1_000)
    const waiting = queues
      .map((cohorts) => ({ cohorts, count: cohorts.reduce((sum, { count }) => sum + count, 0) }))
      .sort((a, b) => a.count - b.count)
    for (const [at, { cohorts, count }] of waiting.entries()) {
      const share = Math.min(count, budget / (waiting.length - at))
      budget -= share
      this.#take(cohorts, share, tick)
    }
  }

  #take(cohorts: Cohort[], count: number, tick: number): void {
    let left = count
    while (left > 1e-9 && cohorts[0] !== undefined) {
      const [first] = cohorts
      const taken = Math.min(left, first.count)
      first.count -= taken
      left -= taken
      this.#served += taken
      const waited = tick - first.tick
      this.#waits.set(waited, (this.#waits.get(waited) ?? 0) + taken)
      if (first.count <= 1e-9) cohorts.shift()
    }
  }

  #wait(quantile: number): number {
    const total = [...this.#waits.values()].reduce((sum, count) => sum + count, 0)
    let seen = 0
    for (const [ticks, count] of [...this.#waits].sort(([a], [b]) => a - b)) {
      seen += count
      if (seen >= total * quantile - 1e-6) return ticks * TICK_MS
    }
    return 0
  }
}

function queueOf(slot: Slot, shard: number): Cohort[] {
  const known = slot.waiting.get(shard)
  if (known !== undefined) return known
  const made: Cohort[] = []
  slot.waiting.set(shard, made)
  return made
}
