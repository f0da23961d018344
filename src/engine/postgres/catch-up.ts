/** Applies what is due before each verb, as far as this broker can know, so that no verb sees a lease that has ended. */
import type { Database } from './database.ts'
import { applyDue, cameBetween, findDue, nextDue } from './due.ts'
import type { Knowledge } from './knowledge.ts'
import type { Works } from './works.ts'

/** Transitions that one transaction applies at most before a verb's own work. */
const DUE_BUDGET = 10_000

export interface CatchUpParts {
  readonly database: Database
  readonly known: Knowledge
  readonly works: Works
  readonly nowMs: () => number
}

export class CatchUp {
  readonly #parts: CatchUpParts
  /** Watchers were told of every token and lapse until then. */
  #toldMs: number
  #applying: Promise<void> | undefined

  constructor(parts: CatchUpParts) {
    this.#parts = parts
    this.#toldMs = parts.nowMs()
  }

  /** Resolves when nothing is due any more. Verbs that come at the same time wait for one another's work. */
  async untilNow(): Promise<void> {
    const { known, nowMs } = this.#parts
    while (nowMs() >= known.dueAtMs) {
      this.#applying ??= this.apply(DUE_BUDGET).finally(() => {
        this.#applying = undefined
      })
      await this.#applying
    }
  }

  /** Resolves when no verb's catching up is under way. */
  async ended(): Promise<void> {
    await this.#applying?.catch(() => {})
  }

  async apply(budget: number): Promise<void> {
    const { database, known, works } = this.#parts
    const { catalog, book } = known
    const nowMs = this.#parts.nowMs()
    const due = await database.read('look for what is due', async (transaction) => {
      await catalog.refresh(transaction)
      return findDue(transaction, { catalog, book, nowMs, max: budget })
    })
    if (due.numbers.length + due.holders.length + due.idle.length > 0) {
      const alone = due.holders.length + due.idle.length > 0
      await works.run('apply what is due', { qids: due.qids, alone }, (image) => applyDue(image, due, budget))
    }
    const { next, came } = await database.read('look for what is due', async (transaction) => ({
      next: await nextDue(transaction, { catalog, book, nowMs }),
      came: await cameBetween(transaction, catalog, { afterMs: this.#toldMs, nowMs }),
    }))
    this.#toldMs = nowMs
    known.dueAtMs = next
    known.hintOf(came)
  }
}
