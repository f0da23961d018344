/** Live messages of queues with caps, by state: counted by the server once, and kept up as messages are put. */
import { type Entry, isLive } from './entry.ts'
import type { UndoLog } from './known-rows.ts'
import type { Transaction } from './transaction.ts'

/** What the caps of a queue count. */
export interface Tally {
  delayed: number
  ready: number
  leased: number
  delayedBytes: number
  readyBytes: number
  leasedBytes: number
}

export class Tallies {
  readonly #undo: UndoLog
  readonly #known = new Map<number, Tally>()

  constructor(undo: UndoLog) {
    this.#undo = undo
  }

  get(qid: number): Tally | undefined {
    return this.#known.get(qid)
  }

  /** As the server has it: whatever was put before has to be written. */
  async load(transaction: Transaction, qid: number): Promise<Tally> {
    const [row] = await transaction.rows<Tally>(
      `select count(*) filter (where state = 2) as "delayed", count(*) filter (where state = 0) as "ready",
         count(*) filter (where state = 1) as "leased",
         coalesce(sum(bytes) filter (where state = 2), 0)::bigint as "delayedBytes",
         coalesce(sum(bytes) filter (where state = 0), 0)::bigint as "readyBytes",
         coalesce(sum(bytes) filter (where state = 1), 0)::bigint as "leasedBytes"
       from (select state, bytes from spindle.live where qid = $1
             union all select state, bytes from spindle.parked where qid = $1 and state = 2) e`,
      qid,
    )
    if (row === undefined) throw new Error('invariant: an aggregate without a row')
    this.#known.set(qid, row)
    return row
  }

  /** `after` is where `before` was; undefined: nothing was, or is. */
  put(qid: number, before: Entry | undefined, after: Entry | undefined): void {
    const tally = this.#known.get(qid)
    if (tally === undefined) return
    const move = (by: number): void => {
      add(tally, before, -by)
      add(tally, after, by)
    }
    move(1)
    this.#undo.note(() => move(-1))
  }

  forget(): void {
    this.#known.clear()
  }
}

function add(tally: Tally, entry: Entry | undefined, by: number): void {
  if (entry === undefined || !isLive(entry)) return
  const kind = entry.life.state.kind as 'delayed' | 'ready' | 'leased'
  tally[kind] += by
  tally[`${kind}Bytes`] += by * entry.bytes
}
