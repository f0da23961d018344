/** What SNS remembers beside exchanges and bindings, as JSON in records under `spindle/sns/`. */
export const RECORD_PREFIX = 'spindle/sns/'

export function encodeRecord(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value), 'utf8')
}

/** Only this front end writes these records, so what is read is what was written. */
export function decodeRecord<T>(value: Uint8Array): T {
  return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')) as T
}
