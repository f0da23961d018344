/** What callers see of an entry and of a queue. */
import { SpindleError } from '../../model/errors.ts'
import type { Now } from '../../model/lifecycle.ts'
import type { Content, MessageId, MessageView } from '../../model/message.ts'
import { formatId, type StoreTag } from '../../model/message-id.ts'
import type { BrowsePage, BrowseRequest } from '../engine.ts'
import { bytesOf, ENTRY_COLUMNS, type Entry, type EntryRow, entryOf, priorityOf, stateCodes, stateOf } from './entry.ts'
import type { Transaction } from './transaction.ts'

const PAGE_MAX = 1_000

/** What a view needs beside its entry. */
export interface Seen {
  readonly now: Now
  readonly tag: StoreTag
}

export function viewOf({ now, tag }: Seen, of: { name: string; entry: Entry; content: Content }): MessageView {
  const { name, entry, content } = of
  const { life } = entry
  const { state } = life
  const dueMs = state.kind === 'delayed' ? state.dueMs : state.kind === 'leased' ? state.endMs : undefined
  return {
    id: formatId(tag, entry.number),
    queue: name,
    state: stateOf(entry),
    content,
    priority: priorityOf(entry),
    sequence: entry.sequence,
    groupId: entry.groupId,
    dedupId: entry.dedupId,
    attempts: life.attempts,
    deliveries: life.deliveries,
    enqueuedAtMs: entry.enqueuedAtMs,
    dueAtMs: dueMs === undefined ? undefined : wallOf(now, dueMs),
    expiresAtMs: life.expiresMs === undefined ? undefined : wallOf(now, life.expiresMs),
    history: life.history,
    note: life.note,
    kept: state.kind === 'done' ? state.kept : undefined,
    firstLeasedAtMs: life.firstLeasedAtMs,
    endedAtMs: state.kind === 'done' || state.kind === 'dead' ? state.endedAtMs : undefined,
  }
}

/** The wall instant of a monotonic one, as the clocks stand now. */
export function wallOf(now: Now, monotonicMs: number): number {
  return Math.round(now.wallMs + (monotonicMs - now.monotonicMs))
}

interface Contents {
  of(entry: Pick<Entry, 'slot' | 'content'>): Content
}

/** Reads the contents of these entries at once. */
export async function contentsOf(
  transaction: Transaction,
  entries: readonly Pick<Entry, 'slot' | 'content'>[],
): Promise<Contents> {
  const found = new Map<number, Content>()
  if (entries.length > 0) {
    const rows = await transaction.rows<{ content: number; head: Buffer; body: Buffer }>(
      `select b.content, b.head, b.body from unnest($1::smallint[], $2::bigint[]) w(slot, content)
       join spindle.body b on b.slot = w.slot and b.content = w.content`,
      entries.map(({ slot }) => slot),
      entries.map(({ content }) => content),
    )
    for (const { content, head, body } of rows) found.set(content, { head: bytesOf(head), body: bytesOf(body) })
  }
  return {
    of({ slot, content }) {
      const there = found.get(content)
      if (there === undefined) throw new Error(`invariant: content ${content} is not in slot ${slot}`)
      return there
    },
  }
}

export async function browse(transaction: Transaction, seen: Seen, request: BrowseRequest): Promise<BrowsePage> {
  const { queue: name, limit } = request
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw invalid(request, `limit is ${limit} but must be 1 to ${PAGE_MAX}`)
  }
  const states = [...new Set(request.states)]
  const cursor = parseCursor(request)
  const entries: { entry: Entry; stateAt: number }[] = []
  for (let stateAt = cursor?.stateAt ?? 0; stateAt < states.length && entries.length <= limit; stateAt++) {
    const state = states[stateAt]
    if (state === undefined) break
    const after = cursor?.stateAt === stateAt ? cursor : undefined
    const rows = await transaction.rows<EntryRow>(
      state === 'ready' || state === 'leased' ? PAGE_OF_LIVE : PAGE_OF_PARKED,
      name,
      stateCodes[state],
      after?.rank ?? -1,
      after?.sequence ?? 0,
      limit + 1 - entries.length,
    )
    for (const row of rows) entries.push({ entry: entryOf(row), stateAt })
  }
  const page = entries.slice(0, limit)
  const contents = await contentsOf(
    transaction,
    page.map(({ entry }) => entry),
  )
  const last = page.at(-1)
  return {
    messages: page.map(({ entry }) => viewOf(seen, { name, entry, content: contents.of(entry) })),
    cursor:
      last === undefined || entries.length <= limit
        ? undefined
        : `${last.stateAt}.${last.entry.rank}.${last.entry.sequence}`,
  }
}

const pageOf = (table: string): string => `select ${ENTRY_COLUMNS} from spindle.${table} e
  where e.qid = (select q.qid from spindle.queue q where q.name = $1) and e.state = $2
    and (e.rank, e.ord) > ($3::smallint, $4::bigint)
  order by e.rank, e.ord limit $5`
const PAGE_OF_LIVE = pageOf('live')
const PAGE_OF_PARKED = pageOf('parked')

function parseCursor(request: BrowseRequest): { stateAt: number; rank: number; sequence: number } | undefined {
  if (request.cursor === undefined) return undefined
  const parts = /^(\d{1,2})\.(\d{1,3})\.(\d{1,16})$/.exec(request.cursor)
  if (parts === null) throw invalid(request, 'the cursor is not one that a page gave')
  return { stateAt: Number(parts[1]), rank: Number(parts[2]), sequence: Number(parts[3]) }
}

function invalid({ queue }: BrowseRequest, what: string): SpindleError {
  return new SpindleError('invalid-argument', `browse '${queue}': ${what}`)
}

export async function find(
  transaction: Transaction,
  seen: Seen,
  { id, number }: { readonly id: MessageId; readonly number: number | undefined },
): Promise<MessageView | undefined> {
  if (number === undefined) return undefined
  const [row] = await transaction.rows<EntryRow & { name: string }>(
    `select ${ENTRY_COLUMNS}, q.name from (
       select ${ENTRY_COLUMNS} from spindle.live e where e.id = $1
       union all select ${ENTRY_COLUMNS} from spindle.parked e where e.id = $1
     ) e join spindle.queue q on q.qid = e.qid`,
    number,
  )
  if (row === undefined) return undefined
  const entry = entryOf(row)
  const contents = await contentsOf(transaction, [entry])
  const view = viewOf(seen, { name: row.name, entry, content: contents.of(entry) })
  return view.id === id ? view : undefined
}
