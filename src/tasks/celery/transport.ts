/**
 * The same message as AMQP and as SQS carry it.
 *
 *   AMQP: headers in the field table, id and answer address in correlation-id and reply-to, the body as it is
 *   SQS:  base64 of { body: base64, headers, properties: { correlation_id, reply_to, priority, delivery_info, … }, 'content-type', … },
 *         which is kombu's envelope; kombu 5.3 and later may leave the outer base64 out
 */
import { AMQP_HEAD } from '../../model/amqp-head.ts'
import { utf8Text } from '../../model/bytes.ts'
import { decodeHead, encodeContent } from '../../model/content.ts'
import type { Content } from '../../model/message.ts'
import { type FieldTable, type FieldValue, fieldOf } from '../../wire/amqp/field-table.ts'
import { readProperties, writeProperties } from '../../wire/amqp/properties.ts'
import { type Fields, isFields, isText, type RawMessage } from './protocol.ts'
import type { CeleryTransport } from './types.ts'

export interface Envelope {
  readonly transport: CeleryTransport
  readonly raw: RawMessage
  readonly replyTo: string | undefined
}

/** undefined: not from Celery. */
export function openContent(content: Content): Envelope | undefined {
  const envelope = content.head[0] === AMQP_HEAD ? openAmqp(content) : openSqs(content)
  if (envelope === undefined) return undefined
  const named = isCall(envelope.raw.headers) ? envelope.raw.headers : parsed(envelope.raw.body)
  return isCall(named) ? { ...envelope, raw: { ...envelope.raw, headers: named } } : undefined
}

/** Protocol 2 has them among the headers; protocol 1, whose senders are told to change it, has all in its body. */
function isCall(fields: Fields | undefined): fields is Fields {
  return isText(fields?.['task']) && isText(fields['id'])
}

export interface Outgoing {
  readonly transport: CeleryTransport
  readonly queue: string
  readonly raw: RawMessage
  readonly correlationId: string
  readonly replyTo?: string | undefined
  readonly priority?: number | undefined
}

export function sealContent(outgoing: Outgoing): Content {
  return outgoing.transport === 'amqp' ? sealAmqp(outgoing) : sealSqs(outgoing)
}

/** The body of an answer, whatever carried it. */
export function openReply(content: Content): string {
  const envelope = content.head[0] === AMQP_HEAD ? undefined : openSqs(content)
  return envelope?.raw.body ?? utf8Text(content.body)
}

function openAmqp({ head, body }: Content): Envelope {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const keyAt = 2 + (bytes[1] ?? 0)
  const { headers, contentType = '', replyTo } = readProperties(bytes, keyAt + 1 + (bytes[keyAt] ?? 0))
  return {
    transport: 'amqp',
    raw: { headers: valuesOf(headers ?? new Map()), body: utf8Text(body), contentType },
    replyTo: isText(replyTo) ? replyTo : undefined,
  }
}

function sealAmqp({ queue, raw, correlationId, replyTo, priority }: Outgoing): Content {
  const key = Buffer.from(queue, 'utf8')
  const properties = writeProperties({
    contentType: raw.contentType,
    contentEncoding: 'utf-8',
    headers: tableOf(raw.headers),
    deliveryMode: 2,
    ...(priority === undefined ? {} : { priority }),
    correlationId,
    ...(replyTo === undefined ? {} : { replyTo }),
  })
  return {
    head: Buffer.concat([Uint8Array.of(AMQP_HEAD, 0, key.length), key, properties]),
    body: Buffer.from(raw.body, 'utf8'),
  }
}

function openSqs({ head, body }: Content): Envelope | undefined {
  if (decodeHead(head).kind !== 'text') return undefined
  const text = utf8Text(body)
  const envelope = parsed(text) ?? parsed(Buffer.from(text, 'base64').toString('utf8'))
  if (envelope === undefined) return undefined
  const { headers, properties, body: inner, 'content-type': contentType } = envelope
  if (!isFields(headers) || !isFields(properties) || typeof inner !== 'string') return undefined
  const isBase64 = properties['body_encoding'] === 'base64'
  const { reply_to: replyTo } = properties
  return {
    transport: 'sqs',
    raw: {
      headers,
      body: isBase64 ? Buffer.from(inner, 'base64').toString('utf8') : inner,
      contentType: isText(contentType) ? contentType : '',
    },
    replyTo: isText(replyTo) ? replyTo : undefined,
  }
}

function sealSqs({ queue, raw, correlationId, replyTo, priority }: Outgoing): Content {
  const envelope = {
    body: Buffer.from(raw.body, 'utf8').toString('base64'),
    'content-encoding': 'utf-8',
    'content-type': raw.contentType,
    headers: raw.headers,
    properties: {
      correlation_id: correlationId,
      reply_to: replyTo ?? '',
      delivery_mode: 2,
      delivery_info: { exchange: '', routing_key: queue },
      priority: priority ?? 0,
      body_encoding: 'base64',
      delivery_tag: correlationId,
    },
  }
  return encodeContent(Buffer.from(JSON.stringify(envelope), 'utf8').toString('base64'))
}

function parsed(json: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return isFields(value) ? value : undefined
  } catch {
    return undefined
  }
}

function valuesOf(table: FieldTable): Fields {
  return Object.fromEntries([...table].map(([name, field]) => [name, jsonOf(field)]))
}

function jsonOf(field: FieldValue): unknown {
  switch (field.type) {
    case 'S':
      return utf8Text(field.value)
    case 'A':
      return field.value.map(jsonOf)
    case 'F':
      return valuesOf(field.value)
    case 'V':
      return null
    case 'D':
      return field.value / 10 ** field.scale
    case 'l':
    case 'L':
    case 'T':
      return Number(field.value)
    default:
      return field.value
  }
}

function tableOf(fields: Fields): FieldTable {
  return new Map(Object.entries(fields).map(([name, value]) => [name, fieldOfJson(value)]))
}

function fieldOfJson(value: unknown): FieldValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return fieldOf(value)
  if (Array.isArray(value)) return { type: 'A', value: value.map(fieldOfJson) }
  return isFields(value) ? fieldOf(tableOf(value)) : { type: 'V' }
}
