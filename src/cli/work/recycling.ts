/** When a worker process has done enough: it drains, ends, and its supervisor starts a fresh one. */
export interface RecycleLimits {
  /** Tasks that ended in it. */
  readonly tasksMax: number | undefined
  /** Resident memory, MiB. */
  readonly memoryMbMax: number | undefined
}

const BYTES_A_MB = 1_048_576

/** Says why, once; undefined: it goes on. */
export class Recycling {
  readonly #limits: RecycleLimits
  readonly #residentBytes: () => number
  #ended = 0
  #told = false

  constructor(limits: RecycleLimits, residentBytes: () => number) {
    this.#limits = limits
    this.#residentBytes = residentBytes
  }

  ended(): string | undefined {
    this.#ended++
    const { tasksMax, memoryMbMax } = this.#limits
    if (this.#told) return undefined
    const why =
      tasksMax !== undefined && this.#ended >= tasksMax
        ? `${this.#ended} tasks ended in it`
        : this.#overMemory(memoryMbMax)
    this.#told = why !== undefined
    return why
  }

  #overMemory(memoryMbMax: number | undefined): string | undefined {
    if (memoryMbMax === undefined) return undefined
    const mb = Math.round(this.#residentBytes() / BYTES_A_MB)
    return mb > memoryMbMax ? `it holds ${mb} MB` : undefined
  }
}
