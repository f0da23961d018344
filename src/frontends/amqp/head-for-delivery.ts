/**
 * The head that a delivery has on the wire. Nearly always the stored one. Others are made for
 *   - messages of other protocols (heads of kind 0 to 2): content-type by kind of body, type and headers as properties,
 *     message-id, timestamp; exchange '' and the queue as routing key
 *   - dead letters: RabbitMQ's x-death and x-first-death-*, without the expiration
 *   - redeliveries from quorum queues: x-delivery-count
 */
import { AMQP_HEAD, type Origin, originOf } from '../../model/amqp-head.ts'
import { decodeHead, type HeaderValue } from '../../model/content.ts'
import type { Death, DeathReason, Delivery } from '../../model/message.ts'
import { type FieldTable, type FieldValue, fieldOf } from '../../wire/amqp/field-table.ts'
import { addressEnd } from '../../wire/amqp/frame-writer.ts'
import { type Properties, readProperties, writeProperties } from '../../wire/amqp/properties.ts'
import { WireError } from '../../wire/amqp/protocol.ts'
import { wireName } from './names.ts'

const PERSISTENT = 2
const NOWHERE: Origin = { exchange: '', key: '' }
const contentTypes = { bytes: 'application/octet-stream', text: 'text/plain', json: 'application/json' } as const

export function headFor(delivery: Delivery, countsDeliveries: boolean): Uint8Array {
  const { head } = delivery.content
  const isPlain = head[0] === AMQP_HEAD && delivery.history.length === 0
  if (isPlain && !(countsDeliveries && delivery.attempts > 1)) return head
  const { exchange, key, properties } = head[0] === AMQP_HEAD ? stored(head) : translated(delivery)
  const headers = new Map(properties.headers ?? [])
  if (delivery.history.length > 0) {
    addDeaths(headers, delivery, properties.expiration)
    delete properties.expiration
  }
  if (countsDeliveries && delivery.attempts > 1) headers.set('x-delivery-count', fieldOf(delivery.attempts - 1))
  if (headers.size > 0) properties.headers = headers
  return Buffer.concat([Uint8Array.of(AMQP_HEAD), shortstr(exchange), shortstr(key), writeProperties(properties)])
}

interface Parts extends Origin {
  readonly properties: Properties
}

function stored(head: Uint8Array): Parts {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const { exchange, key } = originOf(head) ?? NOWHERE
  // A dead-letterer names the exchange as the store does.
  return { exchange: wireName(exchange).name, key, properties: propertiesOf(bytes) }
}

/** Publishers' bytes were checked when they came in; a head that somebody else made wrongly costs its properties, not its queue. */
function propertiesOf(head: Buffer): Properties {
  try {
    return readProperties(head, addressEnd(head))
  } catch (error) {
    if (error instanceof WireError) return {}
    throw error
  }
}

/** A message that another protocol sent. */
function translated({ id, queue, content, priority, enqueuedAtMs }: Delivery): Parts {
  const { kind, type, headers, attributeTypes } = decodeHead(content.head)
  const properties: Properties = {
    contentType: contentTypes[kind],
    deliveryMode: PERSISTENT,
    messageId: id,
    timestamp: BigInt(Math.floor(enqueuedAtMs / 1_000)),
  }
  if (priority > 0) properties.priority = priority
  if (type !== undefined) properties.type = cut(type)
  const table = tableOfHeaders(headers, attributeTypes)
  if (table.size > 0) properties.headers = table
  return { exchange: '', key: wireName(queue).name, properties }
}

function tableOfHeaders(
  headers: Readonly<Record<string, HeaderValue>>,
  attributeTypes: Readonly<Record<string, string>>,
): FieldTable {
  const table = new Map<string, FieldValue>()
  for (const [name, value] of Object.entries(headers)) {
    if (Buffer.byteLength(name) <= 255) table.set(name, fieldOf(numberIfTyped(value, attributeTypes[name])))
  }
  return table
}

/** A Number attribute of SQS is kept as its text: it is a number here when nothing is lost by it. */
function numberIfTyped(value: HeaderValue, type: string | undefined): HeaderValue {
  if (typeof value !== 'string' || type !== 'Number') return value
  const number = Number(value)
  return String(number) === value ? number : value
}

/** RabbitMQ's words for why a message died. */
function reasonOf(reason: DeathReason): string {
  if (reason === 'overflow') return 'maxlen'
  if (reason === 'exhausted') return 'delivery_limit'
  return reason === 'buried' || reason === 'invalid' || reason === 'lost' || reason === 'cancelled'
    ? 'rejected'
    : reason
}

function addDeaths(
  headers: Map<string, FieldValue>,
  { content, history }: Delivery,
  expiration: string | undefined,
): void {
  const origin = originOf(content.head) ?? NOWHERE
  const exchangeOf = (death: Death): string => wireName(death.exchange ?? origin.exchange).name
  const first = history[0] as Death
  const deaths = [...history].reverse().map((death): FieldValue => {
    const fields = new Map<string, FieldValue>([
      ['count', { type: 'l', value: BigInt(death.count) }],
      ['reason', fieldOf(reasonOf(death.reason))],
      ['queue', fieldOf(wireName(death.queue).name)],
      ['time', { type: 'T', value: BigInt(Math.floor(death.atMs / 1_000)) }],
      ['exchange', fieldOf(exchangeOf(death))],
      ['routing-keys', { type: 'A', value: (death.keys ?? [origin.key]).map((key) => fieldOf(key)) }],
    ])
    if (death === first && expiration !== undefined) fields.set('original-expiration', fieldOf(expiration))
    return { type: 'F', value: fields }
  })
  headers.set('x-death', { type: 'A', value: deaths })
  headers.set('x-first-death-reason', fieldOf(reasonOf(first.reason)))
  headers.set('x-first-death-queue', fieldOf(wireName(first.queue).name))
  headers.set('x-first-death-exchange', fieldOf(exchangeOf(first)))
}

function shortstr(text: string): Uint8Array {
  const bytes = Buffer.from(cut(text))
  return Buffer.concat([Uint8Array.of(bytes.length), bytes])
}

/** At most 255 bytes, cut between characters. */
function cut(text: string): string {
  let short = text
  while (Buffer.byteLength(short) > 255) short = short.slice(0, -1)
  return short
}
