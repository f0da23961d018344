/** Durations counted by how long they took: bounded, cheap to add to, and what Prometheus calls a histogram. */
export interface HistogramView {
  /** Upper bounds in seconds, rising; the last bucket has none. */
  readonly bounds: readonly number[]
  /** One more than `bounds`; each counts its own bucket alone. */
  readonly counts: readonly number[]
  readonly sumSeconds: number
}

/** From half a millisecond, which a good disk takes, to five seconds, after which something is broken. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export class Histogram {
  readonly #counts = new Float64Array(SECONDS.length + 1)
  #sumSeconds = 0

  add(ms: number): void {
    const seconds = ms / 1_000
    let bucket = 0
    while (bucket < SECONDS.length && seconds > (SECONDS[bucket] as number)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#sumSeconds += seconds
  }

  view(): HistogramView {
    return { bounds: SECONDS, counts: [...this.#counts], sumSeconds: this.#sumSeconds }
  }
}
