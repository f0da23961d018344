/**
 * Where claims begin to look. Under a snapshot that somebody holds, dead rows stay in the index, and a claim from the beginning would walk
 * over all that was ever acked; so each broker remembers, for each rank of each queue, the highest place it has claimed.
 *
 * What may be ready below it:
 *   - what came back to its place: `returned` names it, and claims look there, too
 *   - a send that drew its place earlier and committed later, and a claim that failed after others passed over its rows: they end with
 *     their transactions. Every `RESCAN_MS`, and when nothing else is found, a claim begins at the last place that all transactions then
 *     running were known to be behind, and moves that place on.
 *   - what a broker left behind that died in the middle of a claim: every `RESTART_MS` a claim begins at the beginning.
 */
const RESCAN_MS = 250
const RESTART_MS = 30_000

interface Rank {
  /** Highest place claimed: others below it are leased, gone, named in `returned`, or late. */
  seen: number
  /** Nothing below it can be late. */
  safe: number
  /** A place seen, and the transaction before which all must have ended until nothing below it can be late. */
  candidate: { readonly place: number; readonly before: number } | undefined
}

export interface Floors {
  readonly ranks: number[]
  readonly floors: number[]
  /** From the safe places, not from those seen. */
  readonly rescans: boolean
}

export class QueueFloors {
  readonly #ranks = new Map<number, Rank>()
  #rescannedMs = Number.NEGATIVE_INFINITY
  #restartedMs: number
  #short = false

  constructor(nowMs: number) {
    this.#restartedMs = nowMs
  }

  begin(nowMs: number): Floors {
    if (nowMs - this.#restartedMs >= RESTART_MS) {
      this.#restartedMs = nowMs
      this.#ranks.clear()
    }
    const rescans = this.#short || nowMs - this.#rescannedMs >= RESCAN_MS
    if (rescans) this.#rescannedMs = nowMs
    const ranks = [...this.#ranks]
    return {
      ranks: ranks.map(([rank]) => rank),
      floors: ranks.map(([, { seen, safe }]) => (rescans ? safe : seen)),
      rescans,
    }
  }

  /** `oldest`, `next`: the oldest transaction that ran during the claim, and the first that had not begun. */
  claimed(
    from: Floors,
    answer: {
      readonly places: readonly { readonly rank: number; readonly ord: number }[]
      readonly full: boolean
      readonly oldest: number
      readonly next: number
    },
  ): void {
    const highest = new Map<number, number>()
    for (const { rank, ord } of answer.places) highest.set(rank, Math.max(highest.get(rank) ?? 0, ord))
    // One that came short from the safe places has seen everything; from the others it is tried once more from there.
    this.#short = !answer.full && !from.rescans
    for (const [rank, place] of highest) {
      const known = this.#ranks.get(rank)
      if (known === undefined) this.#ranks.set(rank, { seen: place, safe: 0, candidate: undefined })
      else known.seen = Math.max(known.seen, place)
    }
    for (const [rank, known] of this.#ranks) {
      const { candidate } = known
      if (candidate !== undefined && from.rescans && answer.oldest >= candidate.before) {
        // This claim looked from the safe place on, after all of them had ended: up to where it came, nothing is late.
        const came = answer.full ? (highest.get(rank) ?? 0) : candidate.place
        known.safe = Math.max(known.safe, Math.min(candidate.place, came))
        known.candidate = undefined
      }
      if (known.candidate === undefined && known.seen > known.safe) {
        known.candidate = { place: known.seen, before: answer.next }
      }
    }
  }

  /** A claim failed: whatever it had passed over may be ready still. */
  reset(): void {
    this.#ranks.clear()
  }
}
