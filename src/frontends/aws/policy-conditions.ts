/**
 * The `Condition` of a policy's statement, judged against what is known of a request (IAM's "Condition" element). Operators and keys are
 * joined by AND, the values of one key by OR; a negated operator asks that no value matches. What cannot be judged here (an
 * operator or key that is not known, a value that is none, a policy variable) is `unknown`, and the caller must take the safe side.
 */
import { isInAddressBlock } from '../../runtime/address-block.ts'
import { matchesWildcard } from './wildcard.ts'

export type Judgement = boolean | 'unknown'

/** By lower-case key. null: known to be absent from this request; a key that is not here is not known at all. */
export type RequestFacts = Readonly<Record<string, string | null>>

/** undefined: the value of the policy is none. */
type Test = (fact: string, value: string) => boolean | undefined

interface Operator {
  readonly test: Test
  readonly isNegated: boolean
}

const positive: Readonly<Record<string, Test>> = {
  StringEquals: (fact, value) => fact === value,
  StringEqualsIgnoreCase: (fact, value) => fact.toLowerCase() === value.toLowerCase(),
  StringLike: (fact, value) => matchesWildcard(value, fact),
  ArnEquals: matchesArn,
  ArnLike: matchesArn,
  Bool: (fact, value) => (/^(?:true|false)$/i.test(value) ? fact === value.toLowerCase() : undefined),
  IpAddress: isInAddressBlock,
  ...comparisons('Numeric', readNumber),
  ...comparisons('Date', readDate),
}

/** `StringNotEquals` is the opposite of `StringEquals`, and so on. */
const negated: Readonly<Record<string, string>> = {
  StringNotEquals: 'StringEquals',
  StringNotEqualsIgnoreCase: 'StringEqualsIgnoreCase',
  StringNotLike: 'StringLike',
  ArnNotEquals: 'ArnEquals',
  ArnNotLike: 'ArnLike',
  NotIpAddress: 'IpAddress',
  NumericNotEquals: 'NumericEquals',
  DateNotEquals: 'DateEquals',
}

const IF_EXISTS = 'IfExists'

/** For any `Condition` that a policy may carry, whatever its form. */
export function judgeConditions(condition: unknown, facts: RequestFacts): Judgement {
  if (condition === undefined) return true
  if (!isObject(condition)) return 'unknown'
  const judged: Judgement[] = []
  for (const [operator, keys] of Object.entries(condition)) {
    if (!isObject(keys)) judged.push('unknown')
    else
      for (const [key, values] of Object.entries(keys))
        judged.push(judgeOne(operator, facts[key.toLowerCase()], values))
  }
  return judged.includes(false) ? false : judged.includes('unknown') ? 'unknown' : true
}

function judgeOne(name: string, fact: string | null | undefined, given: unknown): Judgement {
  const values = valuesOf(given)
  if (fact === undefined || values === undefined || values.length === 0) return 'unknown'
  if (name === 'Null') return anyOf(values.map((value) => judgeNull(fact, value)))
  const isOptional = name.endsWith(IF_EXISTS)
  const operator = operatorOf(isOptional ? name.slice(0, -IF_EXISTS.length) : name)
  if (operator === undefined) return 'unknown'
  if (fact === null) return isOptional || operator.isNegated
  const matched = anyOf(
    values.map((value) => (value.includes('${') ? 'unknown' : (operator.test(fact, value) ?? 'unknown'))),
  )
  if (matched === 'unknown') return 'unknown'
  return operator.isNegated ? !matched : matched
}

function judgeNull(fact: string | null, value: string): Judgement {
  return /^(?:true|false)$/i.test(value) ? (fact === null) === (value.toLowerCase() === 'true') : 'unknown'
}

function operatorOf(name: string): Operator | undefined {
  const opposite = Object.hasOwn(negated, name) ? negated[name] : undefined
  const test = Object.hasOwn(positive, opposite ?? name) ? positive[opposite ?? name] : undefined
  return test === undefined ? undefined : { test, isNegated: opposite !== undefined }
}

function anyOf(judged: readonly Judgement[]): Judgement {
  return judged.includes(true) ? true : judged.includes('unknown') ? 'unknown' : false
}

function comparisons(kind: string, read: (text: string) => number): Record<string, Test> {
  const compare =
    (holds: (fact: number, value: number) => boolean): Test =>
    (fact, value) => {
      const [left, right] = [read(fact), read(value)]
      return Number.isNaN(left) || Number.isNaN(right) ? undefined : holds(left, right)
    }
  return {
    [`${kind}Equals`]: compare((fact, value) => fact === value),
    [`${kind}LessThan`]: compare((fact, value) => fact < value),
    [`${kind}LessThanEquals`]: compare((fact, value) => fact <= value),
    [`${kind}GreaterThan`]: compare((fact, value) => fact > value),
    [`${kind}GreaterThanEquals`]: compare((fact, value) => fact >= value),
  }
}

function readNumber(text: string): number {
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
}

/** ISO 8601 in the forms that IAM takes, or seconds since 1970. Answers seconds. */
function readDate(text: string): number {
  if (/^\d+(?:\.\d+)?$/.test(text) && text.length > 4) return Number(text)
  return /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?)?)?$/.test(text)
    ? Date.parse(text) / 1_000
    : Number.NaN
}

const ARN_PARTS = 6

/** Each part by itself, so that a star does not reach over a colon; the resource is what is left, colons and all. */
function matchesArn(fact: string, pattern: string): boolean | undefined {
  const [factParts, patternParts] = [arnParts(fact), arnParts(pattern)]
  if (patternParts === undefined) return pattern === '*' ? true : undefined
  return factParts?.every((part, at) => matchesWildcard(patternParts[at] ?? '', part)) === true
}

function arnParts(text: string): string[] | undefined {
  const parts = text.split(':')
  if (parts.length < ARN_PARTS || parts[0] !== 'arn') return undefined
  return [...parts.slice(0, ARN_PARTS - 1), parts.slice(ARN_PARTS - 1).join(':')]
}

/** Texts; JSON's numbers and booleans as IAM reads them. undefined: something else is among them. */
function valuesOf(given: unknown): string[] | undefined {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  const isScalar = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value)
  return list.every(isScalar) ? list.map(String) : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
