/**
 * MD5 of message attributes, by which clients check what they sent and got.
 *
 *   for each attribute, by name in code-unit order:
 *     u32be length, name (UTF-8) | u32be length, full data type | 1 (String, Number) or 2 (Binary) | u32be length, value
 */
import { createHash, hash } from 'node:crypto'

export interface HashedAttribute {
  readonly name: string
  readonly dataType: string
  readonly value: string | Uint8Array
}

/** 32 hex digits; undefined when there are no attributes. */
export function attributesMd5(attributes: readonly HashedAttribute[]): string | undefined {
  if (attributes.length === 0) return undefined
  const md5 = createHash('md5')
  const length = Buffer.alloc(4)
  const add = (bytes: Uint8Array): void => {
    length.writeUInt32BE(bytes.length)
    md5.update(length).update(bytes)
  }
  for (const { name, dataType, value } of [...attributes].sort(byName)) {
    add(Buffer.from(name, 'utf8'))
    add(Buffer.from(dataType, 'utf8'))
    md5.update(typeof value === 'string' ? TEXT_MARK : BINARY_MARK)
    add(typeof value === 'string' ? Buffer.from(value, 'utf8') : value)
  }
  return md5.digest('hex')
}

/** MD5 of a body's UTF-8 bytes, 32 hex digits. */
export function md5Hex(body: string | Uint8Array): string {
  return hash('md5', body, 'hex')
}

const TEXT_MARK = Uint8Array.of(1)
const BINARY_MARK = Uint8Array.of(2)

function byName(a: HashedAttribute, b: HashedAttribute): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
