/**
 * Is a filter policy one that SNS would take? The answer is a value: a front end puts its own words around the text. Texts and
 * limits are those of AWS (Amazon SNS developer guide, "Filter policy constraints"; its parser is the open source Event Ruler).
 *
 * Everything in a policy is an object (nested, or the expression of an operator), an array of conditions, or a plain value:
 *
 *   { "store": ["a", { "prefix": "b" }], "customer": { "age": [{ "numeric": [">=", 18, "<", 65] }] }, "$or": [{ … }, { … }] }
 *
 * Combinations: the product over all arrays of their length times their depth; those of the branches of `$or` are added up.
 */
import type { Filter } from '../exchange.ts'
import { parseCidr } from './cidr.ts'
import { parseWildcard } from './wildcard.ts'

const KEYS_MAX = 5
const COMBINATIONS_MAX = 150
const BYTES_MAX = 262_144
/** Objects within objects. AWS names no limit; combinations multiply with depth, so little is lost. */
const DEPTH_MAX = 50
/** Of one pattern, and of a policy: a pattern of one wildcard counts 1, of more 3 for each. */
const WILDCARDS_MAX = 3
const WILDCARD_POINTS_MAX = 100

/** What the answer of SNS says after `Invalid parameter: ` (or, to Subscribe, after `Invalid parameter: Attributes Reason: `). */
export interface FilterFault {
  readonly code: 'InvalidParameter'
  readonly text: string
}

/** undefined: it is fine. */
export function judgeFilter({ scope, policy }: { scope: Filter['scope']; policy: unknown }): FilterFault | undefined {
  try {
    new Judge(scope).policy(policy)
    return undefined
  } catch (fault) {
    if (fault instanceof Objection) return { code: 'InvalidParameter', text: fault.message }
    throw fault
  }
}

class Objection extends Error {}

class Judge {
  readonly #scope: Filter['scope']
  #wildcardPoints = 0

  constructor(scope: Filter['scope']) {
    this.#scope = scope
  }

  policy(policy: unknown): void {
    if (!isObject(policy)) throw objection('Filter policy must be a JSON object')
    if (Object.keys(policy).length > KEYS_MAX) {
      throw objection(`Filter policy can not have more than ${KEYS_MAX} keys`)
    }
    if (this.#combinations(policy, { depth: 1, walked: 1 }) > COMBINATIONS_MAX) throw tooComplex()
    // Not before its depth is known to be one that JSON.stringify survives.
    if (Buffer.byteLength(JSON.stringify(policy)) > BYTES_MAX) throw objection('Filter policy is too long')
    this.#conditions(policy)
  }

  /** `depth` is what counts; `walked` also counts branches, which may hold branches. */
  #combinations(policy: object, { depth, walked }: { depth: number; walked: number }): number {
    if (walked > DEPTH_MAX) throw tooComplex()
    let product = 1
    for (const [key, value] of Object.entries(policy)) {
      if (isObject(value)) {
        if (this.#scope === 'headers') {
          throw new Objection('Filter policy scope MessageAttributes does not support nested filter policy')
        }
        product *= this.#combinations(value, { depth: depth + 1, walked: walked + 1 })
      } else if (Array.isArray(value)) {
        if (value.length === 0) throw objection('Empty arrays are not allowed')
        product *= key === '$or' ? this.#branches(value, { depth, walked: walked + 1 }) : value.length * depth
      } else throw objection(`"${key}" must be an object or an array`)
    }
    return product
  }

