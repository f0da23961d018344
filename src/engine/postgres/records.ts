/** Records as they are stored, for who reads them outside of a unit. */
import type { StoredRecord } from '../engine.ts'
import { bytesOf } from './entry.ts'
import { keyBytes, keyText } from './image-parts.ts'
import type { Transaction } from './transaction.ts'

/** Records that one scan answers with at most. */
const SCAN_MAX = 10_000

interface RecordRow {
  readonly key: Buffer
  readonly value: Buffer
  readonly version: number
}

export async function readRecord(transaction: Transaction, key: string): Promise<StoredRecord | undefined> {
  const [record] = await transaction.rows<RecordRow>(
    'select r.key, r.value, r.version from spindle.record r where r.key = $1',
    keyBytes(key),
  )
  return record === undefined ? undefined : recordOf(record)
}

/** In the order of their keys. */
export async function scanRecords(
  transaction: Transaction,
  { prefix, after, limit }: { readonly prefix: string; readonly after?: string | undefined; readonly limit: number },
): Promise<StoredRecord[]> {
  const from = keyBytes(prefix)
  const records = await transaction.rows<RecordRow>(
    `select r.key, r.value, r.version from spindle.record r
     where r.key >= $1 and substring(r.key for $2::int) = $1 and ($3::bytea is null or r.key > $3) order by r.key limit $4`,
    from,
    from.length,
    after === undefined ? null : keyBytes(after),
    Math.min(limit, SCAN_MAX),
  )
  return records.map(recordOf)
}

function recordOf({ key, value, version }: RecordRow): StoredRecord {
  return { key: keyText(key), value: bytesOf(value), version }
}
