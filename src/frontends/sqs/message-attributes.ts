/** Message attributes: checked as they come in, kept as headers, and given back with their types and MD5. */
import type { DecodedHead, Headers, HeaderValue } from '../../model/content.ts'
import { attributesMd5, type HashedAttribute } from '../../wire/aws/attribute-md5.ts'
import type { Params } from '../../wire/aws/shape.ts'
import { invalidMessageContents, invalidParameter, unsupportedOperation } from './errors.ts'
import { MESSAGE_ATTRIBUTES_MAX } from './limits.ts'
import { hasInvalidCharacters } from './message-text.ts'

export interface ReadAttributes {
  readonly headers: Headers
  /** undefined when the kinds of the values say everything. */
  readonly types: Readonly<Record<string, string>> | undefined
  /** Names, types and values, UTF-8. */
  readonly bytes: number
  readonly md5: string | undefined
}

const NAME = /^(?!\.)(?!.*\.\.)(?!(?:aws|amazon)\.)[A-Za-z0-9_.-]{1,256}(?<!\.)$/i
const TYPE = /^(String|Number|Binary)(?:\.[^\p{Cc}]{1,248})?$/u
const NUMBER = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** undefined: there are none. Throws `InvalidParameterValue`, `InvalidMessageContents`, `UnsupportedOperation`. */
export function readMessageAttributes(given: Params | undefined): ReadAttributes | undefined {
  const entries = given === undefined ? [] : Object.entries(given)
  if (entries.length === 0) return undefined
  if (entries.length > MESSAGE_ATTRIBUTES_MAX) {
    const counts = `[${entries.length}] exceeds the allowed maximum [${MESSAGE_ATTRIBUTES_MAX}]`
    throw invalidParameter(`Number of message attributes ${counts}.`)
  }
  const headers = Object.create(null) as Record<string, HeaderValue>
  const types = Object.create(null) as Record<string, string>
  const hashed: HashedAttribute[] = []
  let bytes = 0
  let isTyped = false
  for (const [name, attribute] of entries) {
    const { dataType, value } = readAttribute(name, attribute as Params)
    headers[name] = value
    hashed.push({ name, dataType, value })
    bytes += Buffer.byteLength(name) + Buffer.byteLength(dataType)
    bytes += typeof value === 'string' ? Buffer.byteLength(value) : value.length
    if (dataType !== impliedType(value)) {
      types[name] = dataType
      isTyped = true
    }
  }
  return { headers, types: isTyped ? types : undefined, bytes, md5: attributesMd5(hashed) }
}

function readAttribute(name: string, attribute: Params): { dataType: string; value: string | Uint8Array } {
  if (!NAME.test(name)) {
    const rule = 'can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.), at most 256 of them'
    throw invalidParameter(`Message attribute name '${name.slice(0, 300)}' is invalid: it ${rule}.`)
  }
  const { DataType: dataType, StringValue: text, BinaryValue: base64 } = attribute as Record<string, string | undefined>
  if (attribute['StringListValues'] !== undefined || attribute['BinaryListValues'] !== undefined) {
    throw unsupportedOperation('Message attribute list values in SendMessage operation are not supported.')
  }
  if (dataType === undefined || dataType === '') {
    throw invalidParameter(`The message attribute '${name}' must contain non-empty message attribute type.`)
  }
  const base = dataType.length > 256 ? undefined : TYPE.exec(dataType)?.[1]
  if (base === undefined) {
    const prefixes = 'the set of supported type prefixes is Binary, Number, and String'
    throw invalidParameter(`The message attribute '${name}' has an invalid message attribute type, ${prefixes}.`)
  }
  if (base === 'Binary') {
    if (base64 === undefined || base64 === '' || text !== undefined) throw emptyValue(name, dataType)
    if (!BASE64.test(base64)) throw invalidParameter(`The message attribute '${name}' is not valid base64.`)
    return { dataType, value: Buffer.from(base64, 'base64') }
  }
  if (text === undefined || text === '' || base64 !== undefined) throw emptyValue(name, dataType)
  if (hasInvalidCharacters(text)) throw invalidMessageContents()
  if (base === 'Number' && !(text.length <= 256 && NUMBER.test(text))) {
    throw invalidParameter(`Can't cast the value of message attribute '${name}' to a number.`)
  }
  return { dataType, value: text }
}

function emptyValue(name: string, dataType: string) {
  const must = `must contain non-empty message attribute value for message attribute type '${dataType.slice(0, 260)}'`
  return invalidParameter(`The message attribute '${name}' ${must}.`)
}

/** The type of a value that names none: every protocol's headers are attributes here. */
function impliedType(value: HeaderValue): string {
  if (value instanceof Uint8Array) return 'Binary'
  return typeof value === 'number' ? 'Number' : 'String'
}

/** Which attributes a receive wants: `All`, `.*`, `prefix.*`, or names. */
export type AttributeFilter = (name: string) => boolean

/** undefined: none. */
export function attributeFilter(names: readonly string[]): AttributeFilter | undefined {
  if (names.length === 0) return undefined
  if (names.includes('All') || names.includes('.*')) return () => true
  const exact = new Set(names)
  const prefixes = names.filter((name) => name.endsWith('.*')).map((name) => name.slice(0, -2))
  return (name) => exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix))
}

export interface ReturnedAttributes {
  readonly values: Readonly<Record<string, object>>
  readonly md5: string | undefined
}

/** undefined: none of its attributes is wanted. */
export function returnedAttributes(head: DecodedHead, wants: AttributeFilter): ReturnedAttributes | undefined {
  const values = Object.create(null) as Record<string, object>
  const hashed: HashedAttribute[] = []
  for (const name in head.headers) {
    if (!wants(name)) continue
    const header = head.headers[name] as HeaderValue
    const dataType = head.attributeTypes[name] ?? impliedType(header)
    const value = header instanceof Uint8Array ? header : String(header)
    hashed.push({ name, dataType, value })
    values[name] =
      typeof value === 'string'
        ? { StringValue: value, DataType: dataType }
        : { BinaryValue: Buffer.from(value).toString('base64'), DataType: dataType }
  }
  return hashed.length === 0 ? undefined : { values, md5: attributesMd5(hashed) }
}