  #branches(branches: readonly unknown[], at: { depth: number; walked: number }): number {
    let sum = 0
    for (const branch of branches) {
      if (!isObject(branch)) throw objection('"$or" must be an array of objects')
      sum += this.#combinations(branch, at)
      if (sum > COMBINATIONS_MAX) throw tooComplex()
    }
    return sum
  }

  #conditions(policy: object): void {
    for (const [key, value] of Object.entries(policy)) {
      if (isObject(value)) this.#conditions(value)
      else if (key === '$or') for (const branch of value as object[]) this.#conditions(branch)
      else for (const condition of value as unknown[]) this.#condition(condition)
    }
  }

  #condition(condition: unknown): void {
    if (condition === null || typeof condition !== 'object') return
    if (Array.isArray(condition)) throw objection('Match value must be String, number, true, false, or null')
    const [entry, more] = Object.entries(condition)
    if (entry === undefined) throw objection('Match expression name not found')
    if (more !== undefined) throw objection('Only one key allowed in match expression')
    this.#operator(entry[0], entry[1])
  }

  #operator(operator: string, operand: unknown): void {
    switch (operator) {
      case 'prefix':
      case 'suffix':
      case 'equals-ignore-case':
        if (typeof operand !== 'string') throw objection(`${operator} match pattern must be a string`)
        return
      case 'exists':
        if (typeof operand !== 'boolean') throw objection('exists match pattern must be either true or false.')
        return
      case 'numeric':
        judgeNumeric(operand)
        return
      case 'cidr':
        judgeCidr(operand)
        return
      case 'wildcard':
        this.#wildcard(operand)
        return
      case 'anything-but':
        this.#anythingBut(operand)
        return
      default:
        throw objection(`Unrecognized match type ${operator}`)
    }
  }

  #anythingBut(operand: unknown): void {
    if (isObject(operand)) {
      const [entry, more] = Object.entries(operand)
      if (entry === undefined) throw objection('Anything-But expression name not found')
      if (more !== undefined) throw objection('Only one key allowed in match expression')
      this.#anythingButPattern(entry[0], entry[1])
    } else if (Array.isArray(operand)) {
      if (operand.length === 0) throw objection('Empty arrays are not allowed')
      if (!operand.every((value) => typeof value === 'string' || typeof value === 'number')) {
        throw objection('Inside anything but list, start|null|boolean is not supported.')
      }
    } else if (typeof operand !== 'string' && typeof operand !== 'number') {
      throw objection('Value of anything-but must be an array or single string/number value.')
    }
  }

  #anythingButPattern(operator: string, operand: unknown): void {
    const patterns: readonly unknown[] = Array.isArray(operand) ? operand : [operand]
    switch (operator) {
      case 'prefix':
      case 'suffix':
        if (!patterns.every((pattern) => typeof pattern === 'string')) {
          throw objection('prefix/suffix match pattern must be a string')
        }
        if (patterns.length === 0 || patterns.includes('')) throw objection('Null prefix/suffix not allowed')
        return
      case 'equals-ignore-case':
        if (patterns.length === 0 || !patterns.every((pattern) => typeof pattern === 'string')) {
          throw objection('Inside anything-but/ignore-case list, number|start|null|boolean is not supported.')
        }
        return
      case 'wildcard':
        if (patterns.length === 0) throw objection('Empty arrays are not allowed')
        for (const pattern of patterns) this.#wildcard(pattern)
        return
      default:
        throw objection(`Unsupported anything-but pattern: ${operator}`)
    }
  }

  #wildcard(pattern: unknown): void {
    if (typeof pattern !== 'string') throw objection('wildcard match pattern must be a string')
    const parsed = parseWildcard(pattern)
    if (parsed.kind === 'fault') throw objection(parsed.text)
    const wildcards = parsed.parts.length - 1
    this.#wildcardPoints += wildcards <= 1 ? wildcards : 3 * wildcards
    if (wildcards > WILDCARDS_MAX || this.#wildcardPoints > WILDCARD_POINTS_MAX) {
      throw objection(
        'Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character',
      )
    }
  }
}

/** One bound, or a lower one and then an upper one. */
function judgeNumeric(operand: unknown): void {
  if (!Array.isArray(operand)) throw objection('Value of numeric must be an array.')
  const terms: readonly unknown[] = operand
  if (terms.length === 0) throw objection('Invalid member in numeric match: ]')
  const [operator, bound, secondOperator, secondBound] = terms
  if (typeof operator !== 'string') throw objection(`Invalid member in numeric match: ${String(operator)}`)
  if (!['<', '<=', '=', '>', '>='].includes(operator)) {
    throw objection(`Unrecognized numeric range operator: ${operator}`)
  }
  if (typeof bound !== 'number') throw objection(`Value of ${operator === '=' ? 'equals' : operator} must be numeric`)
  if (terms.length === 2) return
  if (operator !== '>' && operator !== '>=') throw objection('Too many elements in numeric expression')
  if (typeof secondOperator !== 'string') throw objection(`Bad value in numeric range: ${String(secondOperator)}`)
  if (secondOperator !== '<' && secondOperator !== '<=') {
    throw objection(`Bad numeric range operator: ${secondOperator}`)
  }
  if (typeof secondBound !== 'number') throw objection(`Value of ${secondOperator} must be numeric`)
  if (secondBound <= bound) throw objection('Bottom must be less than top')
  if (terms.length > 4) throw objection('Too many terms in numeric range expression')
}

function judgeCidr(operand: unknown): void {
  // As AWS words it for this operator, too.
  if (typeof operand !== 'string') throw objection('prefix match pattern must be a string')
  const [address = '', mask, more] = operand.split('/')
  if (mask === undefined || more !== undefined) throw objection("Malformed CIDR, one '/' required")
  if (!/^[+-]?\d+$/.test(mask)) throw objection('Malformed CIDR, mask bits must be an integer')
  if (parseCidr(operand) === undefined) throw objection(`Nonstandard IP address: ${address}`)
}

function tooComplex(): Objection {
  return objection('Filter policy is too complex')
}

function objection(text: string): Objection {
  return new Objection(`FilterPolicy: ${text}`)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
