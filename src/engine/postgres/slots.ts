/**
 * Turning the slots of bodies: one that is full gives way to an empty one; one that is nearly unused is emptied, so that a single old
 * message does not keep 64 MiB. One broker at a time does it, whoever is first when it is time.
 */
import type { Database } from './database.ts'
import { codeOf } from './faults.ts'
import { SLOTS } from './schema.ts'

/** Messages that are moved out of a slot to free it; with more left it waits. */
const STRAGGLERS_MAX = 20_000
const STRAGGLERS_AT_ONCE = 2_000
const TURN_MS = 5_000

export interface SlotParts {
  readonly database: Database
  readonly lockClass: number
  readonly nowMs: () => number
  /** A slot of this size gives way. */
  readonly slotBytes: number
}

export class Slots {
  readonly #parts: SlotParts
  #turnedMs = Number.NEGATIVE_INFINITY

  constructor(parts: SlotParts) {
    this.#parts = parts
  }

  async tick(): Promise<void> {
    const { database, nowMs } = this.#parts
    const at = nowMs()
    if (at - this.#turnedMs < TURN_MS) return
    this.#turnedMs = at
    const elected = await database.read('look after the slots', (transaction) =>
      transaction.run('update spindle.catalog c set rotated = $1 where c.rotated <= $2', at, at - TURN_MS),
    )
    if (elected > 0) await this.turn()
  }

  async turn(): Promise<void> {
    const { database, lockClass, slotBytes } = this.#parts
    const sizes = await database.read('look after the slots', (transaction) =>
      transaction.rows<{ slot: number; current: number; empty: boolean; bytes: number }>(SIZES),
    )
    const current = sizes[0]?.current ?? 0
    const full = (sizes.find(({ slot }) => slot === current)?.bytes ?? 0) >= slotBytes
    const next = sizes.find(({ slot, empty }) => empty && slot !== current)?.slot
    const slot = full && next !== undefined ? next : current
    if (slot !== current) {
      await database.read('take another slot', (transaction) =>
        transaction.run('update spindle.catalog c set slot = $1::smallint where c.slot = $2', slot, current),
      )
    }
    const old = sizes.filter(({ slot: which, empty }) => !empty && which !== slot && which !== current)
    if (old.length === 0) return
    const uses = await database.read('look after the slots', (transaction) =>
      transaction.rows<{ slot: number; qid: number; count: number }>(USES, slot),
    )
    for (const { slot: which } of old) {
      const here = uses.filter((use) => use.slot === which)
      if (here.reduce((sum, { count }) => sum + count, 0) > STRAGGLERS_MAX) continue
      for (const { qid, count } of here) {
        for (let left = count; left > 0; left -= STRAGGLERS_AT_ONCE) {
          await database.read('empty a slot', (transaction) =>
            transaction.run(
              'select spindle.evacuate($1::int, $2::int, $3::smallint, $4::smallint, $5::int)',
              lockClass,
              qid,
              which,
              slot,
              STRAGGLERS_AT_ONCE,
            ),
          )
        }
      }
      await this.#reclaim(which)
    }
  }

  async #reclaim(slot: number): Promise<void> {
    const { database } = this.#parts
    await database
      .attempt('reclaim a slot', (transaction) => transaction.run('select spindle.reclaim($1::smallint)', slot))
      .catch((fault: unknown) => {
        // Somebody reads it, or a transaction that wrote into it is open still: the next turn tries again.
        if (codeOf(fault) !== '55P03') throw fault
      })
  }
}

const SIZES = `select s.slot::int as slot, (select c.slot from spindle.catalog c) as current, pg_relation_size(r.oid) = 0 as empty, pg_total_relation_size(r.oid) as bytes
  from generate_series(0, ${SLOTS - 1}) s(slot)
  join pg_inherits i on i.inhparent = 'spindle.body'::regclass
  join pg_class r on r.oid = i.inhrelid and r.relname = 'body_' || s.slot order by s.slot`

const USES = `select e.slot, e.qid, count(*) as count from (
    select l.slot, l.qid from spindle.live l where l.slot <> $1
    union all select p.slot, p.qid from spindle.parked p where p.slot <> $1
  ) e group by e.slot, e.qid`
