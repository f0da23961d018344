/** What SQS remembers of a queue beside its policy: one record, written in the unit that creates or changes the queue. */
import { utf8Text } from '../../model/bytes.ts'
import type { Attributes } from './queue-attributes.ts'

export interface QueueRecord {
  /** Those in force, defaults included. */
  readonly attributes: Attributes
  readonly tags: Readonly<Record<string, string>>
  readonly createdAtMs: number
  readonly modifiedAtMs: number
}

const PREFIX = 'spindle/sqs/queue/'

export function recordKey(storeName: string): string {
  return PREFIX + storeName
}

export function encodeRecord(record: QueueRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record), 'utf8')
}

/** undefined: a record that another version wrote and this one cannot read. */
export function decodeRecord(value: Uint8Array): QueueRecord | undefined {
  try {
    const parsed: unknown = JSON.parse(utf8Text(value))
    if (typeof parsed !== 'object' || parsed === null) return undefined
    const { attributes, tags, createdAtMs, modifiedAtMs } = parsed as Record<string, unknown>
    if (typeof createdAtMs !== 'number' || typeof modifiedAtMs !== 'number') return undefined
    return { attributes: texts(attributes), tags: texts(tags), createdAtMs, modifiedAtMs }
  } catch {
    return undefined
  }
}

function texts(value: unknown): Readonly<Record<string, string>> {
  const read = Object.create(null) as Record<string, string>
  if (typeof value !== 'object' || value === null) return read
  for (const [name, text] of Object.entries(value)) if (typeof text === 'string') read[name] = text
  return read
}
