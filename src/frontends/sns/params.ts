/** Parameters of an action, as texts, maps and lists. The entry has checked their types; here they are only told apart from absent. */
import type { Params } from '../../wire/aws/shape.ts'
import { missing } from './errors.ts'

export type Texts = Readonly<Record<string, string>>

/** Throws `ValidationError`. An empty text is there. */
export function required(params: Params, name: string): string {
  const value = params[name]
  if (typeof value !== 'string') throw missing(name)
  return value
}

export function optional(params: Params, name: string): string | undefined {
  const value = params[name]
  return typeof value === 'string' ? value : undefined
}

/** {} when absent. Without a prototype. */
export function textMap(params: Params, name: string): Texts {
  return (params[name] as Texts | undefined) ?? NO_TEXTS
}

/** [] when absent. */
export function list<T>(params: Params, name: string): readonly T[] {
  return (params[name] as readonly T[] | undefined) ?? []
}

/** Without a prototype, so that a key named `__proto__` is a key like any other. */
export function texts(from: Iterable<readonly [string, string]> = []): Record<string, string> {
  const made = Object.create(null) as Record<string, string>
  for (const [key, value] of from) made[key] = value
  return made
}

const NO_TEXTS: Texts = Object.freeze(texts())
