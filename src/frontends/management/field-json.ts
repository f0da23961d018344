/**
 * Field tables <-> JSON, as RabbitMQ's management API does it: whole numbers are int64, others doubles, objects tables, lists arrays,
 * null void. The other way byte arrays become text where they are UTF-8, and base64 where not; timestamps are seconds.
 */
import type { FieldTable, FieldValue } from '../../wire/amqp/field-table.ts'
import { badRequest } from './fault.ts'

const DEPTH_MAX = 16
const VALUES_MAX = 10_000

/** Throws 400 for what a table cannot hold. */
export function tableFromJson(value: Readonly<Record<string, unknown>>): FieldTable {
  return tableOf(value, { values: VALUES_MAX }, 1)
}

interface Budget {
  values: number
}

function tableOf(value: object, budget: Budget, depth: number): FieldTable {
  if (depth > DEPTH_MAX) throw badRequest(`arguments are nested over ${DEPTH_MAX} deep`)
  const table = new Map<string, FieldValue>()
  for (const [name, item] of Object.entries(value)) {
    if (Buffer.byteLength(name) > 255) throw badRequest('the name of an argument is over 255 bytes')
    table.set(name, fieldOf(item, budget, depth))
  }
  return table
}

function fieldOf(value: unknown, budget: Budget, depth: number): FieldValue {
  if (--budget.values < 0) throw badRequest(`there are over ${VALUES_MAX} arguments`)
  if (value === null || value === undefined) return { type: 'V' }
  if (typeof value === 'string') return { type: 'S', value: Buffer.from(value) }
  if (typeof value === 'boolean') return { type: 't', value }
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? { type: 'l', value: BigInt(value) } : { type: 'd', value }
  }
  if (typeof value !== 'object') throw badRequest(`a ${typeof value} cannot be an argument`)
  if (!Array.isArray(value)) return { type: 'F', value: tableOf(value, budget, depth + 1) }
  if (depth >= DEPTH_MAX) throw badRequest(`arguments are nested over ${DEPTH_MAX} deep`)
  return { type: 'A', value: value.map((item) => fieldOf(item, budget, depth + 1)) }
}

export function tableToJson(table: FieldTable): Readonly<Record<string, unknown>> {
  const fields: Record<string, unknown> = Object.create(null)
  for (const [name, field] of table) fields[name] = fieldToJson(field)
  return fields
}

function fieldToJson(field: FieldValue): unknown {
  switch (field.type) {
    case 'V':
      return null
    case 'S':
    case 'x':
      return textOrBase64(field.value).text
    case 'l':
    case 'L':
    case 'T':
      return Number(field.value)
    case 'D':
      return field.value / 10 ** field.scale
    case 'A':
      return field.value.map(fieldToJson)
    case 'F':
      return tableToJson(field.value)
    default:
      return field.value
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

export function textOrBase64(bytes: Uint8Array): { readonly text: string; readonly encoding: 'string' | 'base64' } {
  try {
    return { text: utf8.decode(bytes), encoding: 'string' }
  } catch {
    return { text: Buffer.from(bytes).toString('base64'), encoding: 'base64' }
  }
}
