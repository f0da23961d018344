/** Looking for messages: a filter as a predicate, and the walk over a queue that it is asked in, in bounded portions. */
import type { Port } from '../../broker/port.ts'
import { decodeHead } from '../../model/content.ts'
import type { MessageId, MessageState, MessageView } from '../../model/message.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { MessageFilter } from './api.ts'

/** One look at a queue ends after so many messages or so long, whichever is first. */
const LOOKED_MAX = 20_000
const LOOK_MS = 200
const PAGE = 200

export interface Look {
  readonly found: readonly MessageView[]
  readonly looked: number
  /** undefined: that was all. */
  readonly cursor: string | undefined
}

interface LookRequest {
  readonly queue: string
  readonly filter: MessageFilter
  readonly states: readonly MessageState[]
  /** Ends the look when so many are found. */
  readonly limit: number
  readonly cursor?: string | undefined
}

/**
 * Where a look ends in the middle of a page of the store, its cursor would lose the rest: pages are asked for one by one, and as small as
 * what is still wanted where nothing is filtered.
 */
export async function lookFor(
  { port, clock }: { readonly port: Port; readonly clock: Clock },
  { queue, filter, states, limit, cursor: from }: LookRequest,
): Promise<Look> {
  const matches = matcherOf(filter, clock.wallMs())
  if (filter.ids !== undefined) {
    const views = await Promise.all(filter.ids.map((id) => port.find(id as MessageId)))
    const found = views.flatMap((view) => (view !== undefined && view.queue === queue && matches(view) ? [view] : []))
    return { found: found.filter(({ state }) => states.includes(state)), looked: views.length, cursor: undefined }
  }
  const endMs = clock.monotonicMs() + LOOK_MS
  const found: MessageView[] = []
  let looked = 0
  let cursor = from
  do {
    // A page is never larger than what may still be found, so that none is passed over.
    const page = await port.browse({
      queue,
      states,
      limit: Math.min(PAGE, limit - found.length),
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const view of page.messages) if (matches(view)) found.push(view)
    looked += page.messages.length
    cursor = page.cursor
  } while (cursor !== undefined && found.length < limit && looked < LOOKED_MAX && clock.monotonicMs() < endMs)
  return { found, looked, cursor }
}

function matcherOf(filter: MessageFilter, nowMs: number): (view: MessageView) => boolean {
  const { type, group, header, reason, error, diedIn, olderThanMs, newerThanMs } = filter
  const text = filter.text?.toLowerCase()
  const [headerName, headerValue] = splitHeader(header)
  return (view) => {
    const ageMs = nowMs - view.enqueuedAtMs
    if (olderThanMs !== undefined && ageMs < olderThanMs) return false
    if (newerThanMs !== undefined && ageMs > newerThanMs) return false
    if (group !== undefined && view.groupId !== group) return false
    const death = view.history.at(-1)
    if (reason !== undefined && death?.reason !== reason) return false
    if (diedIn !== undefined && death?.queue !== diedIn) return false
    if (error !== undefined && errorOf(view)?.name !== error) return false
    if (type === undefined && headerName === undefined && text === undefined) return true
    const head = decodeHead(view.content.head)
    if (type !== undefined && head.type !== type) return false
    if (headerName !== undefined) {
      const value = head.headers[headerName]
      if (value === undefined || (headerValue !== undefined && String(value) !== headerValue)) return false
    }
    return text === undefined || holdsText(view, head.headers, text)
  }
}

/** What the note of the latest attempt says: an error of a task as JSON, or plain words. */
export function errorOf({ note }: Pick<MessageView, 'note'>): { name: string | null; message: string } | undefined {
  if (note === undefined) return undefined
  const text = Buffer.from(note).toString('utf8')
  try {
    const parsed = JSON.parse(text) as { name?: unknown; message?: unknown } | null
    if (typeof parsed?.message === 'string') {
      return { name: typeof parsed.name === 'string' ? parsed.name : null, message: parsed.message }
    }
  } catch {
    // Plain words.
  }
  return { name: null, message: text }
}

function splitHeader(header: string | undefined): [string | undefined, string | undefined] {
  if (header === undefined) return [undefined, undefined]
  const colon = header.indexOf(':')
  return colon < 0 ? [header, undefined] : [header.slice(0, colon), header.slice(colon + 1).trim()]
}

function holdsText(view: MessageView, headers: Readonly<Record<string, unknown>>, text: string): boolean {
  if (view.id.includes(text)) return true
  const { body } = view.content
  if (Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8').toLowerCase().includes(text)) return true
  if (errorOf(view)?.message.toLowerCase().includes(text) === true) return true
  return Object.entries(headers).some(
    ([name, value]) => name.toLowerCase().includes(text) || String(value).toLowerCase().includes(text),
  )
}
