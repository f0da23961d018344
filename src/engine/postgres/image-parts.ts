/** What an image is told, and how it names rows. */
import type { Death } from '../../model/message.ts'

export interface Arrival {
  readonly number?: number | undefined
  readonly content: ContentPlace
  readonly rank: number
  readonly groupId: string | undefined
  readonly dedupId: string | undefined
  readonly delayMs?: number | undefined
  readonly ttlMs?: number | undefined
  readonly history: readonly Death[]
  readonly note?: Uint8Array | undefined
}

/** Where a content is, or will be once it is flushed. */
export interface ContentPlace {
  readonly slot: number
  readonly content: number
  readonly bytes: number
}

export interface DedupKey {
  readonly number: number
  /** undefined: while the message is live. */
  readonly untilMs: number | undefined
}

export interface KnownRecord {
  readonly value: Uint8Array
  readonly version: number
}

export function groupKey(qid: number, groupId: string): string {
  return `${qid}:${groupId}`
}

export function dedupKey(qid: number, key: string): string {
  return `${qid}:${key}`
}

/** Big-endian UTF-16, so that the server sorts keys as JavaScript does. */
export function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'utf16le').swap16()
}

export function keyText(bytes: Buffer): string {
  return Buffer.from(bytes).swap16().toString('utf16le')
}
