/** The arguments of a bind, as the broker's binding: key, and for headers exchanges what is compared. */
import type { Binding, BindingTarget, ExchangeKind, HeadersMatch } from '../../broker/port.ts'
import { type FieldTable, type FieldValue, textOf } from '../../wire/amqp/field-table.ts'
import { encodeTable } from './definitions.ts'
import { preconditionFailed } from './fault.ts'
import { wholeOf } from './queue-arguments.ts'

const modes: ReadonlySet<string> = new Set<HeadersMatch['mode']>(['all', 'any', 'all-with-x', 'any-with-x'])

export type BindingWords = Pick<Binding, 'target' | 'key' | 'headers' | 'attributes'>

/** Throws PRECONDITION_FAILED for an x-match that nobody knows, or a value that headers cannot have. */
export function bindingWords(target: BindingTarget, key: string, table: FieldTable, kind: ExchangeKind): BindingWords {
  const attributes = table.size === 0 ? undefined : { attributes: { amqp: { arguments: encodeTable(table) } } }
  if (kind !== 'headers') return { target, key, ...attributes }
  return { target, key, headers: headersMatch(table), ...attributes }
}

function headersMatch(table: FieldTable): HeadersMatch {
  const field = table.get('x-match')
  const mode = field === undefined ? 'all' : (textOf(field) ?? '')
  if (!modes.has(mode)) {
    throw preconditionFailed(`Invalid x-match field value "${mode}"; expected all, any, all-with-x, or any-with-x`)
  }
  const values = Object.create(null) as Record<string, HeadersMatch['values'][string]>
  for (const [name, value] of table) if (name !== 'x-match') values[name] = headerValue(name, value)
  return { mode: mode as HeadersMatch['mode'], values }
}

function headerValue(name: string, field: FieldValue): HeadersMatch['values'][string] {
  if (field.type === 'V') return null
  const number = wholeOf(field)
  if (number !== undefined) return number
  if (field.type === 'S') return textOf(field) ?? ''
  if (field.type === 't' || field.type === 'f' || field.type === 'd') return field.value
  if (field.type === 'T') return Number(field.value)
  if (field.type === 'x') return field.value
  throw preconditionFailed(`the binding argument '${name}' is of a type that headers are not compared by`)
}
