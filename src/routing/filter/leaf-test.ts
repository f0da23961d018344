/**
 * The conditions of one key, put together so that a value costs about the same however many there are: exact values in sets, ranges
 * of numbers merged and sorted, prefixes and suffixes sorted. One of them suffices.
 */
import { CidrSet } from './cidr.ts'
import { compileWildcard, parseWildcard } from './wildcard.ts'

/** A plain JSON value; objects and arrays are no leaves. */
export type Leaf = string | number | boolean | null

type Test<T> = (value: T) => boolean

/** `from` to `to`, each end included or not. */
interface Range {
  readonly from: number
  readonly to: number
  readonly withFrom: boolean
  readonly withTo: boolean
}

export class LeafTest {
  /** What a missing value, or one that is no leaf, passes. */
  readonly passesAbsent: boolean
  readonly #passesPresent: boolean
  readonly #exact = new Set<Leaf>()
  readonly #folded = new Set<string>()
  readonly #ranges: readonly Range[]
  readonly #strings: readonly Test<string>[]
  readonly #cidrs: CidrSet | undefined
  readonly #butNot: readonly Test<Leaf>[]

  /** The conditions have been judged. */
  constructor(conditions: readonly unknown[]) {
    const gathered = gather(conditions)
    for (const value of gathered.exact) this.#exact.add(value)
    for (const text of gathered.folded) this.#folded.add(text.toLowerCase())
    this.#ranges = merged(gathered.ranges)
    this.#strings = [
      ...(gathered.prefixes.length > 0 ? [startsWithAny(gathered.prefixes)] : []),
      ...(gathered.suffixes.length > 0 ? [endsWithAny(gathered.suffixes)] : []),
      ...gathered.wildcards.map(wildcardTest),
    ]
    this.#cidrs = gathered.cidrs.length > 0 ? new CidrSet(gathered.cidrs) : undefined
    this.#butNot = butNotTests(gathered.butNot)
    this.passesAbsent = gathered.exists.includes(false)
    this.#passesPresent = gathered.exists.includes(true)
  }

  passes(value: Leaf): boolean {
    if (this.#passesPresent || this.#exact.has(value)) return true
    if (typeof value === 'string') {
      if (this.#folded.size > 0 && this.#folded.has(value.toLowerCase())) return true
      for (const test of this.#strings) if (test(value)) return true
      if (this.#cidrs?.has(value) === true) return true
    } else if (typeof value === 'number' && isInAny(value, this.#ranges)) return true
    for (const isBut of this.#butNot) if (!isBut(value)) return true
    return false
  }
}

interface Gathered {
  readonly exact: Leaf[]
  readonly folded: string[]
  readonly ranges: Range[]
  readonly prefixes: string[]
  readonly suffixes: string[]
  readonly wildcards: string[]
  readonly cidrs: string[]
  /** The operands of `anything-but`. */
  readonly butNot: unknown[]
  readonly exists: boolean[]
}

function gather(conditions: readonly unknown[]): Gathered {
  const to: Gathered = {
    exact: [],
    folded: [],
    ranges: [],
    prefixes: [],
    suffixes: [],
    wildcards: [],
    cidrs: [],
    butNot: [],
    exists: [],
  }
  for (const condition of conditions) {
    if (typeof condition !== 'object' || condition === null) to.exact.push(condition as Leaf)
    else for (const [operator, operand] of Object.entries(condition)) gatherOperator(to, operator, operand)
  }
  return to
}

/** The casts say what `judgeFilter` has seen to. */
function gatherOperator(to: Gathered, operator: string, operand: unknown): void {
  switch (operator) {
    case 'prefix':
      to.prefixes.push(operand as string)
      return
    case 'suffix':
      to.suffixes.push(operand as string)
      return
    case 'equals-ignore-case':
      to.folded.push(operand as string)
      return
    case 'wildcard':
      to.wildcards.push(operand as string)
      return
    case 'exists':
      to.exists.push(operand as boolean)
      return
    case 'numeric':
      to.ranges.push(rangeOf(operand as readonly (string | number)[]))
      return
    case 'cidr':
      to.cidrs.push(operand as string)
      return
    case 'anything-but':
      to.butNot.push(operand)
      return
    default:
      throw new Error(`invariant: a filter with '${operator}' was judged fine`)
  }
}

/** Tests of being what it must not be, as few as will do: of lists of values only what all of them name is refused by each. */
function butNotTests(operands: readonly unknown[]): Test<Leaf>[] {
  const tests: Test<Leaf>[] = []
  const patterns = new Map<string, object>()
  let refused: Set<unknown> | undefined
  for (const operand of operands) {
    if (typeof operand === 'object' && operand !== null && !Array.isArray(operand)) {
      patterns.set(JSON.stringify(operand), operand)
      continue
    }
    const values: readonly unknown[] = Array.isArray(operand) ? operand : [operand]
    const before: ReadonlySet<unknown> | undefined = refused
    refused = new Set(before === undefined ? values : values.filter((value) => before.has(value)))
  }
  if (refused !== undefined) tests.push((value) => refused.has(value))
  return [...tests, ...[...patterns.values()].map(butNotPattern)]
}

function butNotPattern(operand: object): Test<Leaf> {
  const [[operator = '', patterns] = []] = Object.entries(operand)
  const listed: readonly unknown[] = Array.isArray(patterns) ? patterns : [patterns]
  const test = new LeafTest(listed.map((pattern) => ({ [operator]: pattern })))
  return (value) => test.passes(value)
}

function wildcardTest(pattern: string): Test<string> {
  const parsed = parseWildcard(pattern)
  return parsed.kind === 'parts' ? compileWildcard(parsed.parts) : () => false
}

/** Sorted, and without those that a shorter one stands for: then only the last one before a text can start it. */
function startsWithAny(prefixes: readonly string[]): Test<string> {
  const sorted: string[] = []
  for (const prefix of [...prefixes].sort(byCodeUnits)) {
    const shorter = sorted.at(-1)
    if (shorter === undefined || !prefix.startsWith(shorter)) sorted.push(prefix)
  }
  return (text) => {
    const candidate = sorted[lastAtMost(sorted, (prefix) => prefix <= text)]
    return candidate !== undefined && text.startsWith(candidate)
  }
}

function endsWithAny(suffixes: readonly string[]): Test<string> {
  // As long as the longest suffix is all that need be turned round.
  const longest = Math.max(...suffixes.map((suffix) => suffix.length))
  const test = startsWithAny(suffixes.map(reversed))
  return (text) => test(reversed(text.slice(Math.max(0, text.length - longest))))
}

function reversed(text: string): string {
  let back = ''
  for (let at = text.length - 1; at >= 0; at--) back += text.charAt(at)
  return back
}

function rangeOf([operator, bound, upperOperator, upper]: readonly (string | number)[]): Range {
  const from = Number(bound)
  switch (operator) {
    case '=':
      return { from, to: from, withFrom: true, withTo: true }
    case '<':
    case '<=':
      return { from: Number.NEGATIVE_INFINITY, to: from, withFrom: true, withTo: operator === '<=' }
    default: {
      const withFrom = operator === '>='
      if (upper === undefined) return { from, to: Number.POSITIVE_INFINITY, withFrom, withTo: true }
      return { from, to: Number(upper), withFrom, withTo: upperOperator === '<=' }
    }
  }
}

/** Sorted by `from`, overlapping ones as one, so that a number can only be in the last that starts at or before it. */
function merged(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((a, b) => a.from - b.from || Number(b.withFrom) - Number(a.withFrom))
  const out: Range[] = []
  for (const range of sorted) {
    const before = out.at(-1)
    const meets =
      before !== undefined &&
      (range.from < before.to || (range.from === before.to && (range.withFrom || before.withTo)))
    if (!meets) out.push(range)
    else if (range.to > before.to) out[out.length - 1] = { ...before, to: range.to, withTo: range.withTo }
    else if (range.to === before.to && range.withTo) out[out.length - 1] = { ...before, withTo: true }
  }
  return out
}

function isInAny(value: number, ranges: readonly Range[]): boolean {
  const at = lastAtMost(ranges, ({ from }) => from <= value)
  // Of two that touch without meeting (`< 5` and `> 5`), the value may be in the earlier.
  return isIn(value, ranges[at]) || isIn(value, ranges[at - 1])
}

function isIn(value: number, range: Range | undefined): boolean {
  if (range === undefined) return false
  const { from, to, withFrom, withTo } = range
  return (value > from || (withFrom && value === from)) && (value < to || (withTo && value === to))
}

/** The last place for which `holds`, which holds for all places before it; -1: none. */
function lastAtMost<T>(sorted: readonly T[], holds: (entry: T) => boolean): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = sorted[middle]
    if (entry !== undefined && holds(entry)) low = middle + 1
    else high = middle
  }
  return low - 1
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
