/**
 * What one broker knows of the store, beside the rows of a transaction under way: the queues, the leases it has to end, when something is
 * due, what it counted, and who wants to be told. It outlives transactions, and learns from those that were committed.
 */
import type { QueueTotals } from '../engine.ts'
import { Catalog } from './catalog.ts'
import type { Image } from './image.ts'
import { LeaseBook } from './lease-book.ts'
import { nextDeadline } from './next-deadline.ts'
import { Watchers } from './watchers.ts'
import { Words } from './words.ts'

export class Knowledge {
  readonly catalog = new Catalog()
  readonly book = new LeaseBook()
  readonly watchers = new Watchers()
  readonly words = new Words()
  readonly totals = new Map<number, { -readonly [Key in keyof QueueTotals]: number }>()
  /** No earlier than this is anything due, as far as this broker knows. */
  dueAtMs = 0

  /** Something becomes due then. */
  due(atMs: number): void {
    this.dueAtMs = Math.min(this.dueAtMs, atMs)
  }

  count(qid: number, total: keyof QueueTotals, by: number): void {
    let totals = this.totals.get(qid)
    if (totals === undefined) {
      totals = { appended: 0, delivered: 0, acked: 0, released: 0, lost: 0, died: 0 }
      this.totals.set(qid, totals)
    }
    totals[total] += by
  }

  /** What a committed transaction means for later ones. */
  learn(image: Image): void {
    for (const [qid, delta] of image.totals) {
      for (const total of Object.keys(delta) as (keyof QueueTotals)[]) this.count(qid, total, delta[total])
    }
    for (const entry of image.entries.values()) {
      const state = entry?.life.state
      if (entry !== undefined && state?.kind === 'leased' && state.endMs !== undefined)
        this.book.note(entry, state.endMs)
    }
    this.due(nextDeadline(image))
    this.watchers.hint(image.hints)
  }

  /** Tells watchers of queues by their numbers; of those that are known. */
  hintOf(qids: readonly number[]): void {
    this.watchers.hint(qids.flatMap((qid) => this.catalog.byId(qid)?.name ?? []))
  }
}
