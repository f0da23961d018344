/** AWS JSON 1.0: the body of a request, checked against the action's shape. */
import { isUtf8 } from 'node:buffer'
import { serializationError } from './error.ts'
import type { Params, Shape, StructureShape } from './shape.ts'

/**
 * Members that the shape does not name are dropped, null ones are absent. Throws `SerializationException` for what is not
 * UTF-8, not JSON, or of another type; the message never repeats the body.
 */
export function readJson(body: Uint8Array, shape: StructureShape): Params {
  if (body.length === 0) return Object.create(null) as Params
  if (!isUtf8(body)) throw serializationError('The request body is not valid UTF-8.')
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
  } catch {
    throw serializationError('The request body is not valid JSON.')
  }
  if (kindOf(parsed) !== 'STRUCTURE') throw serializationError('The request body must be a JSON object.')
  return readStructure(parsed as object, shape)
}

function readStructure(from: object, { members }: StructureShape): Params {
  const params = Object.create(null) as Record<string, unknown>
  // for-in with an own check: entries of hot batches are read without building arrays of pairs.
  for (const name in from) {
    if (!Object.hasOwn(from, name)) continue
    const shape = members[name]
    const value = (from as Record<string, unknown>)[name]
    if (shape === undefined || value === null) continue
    params[name] = readValue(value, shape)
  }
  return params
}

function readValue(value: unknown, shape: Shape): unknown {
  switch (shape.kind) {
    case 'string':
    case 'blob':
      if (typeof value !== 'string') throw mismatch(value, 'a String')
      return value
    case 'integer':
      if (typeof value !== 'number') throw mismatch(value, 'an Integer')
      if (!Number.isSafeInteger(value)) throw mismatch(value, 'an Integer')
      return value
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(value, 'a Boolean')
      return value
    case 'structure':
      if (kindOf(value) !== 'STRUCTURE') throw serializationError('Unexpected field type')
      return readStructure(value as object, shape)
    case 'list': {
      if (!Array.isArray(value)) throw serializationError('Unexpected field type')
      const { of } = shape
      return value.map((item: unknown) => {
        if (item === null) throw mismatch(item, 'an item of a list')
        return readValue(item, of)
      })
    }
    case 'map': {
      if (kindOf(value) !== 'STRUCTURE') throw serializationError('Unexpected field type')
      const entries = Object.create(null) as Record<string, unknown>
      for (const [key, item] of Object.entries(value as object)) {
        if (item !== null) entries[key] = readValue(item, shape.of)
      }
      return entries
    }
    default:
      return shape satisfies never
  }
}

function mismatch(value: unknown, wanted: string) {
  return serializationError(`${kindOf(value)} can not be converted to ${wanted}`)
}

/** The words AWS uses for what stood there. */
function kindOf(value: unknown): string {
  if (value === null) return 'NULL_VALUE'
  if (Array.isArray(value)) return 'LIST_VALUE'
  switch (typeof value) {
    case 'string':
      return 'STRING_VALUE'
    case 'number':
      return Number.isInteger(value) ? 'NUMBER_VALUE' : 'DECIMAL_VALUE'
    case 'boolean':
      return value ? 'TRUE_VALUE' : 'FALSE_VALUE'
    default:
      return 'STRUCTURE'
  }
}
