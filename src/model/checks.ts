/** Small checks of values from outside. Every fault names the field; none shows a value that may be a secret. */
import { SpindleError } from './errors.ts'

export type Check<T> = (value: unknown, field: string) => T

export function wrong(field: string, must: string): SpindleError {
  return new SpindleError('invalid-argument', `${field} must ${must}`)
}

export const text: Check<string> = (value, field) => {
  if (typeof value === 'string' && value !== '') return value
  throw wrong(field, 'be text that is not empty')
}

export const flag: Check<boolean> = (value, field) => {
  if (typeof value === 'boolean') return value
  throw wrong(field, 'be true or false')
}

export function wholeNumber(min: number, max: number): Check<number> {
  return (value, field) => {
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
    throw wrong(field, `be a whole number from ${min} to ${max}`)
  }
}

export function oneOf<const T extends string>(...allowed: readonly T[]): Check<T> {
  return (value, field) => {
    if (allowed.includes(value as T)) return value as T
    throw wrong(field, `be one of ${allowed.join(', ')}`)
  }
}

export function listOf<T>(check: Check<T>, max: number): Check<readonly T[]> {
  return (value, field) => {
    if (!Array.isArray(value) || value.length > max) throw wrong(field, `be a list of at most ${max}`)
    return value.map((item, index) => check(item, `${field}[${index}]`))
  }
}

/** Names freely chosen, each with a value of one shape. */
export function namesOf<T>(check: Check<T>, max: number): Check<ReadonlyMap<string, T>> {
  return (value, field) => {
    const entries = Object.entries(plainObject(value, field))
    if (entries.length > max) throw wrong(field, `have at most ${max} names`)
    return new Map(entries.map(([name, item]) => [name, check(item, field === '' ? name : `${field}.${name}`)]))
  }
}

type Fields<T> = { readonly [K in keyof T]-?: Check<NonNullable<T[K]>> }

/** Fields that all may be missing; one that is not known is refused by name, with the closest one that is. */
export function optionalFields<T extends object>(checks: Fields<T>): Check<T> {
  return (value, field) => {
    const checked: Record<string, unknown> = {}
    for (const [name, item] of Object.entries(plainObject(value, field))) {
      const place = field === '' ? name : `${field}.${name}`
      if (!Object.hasOwn(checks, name)) throw wrong(place, `be one of ${Object.keys(checks).join(', ')}`)
      if (item !== undefined) checked[name] = (checks as Record<string, Check<unknown>>)[name]?.(item, place)
    }
    return checked as T
  }
}

export function plainObject(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw wrong(field === '' ? 'it' : field, 'be an object')
}
