/**
 * A sorted set in runs of bounded length: an insert or removal moves at most one run, so that a queue of a hundred
 * thousand stays usable without a tree.
 */
const RUN_MAX = 512

/** `Key`: as much of a member as decides its place. */
export class SortedRuns<T extends Key, Key = T> implements Iterable<T> {
  readonly #compare: (a: Key, b: Key) => number
  #runs: T[][] = []
  #size = 0

  /** `compare` is 0 only for the same member. */
  constructor(compare: (a: Key, b: Key) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#size
  }

  get first(): T | undefined {
    return this.#runs[0]?.[0]
  }

  add(member: T): void {
    this.#size++
    const place = Math.min(this.#runFor(member), this.#runs.length - 1)
    const run = this.#runs[place]
    if (run === undefined) {
      this.#runs.push([member])
      return
    }
    run.splice(this.#lowerBound(run, member), 0, member)
    if (run.length > RUN_MAX) this.#runs.splice(place + 1, 0, run.splice(RUN_MAX / 2))
  }

  /** false: it was not there. */
  delete(member: T): boolean {
    const place = this.#runFor(member)
    const run = this.#runs[place]
    if (run === undefined) return false
    const at = this.#lowerBound(run, member)
    const found = run[at]
    if (found === undefined || this.#compare(found, member) !== 0) return false
    run.splice(at, 1)
    if (run.length === 0) this.#runs.splice(place, 1)
    this.#size--
    return true
  }

  /** Members from the first that does not come before `start`, in order. Not to be changed meanwhile. */
  *from(start: Key): Generator<T> {
    const place = this.#runFor(start)
    for (let i = place; i < this.#runs.length; i++) {
      const run = this.#runs[i] as T[]
      for (let at = i === place ? this.#lowerBound(run, start) : 0; at < run.length; at++) yield run[at] as T
    }
  }

  *[Symbol.iterator](): Generator<T> {
    for (const run of this.#runs) yield* run
  }

  /** The first run whose last member does not come before `member`; the number of runs when there is none. */
  #runFor(member: Key): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const run = this.#runs[middle] as T[]
      if (this.#compare(run[run.length - 1] as T, member) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #lowerBound(run: readonly T[], member: Key): number {
    let low = 0
    let high = run.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(run[middle] as T, member) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
