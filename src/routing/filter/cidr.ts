/** Addresses and blocks of them, IPv4 and IPv6 (RFC 4632, RFC 4291). Families never match each other. */

/** 1 or 4 words of 32 bits, the highest first. */
type Address = readonly number[]

interface Block {
  readonly first: Address
  readonly last: Address
}

/** Longest text of an address, so that a long one is refused unread. */
const ADDRESS_CHARS_MAX = 45
const COLON = 58
const DOT = 46

/** Blocks are within each other or apart, never half: so of the sorted outer ones only one can hold an address. */
export class CidrSet {
  readonly #v4: readonly Block[]
  readonly #v6: readonly Block[]

  /** The texts have been judged. */
  constructor(cidrs: readonly string[]) {
    const blocks = cidrs.map(parseCidr).filter((block) => block !== undefined)
    this.#v4 = outermost(blocks.filter(({ first }) => first.length === 1))
    this.#v6 = outermost(blocks.filter(({ first }) => first.length === 4))
  }

  has(text: string): boolean {
    const address = parseAddress(text)
    if (address === undefined) return false
    const blocks = address.length === 1 ? this.#v4 : this.#v6
    let low = 0
    let high = blocks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compare(blocks[middle]?.first ?? [], address) <= 0) low = middle + 1
      else high = middle
    }
    const block = blocks[low - 1]
    return block !== undefined && compare(address, block.last) <= 0
  }
}

/** undefined: it is none. Bits behind the mask must be 0, as AWS asks. */
export function parseCidr(text: string): Block | undefined {
  const slash = text.indexOf('/')
  const first = parseAddress(text.slice(0, slash))
  const bits = /^\d{1,3}$/.test(text.slice(slash + 1)) ? Number(text.slice(slash + 1)) : -1
  if (slash < 0 || first === undefined || bits < 0 || bits > first.length * 32) return undefined
  const masks = first.map((_, word) => maskOf(bits - word * 32))
  if (first.some((word, at) => (word & ~(masks[at] ?? 0)) !== 0)) return undefined
  return { first, last: first.map((word, at) => (word | ~(masks[at] ?? 0)) >>> 0) }
}

function maskOf(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? 0xffff_ffff : (0xffff_ffff << (32 - bits)) >>> 0
}

function outermost(blocks: readonly Block[]): Block[] {
  const outer: Block[] = []
  for (const block of [...blocks].sort((a, b) => compare(a.first, b.first) || compare(b.last, a.last))) {
    const before = outer.at(-1)
    if (before === undefined || compare(block.first, before.last) > 0) outer.push(block)
  }
  return outer
}

function compare(a: Address, b: Address): number {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function parseAddress(text: string): Address | undefined {
  if (text.length > ADDRESS_CHARS_MAX) return undefined
  return text.includes(':') ? parseV6(text) : parseV4(text)
}

function parseV4(text: string): Address | undefined {
  const word = wordOfV4(text, 0)
  return word < 0 ? undefined : [word]
}

/** The dotted address from `from` to the end; -1: it is none. */
function wordOfV4(text: string, from: number): number {
  let word = 0
  let parts = 0
  let part = 0
  let digits = 0
  for (let at = from; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : DOT
    if (code === DOT) {
      if (digits === 0 || part > 255) return -1
      word = word * 256 + part
      parts++
      part = 0
      digits = 0
    } else {
      // A leading zero is octal to some and decimal to others.
      if (code < 48 || code > 57 || digits === 3 || (digits > 0 && part === 0)) return -1
      part = part * 10 + code - 48
      digits++
    }
  }
  return parts === 4 ? word : -1
}

/** The groups of the address being read: one at a time is. */
const groups = new Uint16Array(8)

/** Groups of 16 bits; `::` once for any number of zero groups; the last two groups may be written as an IPv4 address. */
function parseV6(text: string): Address | undefined {
  let count = 0
  let gap = -1
  let at = 0
  if (text.startsWith('::')) {
    gap = 0
    at = 2
  }
  while (at < text.length) {
    if (count === 8) return undefined
    const start = at
    let group = 0
    let code = text.charCodeAt(at)
    for (; code !== COLON && code !== DOT && at < text.length; code = text.charCodeAt(++at)) {
      const digit = hexDigit(code)
      if (digit < 0 || at - start === 4) return undefined
      group = group * 16 + digit
    }
    if (at === start) return undefined
    if (code === DOT) {
      const word = wordOfV4(text, start)
      if (word < 0 || count > 6) return undefined
      groups[count++] = word >>> 16
      groups[count++] = word & 0xffff
      break
    }
    groups[count++] = group
    if (at === text.length) break
    at++
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return undefined
      gap = count
      at++
    } else if (at === text.length) return undefined
  }
  if (gap < 0 ? count !== 8 : count > 7) return undefined
  if (gap >= 0) {
    const behind = count - gap
    groups.copyWithin(8 - behind, gap, count)
    groups.fill(0, gap, 8 - behind)
  }
  return [wordAt(0), wordAt(2), wordAt(4), wordAt(6)]
}

function wordAt(group: number): number {
  return (groups[group] ?? 0) * 0x1_0000 + (groups[group + 1] ?? 0)
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}
