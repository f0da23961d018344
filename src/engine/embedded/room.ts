/**
 * What a full disk leaves. Leases, settles and what time does may use the space that is held back, but never more of it than there
 * is: half a verb would leave the index ahead of the journal, and that poisons the store. So they ask first, and what could be of any size
 * is cut into pieces.
 */
import type { Unit } from '../engine.ts'
import type { Core } from './core.ts'
import { State } from './index/slots.ts'
import type { Journal, RecordRoom } from './journal/journal.ts'
import { appends, recordBytesOf } from './units.ts'

/** What one lease, or one thing that time does, writes at most: a name, or a history and a failed event. */
const LEASE_BYTES = 320
const DUE_BYTES = 2_048
/** Ends of leases in one record. */
const ENDS = [20_000, 2_000, 200]

export class Room {
  readonly #core: Core
  readonly #journal: Journal

  constructor(core: Core, journal: Journal) {
    this.#core = core
    this.#journal = journal
  }

  /** Transitions that may be applied in one record. */
  dueMax(budget: number): number {
    return this.#journal.diskIsFull ? Math.min(budget, this.#share(DUE_BYTES)) : budget
  }

  /** Ends of leases for which there is room for sure; 0: not before `makeForEnds`. */
  endsMax(): number {
    for (const ends of ENDS) if (this.#journal.hasRoom(ends * DUE_BYTES, 'settle')) return ends
    return this.#journal.hasRoom(this.#journal.settleRoomBytes, 'settle') ? this.#share(DUE_BYTES) : 0
  }

  /** false: the disk is full. */
  makeForEnds(): Promise<boolean> {
    return this.#journal.makeRoom(this.#journal.settleRoomBytes, 'settle')
  }

  /** Leases that one call may grant. */
  leasesMax(max: number): number {
    return this.#journal.diskIsFull ? Math.min(max, this.#share(LEASE_BYTES)) : max
  }

  /** Is there room for the unit's record now? */
  hasFor(unit: Unit): boolean {
    return this.#journal.hasRoom(this.#bytesOf(unit), kindOf(unit))
  }

  /** Waits until there is; false: the disk is full. */
  makeFor(unit: Unit): Promise<boolean> {
    return this.#journal.makeRoom(this.#bytesOf(unit), kindOf(unit))
  }

  #bytesOf(unit: Unit): number {
    let bytes = recordBytesOf(unit)
    for (const op of unit.ops) {
      const queue = op.kind === 'purge' ? this.#core.byName.get(op.queue) : undefined
      if (queue !== undefined) bytes += 8 * (queue.waiting + queue.count(State.done) + queue.count(State.dead))
    }
    return bytes
  }

  #share(bytes: number): number {
    return Math.max(1, Math.floor(this.#journal.settleRoomBytes / bytes))
  }
}

/** May the record use what is held back? */
function kindOf(unit: Unit): RecordRoom {
  return appends(unit) ? 'append' : 'settle'
}
