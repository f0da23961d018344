/** `parts` one after the other, `bytes` in all. Without Node, in a browser, it does what Buffer does there. */
export function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  if (typeof Buffer !== 'undefined') return Buffer.concat(parts, bytes)
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
