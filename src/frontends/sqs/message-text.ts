/** What a body or an attribute's text may hold: #x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that SQS refuses
const SUSPECT = /[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const INVALID = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Cs}/u

export function hasInvalidCharacters(text: string): boolean {
  // The first test walks code units, which nearly every text passes; only then are surrogates paired up.
  return SUSPECT.test(text) && INVALID.test(text)
}
