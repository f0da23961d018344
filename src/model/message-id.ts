/**
 * Ids of messages: UUIDs of version 8, made of the store's tag and a counter, so that an id leads to its message by
 * arithmetic and ids of two stores never meet.
 *
 *   tttttttt-tttt-8ttt-8nnn-nnnnnnnnnnnn     t: 60 bits of tag     n: 60 bits of counter
 *                 |    '-- variant 10, two zero bits
 *                 '-- version 8
 *
 * Ids of one store sort as their counters do.
 */
import type { MessageId } from './message.ts'

declare const brand: unique symbol
/** The part that all ids of one store begin with. */
export type StoreTag = string & { readonly [brand]: 'StoreTag' }

/** Bytes that `storeTag` takes. */
export const TAG_BYTES = 8
const ID_LENGTH = 36
/** Characters of an id that are its store's. */
export const TAG_LENGTH = 20
const LOW_DIGITS = 12
const LOW_VALUES = 2 ** 48

/** A tag from 8 random bytes, which the store keeps for its life; four of their bits give way to the version. */
export function storeTag(bytes: Uint8Array): StoreTag {
  if (bytes.length !== TAG_BYTES) throw new RangeError(`storeTag takes ${TAG_BYTES} bytes, not ${bytes.length}`)
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13)}-8` as StoreTag
}

/** A store that goes on where another one ended: its ids begin as that one's do, and its numbers come behind. */
export interface Founding {
  readonly tag: StoreTag
  readonly tagBytes: Uint8Array
  /** The first number it gives. */
  readonly firstNumber: number
}

/** Numbers left free between a store and its successor: what the old one still gave meanwhile is nobody's. */
const SUCCESSION_GAP = 1_000_000

/** `id`: one that the old store gave. Throws RangeError. */
export function foundingOf(id: MessageId): Founding {
  const tag = id.slice(0, TAG_LENGTH) as StoreTag
  const number = parseId(tag, id)
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8$/.test(tag) || number === undefined) {
    throw new RangeError(`foundingOf takes an id, not ${id}`)
  }
  const hex = `${tag.slice(0, 8)}${tag.slice(9, 13)}0${tag.slice(15, 18)}`
  const tagBytes = Uint8Array.from({ length: TAG_BYTES }, (_, at) => Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16))
  return { tag, tagBytes, firstNumber: number + SUCCESSION_GAP }
}

/** `n`: 0 to Number.MAX_SAFE_INTEGER. */
export function formatId(tag: StoreTag, n: number): MessageId {
  if (n < LOW_VALUES) return `${tag}000-${n.toString(16).padStart(LOW_DIGITS, '0')}` as MessageId
  const high = Math.floor(n / LOW_VALUES)
  return `${tag}${high.toString(16).padStart(3, '0')}-${(n - high * LOW_VALUES).toString(16).padStart(LOW_DIGITS, '0')}` as MessageId
}

/** The counter of an id; undefined: it is not one that this store can have given. */
export function parseId(tag: StoreTag, id: string): number | undefined {
  if (id.length !== ID_LENGTH || !id.startsWith(tag)) return undefined
  let n = 0
  for (let at = tag.length; at < ID_LENGTH; at++) {
    const code = id.charCodeAt(at)
    if (at === 23) {
      if (code !== 45) return undefined
    } else if (code >= 48 && code <= 57) n = n * 16 + (code - 48)
    else if (code >= 97 && code <= 102) n = n * 16 + (code - 87)
    else return undefined
  }
  return n <= Number.MAX_SAFE_INTEGER ? n : undefined
}
