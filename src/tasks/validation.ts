/** Input against its schema. Validators may be synchronous (most are) or not; only the latter cost a promise. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { SpindleError } from '../model/errors.ts'

/** One thing wrong with an input; `path` as in `guests.0.name`, '' for the whole. */
export interface InputIssue {
  readonly path: string
  readonly message: string
}

/** The input of a task does not fit its schema; `issues` says where. */
export class InvalidInputError extends SpindleError {
  readonly issues: readonly InputIssue[]

  constructor(attempted: string, issues: readonly InputIssue[]) {
    super('invalid-input', `${attempted} (${issues.map(sentence).join('; ')})`)
    this.issues = issues
  }
}

export type Checked = StandardSchemaV1.Result<unknown>

export function check(schema: StandardSchemaV1, input: unknown): Checked | Promise<Checked> {
  return schema['~standard'].validate(input)
}

export function invalidInput(issues: readonly StandardSchemaV1.Issue[], attempted: string): InvalidInputError {
  return new InvalidInputError(attempted, issues.map(inputIssue))
}

/** Throws `InvalidInputError`. */
export function assertValid(checked: Checked, attempted: string): void {
  if (checked.issues !== undefined) throw invalidInput(checked.issues, attempted)
}

/** True when JSON carries `input` unchanged: then what was validated is what the worker will validate. */
export function survivesJson(input: unknown): boolean {
  switch (typeof input) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return true
    case 'number':
      return Number.isFinite(input)
    case 'object':
      return input === null || (Array.isArray(input) ? input.every(survivesAsElement) : isSurvivingObject(input))
    default:
      return false
  }
}

function survivesAsElement(element: unknown): boolean {
  return element !== undefined && survivesJson(element)
}

function isSurvivingObject(input: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(input)
  if ((prototype !== Object.prototype && prototype !== null) || 'toJSON' in input) return false
  for (const key in input) if (!survivesJson((input as Record<string, unknown>)[key])) return false
  return true
}

function inputIssue({ path, message }: StandardSchemaV1.Issue): InputIssue {
  const keys = (path ?? []).map((segment) => String(typeof segment === 'object' ? segment.key : segment))
  return { path: keys.join('.'), message }
}

function sentence({ path, message }: InputIssue): string {
  return path === '' ? message : `${path}: ${message}`
}
