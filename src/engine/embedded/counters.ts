/** Counters are records that hold a decimal number in ASCII, so that `read` shows it. */
export function encodeCount(value: number): Uint8Array {
  return Buffer.from(String(value), 'latin1')
}

export function decodeCount(value: Uint8Array): number {
  const count = Number(Buffer.from(value).toString('latin1'))
  return Number.isFinite(count) ? count : 0
}
