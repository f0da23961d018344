/** Checks of exchanges and bindings as they come from outside. Each fault names field and limit. */
import { SpindleError } from '../model/errors.ts'
import { validateName } from '../model/validate.ts'
import type { Binding, ExchangeSettings, Filter, HeadersMatch } from '../routing/exchange.ts'
import { judgeFilter } from '../routing/filter/judge.ts'

/** UTF-8 bytes of a routing key or pattern: what AMQP carries. */
const KEY_BYTES_MAX = 255
const BINDING_ID_BYTES_MAX = 4_096
/** Of one binding's `headers`. */
const HEADERS_MAX = 256
/** `attributes` of an exchange or binding, bytes of JSON. */
const ATTRIBUTES_BYTES_MAX = 1_048_576

const kinds = new Set<unknown>(['direct', 'fanout', 'topic', 'headers'])
const modes = new Set<unknown>(['all', 'any', 'all-with-x', 'any-with-x'])
const fields = new Set(['kind', 'alternate', 'autoDelete', 'attributes'])

export const defaultSettings: ExchangeSettings = { kind: 'fanout', alternate: null, autoDelete: false, attributes: {} }

/** The settings with `before` for what is not given. */
export function checkedSettings(given: Partial<ExchangeSettings>, before: ExchangeSettings): ExchangeSettings {
  if (!isObject(given)) fail('settings', 'be an object')
  for (const field of Object.keys(given)) if (!fields.has(field)) fail(field, `be one of ${[...fields].join(', ')}`)
  const kind = given.kind ?? before.kind
  const alternate = given.alternate === undefined ? before.alternate : given.alternate
  const autoDelete = given.autoDelete ?? before.autoDelete
  const attributes = given.attributes ?? before.attributes
  if (!kinds.has(kind)) fail('kind', `be one of ${[...kinds].join(', ')}`)
  if (alternate !== null) validateName('alternate exchange', alternate)
  if (typeof autoDelete !== 'boolean') fail('autoDelete', 'be true or false')
  checkAttributes(attributes)
  return { kind, alternate, autoDelete, attributes }
}

export function checkBinding(binding: Binding): void {
  const { exchange, id, target, key, headers, filter, attributes } = binding
  validateName('exchange', exchange)
  if (typeof id !== 'string' || id === '' || Buffer.byteLength(id) > BINDING_ID_BYTES_MAX) {
    fail('id', `be 1 to ${BINDING_ID_BYTES_MAX} bytes of UTF-8`)
  }
  if (!isObject(target) || (target.kind !== 'queue' && target.kind !== 'exchange'))
    fail('target', 'be a queue or exchange')
  validateName(target.kind, target.name)
  if (typeof key !== 'string' || Buffer.byteLength(key) > KEY_BYTES_MAX)
    fail('key', `be at most ${KEY_BYTES_MAX} bytes`)
  if (headers !== undefined) checkHeaders(headers)
  if (filter !== undefined) checkFilter(filter)
  if (attributes !== undefined) checkAttributes(attributes)
}

function checkHeaders(headers: HeadersMatch): void {
  if (!isObject(headers) || !isObject(headers.values)) fail('headers', 'be { mode, values }')
  if (!modes.has(headers.mode)) fail('headers.mode', `be one of ${[...modes].join(', ')}`)
  const entries = Object.entries(headers.values)
  if (entries.length > HEADERS_MAX) fail('headers', `have at most ${HEADERS_MAX} entries`)
  for (const [name, value] of entries) {
    const plain = value === null || ['string', 'number', 'boolean'].includes(typeof value)
    if (!plain && !(value instanceof Uint8Array)) fail(`headers.${name}`, 'be a string, number, boolean, bytes or null')
  }
}

function checkFilter(filter: Filter): void {
  if (!isObject(filter) || (filter.scope !== 'headers' && filter.scope !== 'body')) {
    fail('filter', 'be { scope, policy } with the scope headers or body')
  }
  const fault = judgeFilter(filter)
  if (fault !== undefined) throw new SpindleError('invalid-argument', `a binding: ${fault.text}`)
}

function checkAttributes(attributes: unknown): void {
  if (!isObject(attributes)) fail('attributes', 'be an object')
  if (Buffer.byteLength(JSON.stringify(attributes)) > ATTRIBUTES_BYTES_MAX) {
    fail('attributes', `be at most ${ATTRIBUTES_BYTES_MAX} bytes of JSON`)
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fail(field: string, must: string): never {
  throw new SpindleError('invalid-argument', `an exchange or binding: ${field} must ${must}`)
}
