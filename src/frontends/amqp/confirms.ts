/**
 * Publisher confirms of one channel. Stored runs of publishes are confirmed in the order in which they came, with one
 * `multiple` ack for as many as are settled; what was refused is nacked by itself.
 */
export interface Confirmed {
  /** Tag of the first publish of the run, and how many there are. */
  readonly first: number
  readonly count: number
  settled: boolean
  /** Places in the run that were refused, ascending; undefined: none. */
  refused: number[] | undefined
}

export class Confirms {
  #nextTag = 1
  /** From `#head` on, oldest first. */
  #runs: Confirmed[] = []
  #head = 0

  get unconfirmed(): number {
    const oldest = this.#runs[this.#head]
    return oldest === undefined ? 0 : this.#nextTag - oldest.first
  }

  open(count: number): Confirmed {
    const run: Confirmed = { first: this.#nextTag, count, settled: false, refused: undefined }
    this.#nextTag += count
    this.#runs.push(run)
    return run
  }

  /** Tells of all that is settled and has nothing unsettled before it. */
  drain(tell: { ack(tag: number, multiple: boolean): void; nack(tag: number): void }): void {
    let acked = 0
    let ackedFrom = 0
    const ackPending = (): void => {
      if (acked > 0) tell.ack(acked, acked > ackedFrom)
      acked = 0
    }
    const ack = (from: number, to: number): void => {
      if (to < from) return
      if (acked === 0) ackedFrom = from
      acked = to
    }
    for (;;) {
      const run = this.#runs[this.#head]
      if (run?.settled !== true) break
      this.#head++
      let from = run.first
      for (const place of run.refused ?? []) {
        ack(from, run.first + place - 1)
        ackPending()
        tell.nack(run.first + place)
        from = run.first + place + 1
      }
      ack(from, run.first + run.count - 1)
    }
    ackPending()
    if (this.#head > 64 && this.#head * 2 > this.#runs.length) {
      this.#runs = this.#runs.slice(this.#head)
      this.#head = 0
    }
  }
}
