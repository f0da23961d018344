/**
 * Patterns of policies: regular expressions over names, as RabbitMQ's users write them, matched in time that grows with pattern x name
 * and never worse (a set of states is stepped; nothing is ever tried again). So a pattern from outside cannot stall the broker.
 *
 * Supported: literals, `.`, `^`, `$`, `*`, `+`, `?`, `{m}`, `{m,}`, `{m,n}` (and lazy forms, which match the same names), `|`, `(…)`,
 * `(?:…)`, `[…]`, `[^…]`, `\d \D \w \W \s \S`, and `\` before a character that is no letter or digit. Everything else (back references,
 * look-around, flags, `\b`, `[[:alpha:]]`) is refused by `invalid-argument`. A match may begin and end anywhere, as there.
 */
import { SpindleError } from '../../../model/errors.ts'

export type NamePattern = (name: string) => boolean

const PATTERN_MAX = 1_024
const STEPS_MAX = 4_096
const DEPTH_MAX = 50
const REPEAT_MAX = 1_000

type Test = (unit: number) => boolean

type Node =
  | { readonly kind: 'unit'; readonly test: Test }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'one'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number }

/** What a state does: consume one unit, look at the place, go on in two ways, or accept. */
type Step =
  | { readonly kind: 'unit'; readonly test: Test }
  | { readonly kind: 'start' | 'end' | 'accept' }
  | { readonly kind: 'fork'; readonly to: number[] }

/** Throws `invalid-argument`. */
export function compileNamePattern(pattern: string): NamePattern {
  if (pattern.length > PATTERN_MAX) throw refused(pattern, `is longer than ${PATTERN_MAX} characters`)
  const steps: Step[] = []
  emit(new Parser(pattern).parse(), steps, pattern)
  steps.push({ kind: 'accept' })
  return (name) => matches(steps, name)
}

function matches(steps: readonly Step[], name: string): boolean {
  let current = new Set<number>()
  for (let at = 0; at <= name.length; at++) {
    // It may begin anywhere.
    if (enter(steps, { step: 0, at, length: name.length }, current)) return true
    const next = new Set<number>()
    const unit = name.charCodeAt(at)
    if (at === name.length) return false
    for (const place of current) {
      const step = steps[place] as Step
      if (step.kind !== 'unit' || !step.test(unit)) continue
      if (enter(steps, { step: place + 1, at: at + 1, length: name.length }, next)) return true
    }
    current = next
  }
  return false
}

/** Adds the state and those reached from it without consuming. true: accepted. */
function enter(
  steps: readonly Step[],
  { step, at, length }: { readonly step: number; readonly at: number; readonly length: number },
  states: Set<number>,
): boolean {
  const open = [step]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (states.has(place)) continue
    states.add(place)
    const here = steps[place] as Step
    if (here.kind === 'accept') return true
    if (here.kind === 'fork') open.push(...here.to)
    else if ((here.kind === 'start' && at === 0) || (here.kind === 'end' && at === length)) open.push(place + 1)
  }
  return false
}

function emit(node: Node, steps: Step[], pattern: string): void {
  if (steps.length > STEPS_MAX) throw refused(pattern, 'is too large')
  switch (node.kind) {
    case 'unit':
    case 'start':
    case 'end':
      steps.push(node)
      return
    case 'all':
      for (const part of node.parts) emit(part, steps, pattern)
      return
    case 'one': {
      const fork: number[] = []
      const exits: number[][] = []
      steps.push({ kind: 'fork', to: fork })
      for (const part of node.parts) {
        fork.push(steps.length)
        emit(part, steps, pattern)
        const exit: number[] = []
        exits.push(exit)
        steps.push({ kind: 'fork', to: exit })
      }
      for (const exit of exits) exit.push(steps.length)
      return
    }
    case 'repeat': {
      for (let i = 0; i < node.min; i++) emit(node.node, steps, pattern)
      if (node.max === Number.POSITIVE_INFINITY) {
        const loop = steps.length
        const fork = [loop + 1]
        steps.push({ kind: 'fork', to: fork })
        emit(node.node, steps, pattern)
        steps.push({ kind: 'fork', to: [loop] })
        fork.push(steps.length)
        return
      }
      const exits: number[][] = []
      for (let i = node.min; i < node.max; i++) {
        const fork = [steps.length + 1]
        exits.push(fork)
        steps.push({ kind: 'fork', to: fork })
        emit(node.node, steps, pattern)
      }
      for (const exit of exits) exit.push(steps.length)
      return
    }
    default:
      node satisfies never
  }
}

const isDigit: Test = (unit) => unit >= 48 && unit <= 57
const isWord: Test = (unit) => isDigit(unit) || (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122) || unit === 95
const isSpace: Test = (unit) => unit === 32 || (unit >= 9 && unit <= 13)
const classes: ReadonlyMap<string, Test> = new Map([
  ['d', isDigit],
  ['D', (unit) => !isDigit(unit)],
  ['w', isWord],
  ['W', (unit) => !isWord(unit)],
  ['s', isSpace],
  ['S', (unit) => !isSpace(unit)],
])

