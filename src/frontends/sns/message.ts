/** One message of Publish or PublishBatch, checked: text, subject, attributes, and what each protocol gets of it. */
import type { Headers, HeaderValue } from '../../model/content.ts'
import type { Params } from '../../wire/aws/shape.ts'
import type { EnvelopeAttribute } from './envelope.ts'
import { invalidBecause, invalidParameter, invalidValue } from './errors.ts'
import { MESSAGE_ATTRIBUTES_MAX, MESSAGE_BYTES_MAX, SUBJECT_CHARACTERS_MAX } from './limits.ts'
import { optional, texts } from './params.ts'

export interface Outgoing {
  readonly message: string
  readonly subject: string | undefined
  readonly attributes: readonly MessageAttribute[]
  /** With MessageStructure=json: by protocol, `default` among them. */
  readonly byProtocol: Readonly<Record<string, string>> | undefined
  readonly groupId: string | undefined
  readonly dedupId: string | undefined
  /** Message, and names, types and values of attributes. */
  readonly bytes: number
}

export interface MessageAttribute {
  readonly name: string
  readonly type: string
  /** Of a Binary one the bytes, else the exact text. */
  readonly value: string | Uint8Array
}

const ATTRIBUTE_NAME = /^(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}(?<!\.)$/
/** Those are AWS's own, of which senders of SMS and mobile messages set some. */
const RESERVED = /^(?:aws|amazon)\./i
const KNOWN = /^AWS\.(?:SNS|MM)\./
const TYPE = /^(String|Number|Binary)(?:\..+)?$/
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
/** What XML and SQS can carry. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are refused
const UNSAYABLE = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Cs}/u
// biome-ignore lint/suspicious/noControlCharactersInRegex: a subject is one line
const SUBJECT = /^(?! )[^\x00-\x1f\x7f]+$/
const DEDUP_ID = /^[!-~]{1,128}$/

/** Throws `InvalidParameter` or `ParameterValueInvalid`. What depends on the topic is not checked here. */
export function readOutgoing(params: Params): Outgoing {
  const message = optional(params, 'Message') ?? ''
  if (message === '') throw invalidParameter('Empty message')
  if (UNSAYABLE.test(message)) throw invalidBecause('Message', 'Invalid characters found')
  const subject = optional(params, 'Subject')
  if (subject !== undefined && (subject.length > SUBJECT_CHARACTERS_MAX || !SUBJECT.test(subject))) {
    throw invalidParameter('Subject')
  }
  const structure = optional(params, 'MessageStructure')
  if (structure !== undefined && structure !== 'json') throw invalidParameter('MessageStructure')
  const attributes = readAttributes(params['MessageAttributes'] as Readonly<Record<string, Params>> | undefined)
  const bytes = Buffer.byteLength(message) + attributeBytes(attributes)
  if (bytes > MESSAGE_BYTES_MAX) throw invalidParameter('Message too long')
  return {
    message,
    subject,
    attributes,
    byProtocol: structure === 'json' ? readStructured(message) : undefined,
    groupId: readId(params, 'MessageGroupId'),
    dedupId: readId(params, 'MessageDeduplicationId'),
    bytes,
  }
}

/** What this protocol gets: of a structured message its own text, or the default. */
export function textFor({ message, byProtocol }: Outgoing, protocol: string): string {
  if (byProtocol === undefined) return message
  return byProtocol[protocol] ?? byProtocol['default'] ?? ''
}

/** As the store keeps attributes: headers, and the types that these do not say. */
export function headersOf(attributes: readonly MessageAttribute[]): {
  readonly headers: Headers
  readonly attributeTypes: Readonly<Record<string, string>>
} {
  const headers = Object.create(null) as Record<string, HeaderValue>
  const attributeTypes = texts()
  for (const { name, type, value } of attributes) {
    headers[name] = value
    if (type !== 'String' && type !== 'Binary') attributeTypes[name] = type
  }
  return { headers, attributeTypes }
}

/** As envelopes show them. */
export function envelopeAttributes(attributes: readonly MessageAttribute[]): Record<string, EnvelopeAttribute> {
  const shown = Object.create(null) as Record<string, EnvelopeAttribute>
  for (const { name, type, value } of attributes) {
    const text = typeof value === 'string' ? value : Buffer.from(value).toString('base64')
    shown[name] = { Type: type, Value: text }
  }
  return shown
}

function readId(params: Params, name: string): string | undefined {
  const id = optional(params, name)
  if (id === undefined || DEDUP_ID.test(id)) return id
  throw invalidBecause(name, `${name} can only include alphanumeric and punctuation characters. 1 to 128 in length`)
}

function readStructured(message: string): Readonly<Record<string, string>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(message)
  } catch {
    throw invalidBecause('Message Structure', 'JSON message body failed to parse')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalidBecause('Message Structure', 'JSON message body failed to parse')
  }
  const byProtocol = texts()
  for (const [protocol, text] of Object.entries(parsed)) if (typeof text === 'string') byProtocol[protocol] = text
  if (byProtocol['default'] === undefined) {
    throw invalidBecause('Message Structure', 'No default entry in JSON message body')
  }
  if (byProtocol['default'] === '') throw invalidParameter('Empty message')
  return byProtocol
}

function readAttributes(given: Readonly<Record<string, Params>> | undefined): MessageAttribute[] {
  if (given === undefined) return []
  const entries = Object.entries(given)
  if (entries.length > MESSAGE_ATTRIBUTES_MAX) {
    throw invalidBecause('MessageAttributes', `at most ${MESSAGE_ATTRIBUTES_MAX} are allowed`)
  }
  return entries.map(([name, value]) => readAttribute(name, value))
}

function readAttribute(name: string, given: Params): MessageAttribute {
  if (!ATTRIBUTE_NAME.test(name) || (RESERVED.test(name) && !KNOWN.test(name))) {
    throw invalidValue(`The message attribute name '${name}' is not valid.`)
  }
  const type = optional(given, 'DataType')
  if (type === undefined || type === '') {
    throw invalidValue(`The message attribute '${name}' must contain non-empty message attribute type.`)
  }
  const kind = TYPE.exec(type)?.[1]
  if (kind === undefined || type.length > 256 || UNSAYABLE.test(type)) {
    throw invalidValue(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
    )
  }
  const text = optional(given, kind === 'Binary' ? 'BinaryValue' : 'StringValue')
  if (text === undefined || text === '') {
    throw invalidValue(
      `The message attribute '${name}' must contain non-empty message attribute value for message attribute type '${type}'.`,
    )
  }
  if (kind === 'Binary') return { name, type, value: readBase64(name, text) }
  if (UNSAYABLE.test(text)) throw invalidValue(`The message attribute '${name}' has invalid characters.`)
  if (kind === 'Number' && !NUMBER.test(text)) {
    throw invalidValue(`Could not cast message attribute '${name}' value to number.`)
  }
  if (type === 'String.Array') checkArray(name, text)
  return { name, type, value: text }
}

function readBase64(name: string, text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw invalidValue(`The message attribute '${name}' is not base64.`)
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function checkArray(name: string, text: string): void {
  try {
    if (Array.isArray(JSON.parse(text))) return
  } catch {
    // told below
  }
  throw invalidValue(`The message attribute '${name}' of type 'String.Array' must be a JSON array.`)
}

function attributeBytes(attributes: readonly MessageAttribute[]): number {
  let bytes = 0
  for (const { name, type, value } of attributes) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(type)
    bytes += typeof value === 'string' ? Buffer.byteLength(value) : value.length
  }
  return bytes
}
