/**
 * Gathers calls that come while earlier ones are under way into one statement: alone, a call goes at once; in a crowd, each round trip
 * carries all that came during the one before it. So there is no timer, and no wait that would not have been one anyway.
 */
export interface BatchLimits {
  /** Batches under way at a time. */
  readonly atOnce: number
  /** Weight of one batch, as `weigh` counts it. */
  readonly weightMax: number
}

interface Waiting<Item, Answer> {
  readonly item: Item
  readonly weight: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (fault: unknown) => void
}

export class Batcher<Item, Answer> {
  readonly #run: (items: readonly Item[]) => Promise<readonly Answer[]>
  readonly #weigh: (item: Item) => number
  readonly #limits: BatchLimits
  #waiting: Waiting<Item, Answer>[] = []
  #underWay = 0
  #scheduled = false

  constructor(parts: {
    run: (items: readonly Item[]) => Promise<readonly Answer[]>
    weigh: (item: Item) => number
    limits: BatchLimits
  }) {
    this.#run = parts.run
    this.#weigh = parts.weigh
    this.#limits = parts.limits
  }

  get isIdle(): boolean {
    return this.#underWay === 0 && this.#waiting.length === 0
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, weight: this.#weigh(item), resolve, reject })
      if (this.#scheduled || this.#underWay >= this.#limits.atOnce) return
      // Calls of the same turn go together.
      this.#scheduled = true
      queueMicrotask(() => {
        this.#scheduled = false
        this.#start()
      })
    })
  }

  #start(): void {
    while (this.#waiting.length > 0 && this.#underWay < this.#limits.atOnce) void this.#send(this.#take())
  }

  #take(): Waiting<Item, Answer>[] {
    let weight = 0
    let count = 0
    for (const waiting of this.#waiting) {
      weight += waiting.weight
      if (count > 0 && weight > this.#limits.weightMax) break
      count++
    }
    const taken = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    return taken
  }

  async #send(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    this.#underWay++
    try {
      const answers = await this.#run(batch.map(({ item }) => item))
      batch.forEach(({ resolve }, i) => {
        resolve(answers[i] as Answer)
      })
    } catch (fault) {
      for (const { reject } of batch) reject(fault)
    } finally {
      this.#underWay--
      this.#start()
    }
  }
}