class Parser {
  readonly #pattern: string
  #at = 0
  #depth = 0

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  parse(): Node {
    const node = this.#alternatives()
    if (this.#at < this.#pattern.length) throw refused(this.#pattern, "has a ')' too many")
    return node
  }

  #alternatives(): Node {
    if (++this.#depth > DEPTH_MAX) throw refused(this.#pattern, 'is nested too deeply')
    const parts = [this.#sequence()]
    while (this.#takes('|')) parts.push(this.#sequence())
    this.#depth--
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'one', parts }
  }

  #sequence(): Node {
    const parts: Node[] = []
    for (let next = this.#peek(); next !== '' && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#repeated(this.#atom()))
    }
    return { kind: 'all', parts }
  }

  #atom(): Node {
    const character = this.#take()
    switch (character) {
      case '^':
        return { kind: 'start' }
      case '$':
        return { kind: 'end' }
      case '.':
        return { kind: 'unit', test: (unit) => unit !== 10 }
      case '[':
        return { kind: 'unit', test: this.#set() }
      case '\\':
        return { kind: 'unit', test: this.#escaped() }
      case '(': {
        if (this.#takes('?') && !this.#takes(':'))
          throw refused(this.#pattern, "uses '(?', of which only '(?:' is supported")
        const node = this.#alternatives()
        if (!this.#takes(')')) throw refused(this.#pattern, "has a '(' without its ')'")
        return node
      }
      case '*':
      case '+':
      case '?':
        throw refused(this.#pattern, `has a '${character}' with nothing before it`)
      default:
        return { kind: 'unit', test: sameAs(character) }
    }
  }

  #repeated(node: Node): Node {
    const bounds = this.#bounds()
    if (bounds === undefined) return node
    // Lazy or not, the same names match.
    this.#takes('?')
    if (['*', '+', '?'].includes(this.#peek()) || this.#bounds() !== undefined) {
      throw refused(this.#pattern, 'repeats a repetition')
    }
    return { kind: 'repeat', node, ...bounds }
  }

  #bounds(): { readonly min: number; readonly max: number } | undefined {
    if (this.#takes('*')) return { min: 0, max: Number.POSITIVE_INFINITY }
    if (this.#takes('+')) return { min: 1, max: Number.POSITIVE_INFINITY }
    if (this.#takes('?')) return { min: 0, max: 1 }
    const counted = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#pattern.slice(this.#at, this.#at + 12))
    if (counted === null) return undefined
    this.#at += counted[0].length
    const min = Number(counted[1])
    const max = counted[2] === undefined ? min : counted[3] === '' ? Number.POSITIVE_INFINITY : Number(counted[3])
    if (min > REPEAT_MAX || (max > REPEAT_MAX && max !== Number.POSITIVE_INFINITY) || max < min) {
      throw refused(this.#pattern, `repeats ${counted[0]}, beyond ${REPEAT_MAX} or in the wrong order`)
    }
    return { min, max }
  }

  #set(): Test {
    const isNegated = this.#takes('^')
    const tests: Test[] = []
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      if (this.#peek() === '') throw refused(this.#pattern, "has a '[' without its ']'")
      if (this.#peek() === '[' && this.#pattern[this.#at + 1] === ':') throw refused(this.#pattern, "uses '[:'")
      const character = this.#take()
      if (character === '\\') {
        tests.push(this.#escaped())
        continue
      }
      const last = this.#pattern[this.#at + 1]
      if (this.#peek() !== '-' || last === ']' || last === undefined) {
        tests.push(sameAs(character))
        continue
      }
      this.#at++
      const end = this.#take()
      if (end === '\\') throw refused(this.#pattern, 'ends a range with an escape')
      const [from, to] = [character.charCodeAt(0), end.charCodeAt(0)]
      if (to < from) throw refused(this.#pattern, `has the range ${character}-${end} in the wrong order`)
      tests.push((unit) => unit >= from && unit <= to)
    }
    this.#at++
    return (unit) => tests.some((test) => test(unit)) !== isNegated
  }

  #escaped(): Test {
    const character = this.#take()
    const known = classes.get(character)
    if (known !== undefined) return known
    if (character === '' || /[A-Za-z0-9]/.test(character)) throw refused(this.#pattern, `uses '\\${character}'`)
    return sameAs(character)
  }

  #peek(): string {
    return this.#pattern[this.#at] ?? ''
  }

  #take(): string {
    return this.#pattern[this.#at++] ?? ''
  }

  #takes(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at++
    return true
  }
}

function sameAs(character: string): Test {
  const expected = character.charCodeAt(0)
  return (unit) => unit === expected
}

function refused(pattern: string, why: string): SpindleError {
  return new SpindleError('invalid-argument', `pattern '${pattern.slice(0, 200)}' ${why}`)
}
