/**
 * Text and bytes, wherever this runs: by Node's Buffer, which is several times as fast on the short texts of heads and notes, and in a
 * browser by what that has. Both give the same (test/model/bytes.test.ts).
 */
const NODE = typeof Buffer !== 'undefined'
const encoder = new TextEncoder()
// A byte order mark is three bytes of the text, as Buffer has it.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export const utf8Bytes: (text: string) => Uint8Array = NODE
  ? (text) => Buffer.from(text, 'utf8')
  : (text) => encoder.encode(text)

/** What is no UTF-8 becomes U+FFFD. */
export const utf8Text: (bytes: Uint8Array) => string = NODE
  ? (bytes) => asBuffer(bytes).toString('utf8')
  : (bytes) => decoder.decode(bytes)

/** How many bytes it has as UTF-8. */
export const utf8Length: (text: string) => number = NODE
  ? (text) => Buffer.byteLength(text, 'utf8')
  : (text) => encoder.encode(text).length

/** One character a byte: a key for maps. */
export const latin1Text: (bytes: Uint8Array) => string = NODE
  ? (bytes) => asBuffer(bytes).toString('latin1')
  : (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

export const base64Text: (bytes: Uint8Array) => string = NODE
  ? (bytes) => asBuffer(bytes).toString('base64')
  : (bytes) => btoa(latin1Text(bytes))

/** Of what `base64Text` gave. Never throws: of other text it makes what it can. */
export const base64Bytes: (text: string) => Uint8Array = NODE
  ? (text) => new Uint8Array(Buffer.from(text, 'base64'))
  : (text) => Uint8Array.from(atob(base64Only(text)), (character) => character.charCodeAt(0))

/** atob refuses what Buffer passes over. */
function base64Only(text: string): string {
  const clean = text.replaceAll(/[^A-Za-z0-9+/]/g, '')
  return clean.length % 4 === 1 ? clean.slice(0, -1) : clean
}

/** A view, not a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
