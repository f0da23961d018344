/**
 * Exchanges and bindings as records, JSON:
 *
 *   spindle/exchange/NAME          { kind, alternate, autoDelete, attributes }
 *   spindle/binding/EXCHANGE/ID    { order, target, key, headers, filter, attributes }, EXCHANGE percent-encoded
 *   spindle/topic/NAME             { queues }: a topic of version 0.1, read once and rewritten as the two above
 *
 * One record a binding, so that the hundred-thousandth costs what the first did. `order` grows with each binding made.
 */
import { SpindleError } from '../model/errors.ts'
import type { Binding, ExchangeSettings, HeadersMatch } from '../routing/exchange.ts'

export const EXCHANGE_PREFIX = 'spindle/exchange/'
export const BINDING_PREFIX = 'spindle/binding/'
export const TOPIC_PREFIX = 'spindle/topic/'

export interface OrderedBinding {
  readonly binding: Binding
  readonly order: number
}

export function bindingKey(exchange: string, id: string): string {
  return `${BINDING_PREFIX}${encodeURIComponent(exchange)}/${id}`
}

export function encodeSettings(settings: ExchangeSettings): Uint8Array {
  return encode(settings)
}

export function decodeSettings(value: Uint8Array): ExchangeSettings {
  const { kind, alternate, autoDelete, attributes } = decode(value)
  if (kind !== 'direct' && kind !== 'fanout' && kind !== 'topic' && kind !== 'headers') throw corrupt()
  return {
    kind,
    alternate: typeof alternate === 'string' ? alternate : null,
    autoDelete: autoDelete === true,
    attributes: isObject(attributes) ? attributes : {},
  }
}

export function encodeBinding({ binding, order }: OrderedBinding): Uint8Array {
  const { target, key, headers, filter, attributes } = binding
  return encode({ order, target, key, headers: headers && encodeHeadersMatch(headers), filter, attributes })
}

export function decodeBinding(recordKey: string, value: Uint8Array): OrderedBinding {
  const name = recordKey.slice(BINDING_PREFIX.length)
  const slash = name.indexOf('/')
  const { order, target, key, headers, filter, attributes } = decode(value)
  if (slash < 0 || typeof order !== 'number' || typeof key !== 'string' || !isObject(target)) throw corrupt()
  const binding: Binding = {
    exchange: decodeURIComponent(name.slice(0, slash)),
    id: name.slice(slash + 1),
    target: { kind: target['kind'] === 'exchange' ? 'exchange' : 'queue', name: String(target['name']) },
    key,
    ...(isObject(headers) ? { headers: decodeHeadersMatch(headers) } : {}),
    // As `encodeBinding` wrote it, after it had been judged.
    ...(isObject(filter) ? { filter: filter as unknown as NonNullable<Binding['filter']> } : {}),
    ...(isObject(attributes) ? { attributes } : {}),
  }
  return { binding, order }
}

/** The queues of a topic as version 0.1 stored it, in the order in which they were bound. */
export function decodeTopic(value: Uint8Array): string[] {
  const { queues } = decode(value)
  if (!Array.isArray(queues)) throw corrupt()
  return queues.map(String)
}

/** Bytes become { $bytes: base64 }; a list of pairs, so that no name is special. */
function encodeHeadersMatch({ mode, values }: HeadersMatch): object {
  return {
    mode,
    values: Object.entries(values).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString('base64') } : value,
    ]),
  }
}

function decodeHeadersMatch({ mode, values }: Readonly<Record<string, unknown>>): HeadersMatch {
  const read = Object.create(null) as Record<string, HeadersMatch['values'][string]>
  if (!Array.isArray(values)) throw corrupt()
  for (const [name, value] of values as [string, unknown][]) {
    const isBytes = isObject(value) && typeof value['$bytes'] === 'string'
    read[name] = isBytes
      ? new Uint8Array(Buffer.from(String(value['$bytes']), 'base64'))
      : (value as HeadersMatch['values'][string])
  }
  return { mode: mode as HeadersMatch['mode'], values: read }
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

function decode(value: Uint8Array): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(new TextDecoder().decode(value))
  if (!isObject(parsed)) throw corrupt()
  return parsed
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function corrupt(): SpindleError {
  return new SpindleError('corrupt', 'read an exchange or binding')
}
