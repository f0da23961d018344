/** One message in one queue. Entries are values: a change puts a new one in the place of the old. */
import type { Life } from '../../model/lifecycle.ts'
import type { Content, MessageState } from '../../model/message.ts'

export interface Entry {
  /** The counter of its id. */
  readonly number: number
  /** Its place among those of its priority. */
  readonly sequence: number
  readonly queue: string
  readonly content: Content
  readonly priority: number
  readonly groupId: string | undefined
  readonly dedupId: string | undefined
  readonly enqueuedAtMs: number
  readonly life: Life
  /** Grows with each change of any entry; says which of two ended first. */
  readonly change: number
}

export type Place = Pick<Entry, 'priority' | 'sequence'>

/** The order in which a queue serves. */
export function byPlace(a: Place, b: Place): number {
  return b.priority - a.priority || a.sequence - b.sequence
}

export function byChange(a: Entry, b: Entry): number {
  return a.change - b.change
}

export function stateOf(entry: Entry): MessageState {
  const { kind } = entry.life.state
  if (kind === 'gone') throw new Error('an entry that is gone has no place in a store')
  return kind
}

/** Not ended yet: it counts for `lengthMax`, holds its dedup key and stands in its group's line. */
export function isLive(entry: Entry): boolean {
  const { kind } = entry.life.state
  return kind === 'delayed' || kind === 'ready' || kind === 'leased'
}

export function bytesOf({ content }: Pick<Entry, 'content'>): number {
  return content.body.length + content.head.length
}
