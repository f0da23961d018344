/** One message in one queue, as a value, and as the row of `live` or `parked` that keeps it. */
import { type Life, type LifeState, nextEvent } from '../../model/lifecycle.ts'
import { PRIORITY_MAX } from '../../model/limits.ts'
import type { Death, MessageState } from '../../model/message.ts'

export interface Entry {
  /** The counter of its id. */
  readonly number: number
  readonly qid: number
  readonly rank: number
  readonly sequence: number
  readonly slot: number
  readonly content: number
  readonly bytes: number
  readonly groupId: string | undefined
  readonly dedupId: string | undefined
  readonly enqueuedAtMs: number
  readonly life: Life
  /** Grows with each change of any entry that ends; says which of two ended first. */
  readonly change: number
}

export type Place = Pick<Entry, 'rank' | 'sequence'>

export const stateCodes = { ready: 0, leased: 1, delayed: 2, done: 3, dead: 4 } as const satisfies Record<
  MessageState,
  number
>
const stateNames = ['ready', 'leased', 'delayed', 'done', 'dead'] as const

export interface EntryRow {
  readonly qid: number
  readonly rank: number
  readonly ord: number
  readonly id: number
  readonly slot: number
  readonly content: number
  readonly bytes: number
  readonly state: number
  readonly enqueued: number
  /** leased: end of the clock lease; delayed: when it is due; done, dead: end of the retention. */
  readonly until: number | null
  /** leased: its fence token; ready: that of the lease that ran out in silence. */
  readonly token: number | null
  readonly holder: string | null
  readonly from_dead: boolean | null
  readonly attempts: number
  readonly deliveries: number
  readonly expires: number | null
  readonly first_leased: number | null
  readonly gid: string | null
  readonly dedup: string | null
  /** JSON as text: jsonb would refuse a NUL in a routing key. */
  readonly history: string | null
  readonly note: Uint8Array | null
  readonly kept: Uint8Array | null
  readonly ended: number | null
  readonly change: number | null
}

/** The columns of an entry, of the table or view named `e`. */
export const ENTRY_COLUMNS = `e.qid, e.rank, e.ord, e.id, e.slot, e.content, e.bytes, e.state, e.enqueued, e.until, e.token, e.holder,
  e.from_dead, e.attempts, e.deliveries, e.expires, e.first_leased, e.gid, e.dedup, e.history, e.note, e.kept, e.ended, e.change`

export function entryOf(row: EntryRow): Entry {
  return {
    number: row.id,
    qid: row.qid,
    rank: row.rank,
    sequence: row.ord,
    slot: row.slot,
    content: row.content,
    bytes: row.bytes,
    groupId: row.gid ?? undefined,
    dedupId: row.dedup ?? undefined,
    enqueuedAtMs: row.enqueued,
    change: row.change ?? 0,
    life: {
      state: stateOfRow(row),
      attempts: row.attempts,
      deliveries: row.deliveries,
      expiresMs: row.expires ?? undefined,
      history: historyOf(row.history),
      note: bytesOf(row.note),
      firstLeasedAtMs: row.first_leased ?? undefined,
    },
  }
}

const NO_DEATHS: readonly Death[] = []

export function historyOf(json: string | null): readonly Death[] {
  return json === null ? NO_DEATHS : (JSON.parse(json) as Death[])
}

function stateOfRow(row: EntryRow): LifeState {
  const name = stateNames[row.state]
  switch (name) {
    case 'ready':
      return { kind: name, lapsedToken: row.token ?? undefined }
    case 'leased':
      return {
        kind: name,
        token: expected(row.token),
        endMs: row.until ?? undefined,
        holder: row.holder ?? undefined,
        fromDead: row.from_dead ?? false,
      }
    case 'delayed':
      return { kind: name, dueMs: expected(row.until) }
    case 'done':
      return {
        kind: name,
        kept: expected(bytesOf(row.kept)),
        endedAtMs: expected(row.ended),
        untilMs: row.until ?? undefined,
      }
    case 'dead':
      return { kind: name, endedAtMs: expected(row.ended), untilMs: row.until ?? undefined }
    case undefined:
      throw new Error(`invariant: a message of state ${row.state}`)
    default:
      return name satisfies never
  }
}

function expected<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('invariant: a column that its state needs is empty')
  return value
}

/** Buffers as plain arrays of bytes, which is what callers compare and keep; over the same memory. */
export function bytesOf(value: Uint8Array): Uint8Array
export function bytesOf(value: Uint8Array | null): Uint8Array | undefined
export function bytesOf(value: Uint8Array | null): Uint8Array | undefined {
  return value === null ? undefined : new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}

/** As JSON that `json_populate_recordset` reads: bytes in hexadecimal. `due` is only of `parked`. */
export function rowOf(entry: Entry): Record<string, unknown> {
  const { life } = entry
  const { state } = life
  const row: Record<string, unknown> = {
    qid: entry.qid,
    rank: entry.rank,
    ord: entry.sequence,
    id: entry.number,
    slot: entry.slot,
    content: entry.content,
    bytes: entry.bytes,
    state: stateCodes[stateOf(entry)],
    enqueued: entry.enqueuedAtMs,
    attempts: life.attempts,
    deliveries: life.deliveries,
    expires: life.expiresMs,
    first_leased: life.firstLeasedAtMs,
    gid: entry.groupId,
    dedup: entry.dedupId,
    history: life.history.length === 0 ? undefined : JSON.stringify(life.history),
    note: life.note === undefined ? undefined : hex(life.note),
    change: entry.change,
    due: isParked(entry) ? nextEvent(life)?.atMs : undefined,
  }
  switch (state.kind) {
    case 'ready':
      return { ...row, token: state.lapsedToken }
    case 'leased':
      return { ...row, token: state.token, until: state.endMs, holder: state.holder, from_dead: state.fromDead }
    case 'delayed':
      return { ...row, until: state.dueMs }
    case 'done':
      return { ...row, until: state.untilMs, kept: hex(state.kept), ended: state.endedAtMs }
    case 'dead':
      return { ...row, until: state.untilMs, ended: state.endedAtMs }
    case 'gone':
      throw new Error('invariant: a row of a message that is gone')
    default:
      return state satisfies never
  }
}

export function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`
}

export function stateOf(entry: Entry): MessageState {
  const { kind } = entry.life.state
  if (kind === 'gone') throw new Error('invariant: an entry that is gone has no place in a store')
  return kind
}

/** Not ended yet: it counts for `lengthMax`, holds its dedup key and stands in its group's line. */
export function isLive(entry: Entry): boolean {
  const { kind } = entry.life.state
  return kind === 'delayed' || kind === 'ready' || kind === 'leased'
}

/** Kept in `parked`, out of the way of claims. */
export function isParked(entry: Entry): boolean {
  const { kind } = entry.life.state
  return kind !== 'ready' && kind !== 'leased'
}

/** The order in which a queue serves. */
export function byPlace(a: Place, b: Place): number {
  return a.rank - b.rank || a.sequence - b.sequence
}

export function rankOf(priority: number): number {
  return PRIORITY_MAX - priority
}

export function priorityOf({ rank }: { readonly rank: number }): number {
  return PRIORITY_MAX - rank
}
