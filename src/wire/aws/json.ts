/** AWS JSON 1.0: the body of a request, checked against the action's shape. */
import { isUtf8 } from 'node:buffer'
import { serializationError } from './error.ts'
import type { Params, Shape, StructureShape } from './shape.ts'

/**
 * The parsed body itself, checked in place: building it anew would cost as much as parsing it. Null members are taken out;
 * members that the shape does not name stay and mean nothing. Throws `SerializationException` for what is not UTF-8, not
 * JSON, or of another type; the message never repeats the body.
 */
export function readJson(body: Uint8Array, shape: StructureShape): Params {
  if (body.length === 0) return {}
  if (!isUtf8(body)) throw serializationError('The request body is not valid UTF-8.')
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
  } catch {
    throw serializationError('The request body is not valid JSON.')
  }
  if (!isObject(parsed)) throw serializationError('The request body must be a JSON object.')
  checkStructure(parsed, shape)
  return parsed
}

type JsonObject = Record<string, unknown>

function checkStructure(object: JsonObject, { byName }: StructureShape): void {
  // What JSON.parse made has own members only, `__proto__` included.
  for (const name in object) {
    const shape = byName.get(name)
    if (shape === undefined) continue
    const value = object[name]
    if (value === null) delete object[name]
    else check(value, shape)
  }
}

function check(value: unknown, shape: Shape): void {
  switch (shape.kind) {
    case 'string':
    case 'blob':
      if (typeof value !== 'string') throw mismatch(value, 'a String')
      return
    case 'integer':
      if (!Number.isSafeInteger(value)) throw mismatch(value, 'an Integer')
      return
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(value, 'a Boolean')
      return
    case 'structure':
      if (!isObject(value)) throw serializationError('Unexpected field type')
      checkStructure(value, shape)
      return
    case 'list':
      if (!Array.isArray(value)) throw serializationError('Unexpected field type')
      for (const item of value) check(item, shape.of)
      return
    case 'map':
      if (!isObject(value)) throw serializationError('Unexpected field type')
      for (const [key, item] of Object.entries(value)) {
        if (item === null) delete value[key]
        else check(item, shape.of)
      }
      return
    default:
      shape satisfies never
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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
