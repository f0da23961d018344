/** Ids of this store (model/message-id.ts), formatted without padding or radix conversion: one is made for each append and delivery. */

import type { MessageId } from '../../model/message.ts'
import { formatId as formatAny, parseId as parseAny, type StoreTag } from '../../model/message-id.ts'

/** What of the store an id depends on. */
export interface IdSource {
  readonly tag: StoreTag
  readonly idPrefix: string
  readonly nextNumber: number
}

const HEX = Array.from({ length: 65_536 }, (_, value) => value.toString(16).padStart(4, '0'))
const NUMBERS_32 = 2 ** 32

export function formatId(core: IdSource, number: number): MessageId {
  if (number >= NUMBERS_32) return formatAny(core.tag, number)
  return (core.idPrefix + HEX[number >>> 16] + HEX[number & 65_535]) as MessageId
}

/** The number of the id; 0: it is none of this store. */
export function parseId(core: IdSource, id: string): number {
  return parseAny(core.tag, id) ?? 0
}

/** As `parseId`, and 0 for numbers that were not given yet. */
export function givenNumber(core: IdSource, id: string): number {
  const number = parseId(core, id)
  return number < core.nextNumber ? number : 0
}

/** What ids below 2^32 begin with. */
export function idPrefixOf(tag: StoreTag): string {
  return `${tag}000-0000`
}
